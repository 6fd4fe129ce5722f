"""What else reaches people: the services that Apprise knows (Telegram, Matrix, Opsgenie, PagerDuty, SMS …).

The only file that imports apprise. Apprise connects by itself, so addresses are not checked as for the other kinds: it
takes the permission for private addresses. Its URL holds the secrets of the service, so it is the secret of the sink,
and the settings hold its scheme, which it must have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whodid.errors import InvalidSetting
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result
from whodid.sinks.kinds.schedule import read_schedule
from whodid.sinks.kinds.wording import PEOPLE, Wording

__all__ = ["APPRISE"]

_BATCH, _MOST = 20, 40


class _Apprise:
    """Words entries and hands them to a service."""

    def __init__(self, opening: Opening) -> None:
        try:
            import apprise
        except ImportError:
            raise InvalidSetting("Apprise is not installed", "Run: pip install 'whodid[apprise]'") from None
        read_schedule(opening.sink.options)
        scheme, url = opening.sink.address.removesuffix("://"), opening.secrets[0]
        if not opening.sink.private:
            raise InvalidSetting(
                "Apprise connects by itself, and the addresses it reaches are not checked", "Allow that with --private"
            )
        if url.partition("://")[0].lower() != scheme.lower():
            raise InvalidSetting(
                f"The secret is no URL that begins with {scheme[:40]}://",
                "Put the whole URL of Apprise into the secret",
            )
        self._apprise: Any = apprise
        asset = apprise.AppriseAsset(app_id="whodid", async_mode=False, secure_logging=True)
        self._service: Any = apprise.Apprise(asset=asset)
        if not self._service.add(url):
            raise InvalidSetting(f"Apprise knows no service {scheme[:40]}:// of this form", "Check the URL")
        self._scheme = scheme
        self._wording = Wording(opening)

    def send(self, messages: Sequence[Message]) -> Result:
        """Hand over what there is to say, as plain text; signs of life are not."""
        said, link = self._wording.lines(messages), self._wording.link
        if not said:
            return TAKEN
        text = "\n\n".join(f"{one.title}\n{one.text}" for one in said)
        taken = self._service.notify(
            title=self._wording.title(said),
            body=f"{text}\n\n{link}" if link else text,
            body_format=self._apprise.NotifyFormat.TEXT,
            notify_type=self._apprise.NotifyType.WARNING
            if any(one.grave for one in said)
            else self._apprise.NotifyType.INFO,
        )
        # What Apprise itself says of it may hold the URL.
        return TAKEN if taken else Result(fault=f"The service behind {self._scheme}:// did not take it")

    def close(self) -> None:
        """Do nothing: a connection ends with its delivery."""


APPRISE = Kind(formats=("whodid",), options=PEOPLE, batch=_BATCH, most=_MOST, secret=True, open=_Apprise)
