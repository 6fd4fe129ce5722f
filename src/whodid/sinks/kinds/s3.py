"""Buckets that speak the interface of S3 (AWS, MinIO, R2, Ceph, Google): an object per delivery and day.

An object is named after the first entry in it and created only if it is not there (`If-None-Match: *`), so a repeated
delivery writes nothing twice, and a process that comes too late replaces nothing. Requests are signed with AWS
Signature Version 4. Who may delete objects, and when, is the bucket's own affair (object lock).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

from whodid.errors import InvalidSetting
from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result, option_number
from whodid.sinks.kinds.http import OPTIONS, Answer, Way, split_address
from whodid.sinks.kinds.objects import FILES, File
from whodid.sinks.said import said_by

__all__ = ["S3"]

_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ERROR = re.compile(r"<Code>([^<]{1,100})</Code>(?:\s*<Message>([^<]{0,300})</Message>)?")
_EXISTS = 412
_UNCONDITIONAL = frozenset({400, 501})
_EVERY = 60
_LONGEST_EVERY = 86_400
_LARGEST = 3 * 1024 * 1024  # of what an object holds: less than the longest answer that is read


class _Keys(NamedTuple):
    """What signs requests."""

    id: str
    secret: str


class _Bucket:
    """Writes objects."""

    def __init__(self, opening: Opening) -> None:
        url = split_address(opening, ("https", "http"), clear="http")
        parts = url.path.strip("/").split("/")
        if not parts[0] or url.query or any(part in {"", ".", ".."} for part in parts):
            raise InvalidSetting(
                "The address of an s3 sink ends with a bucket",
                "Write https://HOST/BUCKET, or https://HOST/BUCKET/PREFIX",
            )
        id_, colon, secret = opening.secrets[0].partition(":")
        if not (id_ and colon and secret):
            raise InvalidSetting("The secret of an s3 sink is KEY_ID:SECRET_KEY", "Put both on one line")
        self._keys = _Keys(id_, secret)
        self._region = opening.option("region", "us-east-1")
        if not _REGION.fullmatch(self._region):
            raise InvalidSetting(f"The option region cannot be {self._region!r}", "Use a name such as eu-central-1")
        option_number(opening, "every", _EVERY, _LONGEST_EVERY)
        kind, replace = opening.option("file", "ndjson"), opening.option("replace", "no")
        if kind not in FILES:
            raise InvalidSetting(f"The option file cannot be {kind!r}", f"Use {' or '.join(FILES)}")
        if replace not in {"yes", "no"}:
            raise InvalidSetting(f"The option replace cannot be {replace!r}", "Use yes or no")
        self._file: File = FILES[kind](opening.sink.format)
        self._way = Way(opening)
        port = {"https": 443, "http": 80}[url.scheme]
        self._host = url.hostname or ""
        if url.port not in {None, port}:
            self._host += f":{url.port}"
        self._root = "/" + "/".join(parts)
        self._create = replace == "no" and not opening.again
        self._now = opening.now

    def send(self, messages: Sequence[Message]) -> Result:
        """Write the entries of each day as one object; signs of life are not written."""
        for day in _days(messages):
            result = self._put(day)
            if result.fault:
                return result
        return TAKEN

    def close(self) -> None:
        """Close the connection."""
        self._way.close()

    def _put(self, messages: Sequence[Message]) -> Result:
        """Write what is not there yet."""
        first = messages[0]
        path = f"{self._root}/workspace={first.workspace}/{_name(first)}.{self._file.ending}"
        body = self._file.write(messages)
        answer = self._request("PUT", path, body, {"If-None-Match": "*"} if self._create else {})
        if answer.status in range(200, 300):
            return TAKEN
        if answer.status != _EXISTS or not self._create:
            return _fault(answer, conditional=self._create)
        found = self._request("GET", path, b"", {})
        if found.status != 200:
            return _fault(found)
        there = self._file.known(found.body)
        left = [message for message in messages if self._file.mark(message) not in there]
        if len(left) == len(messages):
            return Result(fault=f"{path} is there already and holds something else; use a prefix of its own")
        return self._put(left) if left else TAKEN

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Send a signed request (AWS Signature Version 4, with all of the body signed)."""
        at = f"{self._now():%Y%m%dT%H%M%SZ}"
        digest, encoded = sha256(body).hexdigest(), quote(path, safe="/-_.~")
        signed = {"host": self._host, "x-amz-content-sha256": digest, "x-amz-date": at}
        names = ";".join(signed)
        canonical = "\n".join(
            (method, encoded, "", *(f"{name}:{value}" for name, value in signed.items()), "", names, digest)
        )
        scope = f"{at[:8]}/{self._region}/s3/aws4_request"
        told = "\n".join(("AWS4-HMAC-SHA256", at, scope, sha256(canonical.encode()).hexdigest()))
        key = f"AWS4{self._keys.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, told.encode(), "sha256").hex()
        return self._way.request(
            method,
            encoded,
            body,
            {
                **headers,
                "Content-Type": self._file.media_type,
                "x-amz-content-sha256": digest,
                "x-amz-date": at,
                "Authorization": f"AWS4-HMAC-SHA256 Credential={self._keys.id}/{scope}, SignedHeaders={names}, "
                f"Signature={signature}",
            },
        )


def _days(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield the entries and tests of each day, in their order."""
    days: dict[str, list[Message]] = {}
    for message in messages:
        if message.action != "whodid.heartbeat":
            days.setdefault(_name(message).partition("/")[0], []).append(message)
    yield from days.values()


def _name(message: Message) -> str:
    """Name the object that begins with a message."""
    if message.index is None:
        return f"test/{message.id}"
    return f"date={message.at:%Y-%m-%d}/{message.index:012d}"


def _fault(answer: Answer, *, conditional: bool = False) -> Result:
    """Say what went wrong; no entry is ever at fault, so nothing of it lasts."""
    found = _ERROR.search(answer.body.decode(errors="replace"))
    if answer.fault or found is None:
        fault = answer.result().fault
    else:
        told = found[1] + (f", {found[2]}" if found[2] else "")
        fault = f"The receiver answered {answer.status}: {said_by(told)}"
    if conditional and answer.status in _UNCONDITIONAL and found is not None and found[1] == "NotImplemented":
        fault += ". If it knows no If-None-Match, set the option replace=yes"
    return Result(fault=fault, retry_after=answer.retry_after)


S3 = Kind(
    formats=JSON_FORMATS,
    options={
        **OPTIONS,
        "region": "(us-east-1)",
        "file": "ndjson, compressed with zstd, or parquet (ndjson)",
        "every": f"seconds that entries wait for others ({_EVERY})",
        "replace": "yes for a store that knows no If-None-Match (no)",
    },
    batch=5_000,
    most=10_000,
    secret=True,
    hands_over=False,
    largest=_LARGEST,
    gathers=_EVERY,
    open=_Bucket,
)
