"""A double of S3 for the tests: moto's server on this machine, and a bucket that another client reads (obstore)."""

from __future__ import annotations

import io
import logging
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import obstore
import pyarrow.parquet as pq
import zstandard
from msgspec import json
from obstore.store import S3Store

__all__ = ["KEYS", "Bucket", "serving"]

KEYS = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Bucket:
    """A bucket, as somebody else sees it.

    Args:
        port: Where the server is.
    """

    def __init__(self, port: int, name: str) -> None:
        self.url = f"http://localhost:{port}/{name}"
        self.store = S3Store(
            name,
            endpoint=f"http://localhost:{port}",
            access_key_id="AKIDEXAMPLE",
            secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        request = urllib.request.Request(self.url, method="PUT")
        urllib.request.urlopen(request).close()

    def names(self) -> list[str]:
        """List the objects."""
        return sorted(str(one["path"]) for page in obstore.list(self.store) for one in page)

    def bytes(self, name: str) -> bytes:
        """Read an object."""
        return bytes(obstore.get(self.store, name).bytes())

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Read an object of lines."""
        text = zstandard.ZstdDecompressor().decompressobj().decompress(self.bytes(name))
        return [json.decode(line) for line in text.splitlines()]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Read an object of rows."""
        found: list[dict[str, Any]] = pq.read_table(io.BytesIO(self.bytes(name))).to_pylist()
        return found

    def indexes(self) -> list[int]:
        """List the indexes of all entries in objects of lines, in the order of their objects."""
        return [line["index"] for name in self.names() if "/date=" in name for line in self.lines(name)]


@contextmanager
def serving() -> Iterator[int]:
    """Run moto's server; yield its port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()
