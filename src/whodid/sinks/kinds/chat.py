"""Chat: Slack by incoming webhook, Microsoft Teams by a Workflows address. One post per delivery, a line per entry.

Whoever knows such an address can post there, so it is the secret of the sink; its host stands in the settings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from whodid.errors import InvalidSetting
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way, split_address
from whodid.sinks.kinds.schedule import read_schedule
from whodid.sinks.kinds.wording import PEOPLE, Line, Wording

__all__ = ["SLACK", "TEAMS"]

_BATCH, _MOST = 20, 40  # a message of Slack has at most fifty blocks


class _Chat(ABC):
    """Words entries and posts them."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(replace(opening, sink=replace(opening.sink, address=_secret(opening))))
        read_schedule(opening.sink.options)
        self._wording = Wording(opening)

    def send(self, messages: Sequence[Message]) -> Result:
        """Post what there is to say; signs of life are not."""
        said = self._wording.lines(messages)
        if not said:
            return TAKEN
        body = msgspec.json.encode(self._form(said))
        return self._way.post(body, {"Content-Type": "application/json"}).result()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()

    @abstractmethod
    def _form(self, said: Sequence[Line]) -> dict[str, Any]:
        """Write what is to be posted."""


class _Slack(_Chat):
    def _form(self, said: Sequence[Line]) -> dict[str, Any]:
        """Write blocks of plain text, in which nothing is markup and nobody is called by name."""
        blocks: list[dict[str, Any]] = [
            {"type": "section", "text": {"type": "plain_text", "text": f"{one.title}\n{one.text}", "emoji": False}}
            for one in said
        ]
        if link := self._wording.link:
            text = self._wording.words.say("open")
            button = {"type": "button", "text": {"type": "plain_text", "text": text}, "url": link}
            blocks.append({"type": "actions", "elements": [button]})
        return {"text": _escaped(self._wording.title(said)), "blocks": blocks}


class _Teams(_Chat):
    def _form(self, said: Sequence[Line]) -> dict[str, Any]:
        """Write an Adaptive Card of text runs, which know no markup."""
        words, link = self._wording.words, self._wording.link
        body = [
            {
                "type": "RichTextBlock",
                "inlines": [
                    {
                        "type": "TextRun",
                        "text": f"{one.title} ",
                        "weight": "Bolder",
                        "color": "Attention" if one.grave else "Default",
                    },
                    {"type": "TextRun", "text": one.text},
                ],
            }
            for one in said
        ]
        actions = [{"type": "Action.OpenUrl", "title": words.say("open"), "url": link}] if link else []
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.5" if words.right_to_left else "1.4",
            "lang": words.lang,
            **({"rtl": True} if words.right_to_left else {}),
            "body": body,
            "actions": actions,
        }
        content = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": content, "content": card}]}


def _secret(opening: Opening) -> str:
    """Return the address to post to, which must be at the host of the settings.

    Raises:
        InvalidSetting: It is somewhere else. What is said does not hold it.
    """
    known = split_address(opening, ("https", "http"), clear="http")
    found = urlsplit(opening.secrets[0])
    if (found.scheme, found.netloc) != (known.scheme, known.netloc) or not found.path.strip("/"):
        raise InvalidSetting(
            f"The secret is no address at {known.scheme}://{known.netloc}",
            "Put the whole address that the channel gave you into the secret file, and its host into the settings",
        )
    return opening.secrets[0]


def _escaped(text: str) -> str:
    """Escape what Slack reads as markup in the text of a notification."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_OPTIONS = {**OPTIONS, **PEOPLE}
SLACK = Kind(formats=("whodid",), options=_OPTIONS, batch=_BATCH, most=_MOST, secret=True, open=_Slack)
TEAMS = Kind(formats=("whodid",), options=_OPTIONS, batch=_BATCH, most=_MOST, secret=True, open=_Teams)
