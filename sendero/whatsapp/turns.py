"""What is done again and again for WhatsApp: the demo's plays its part, and every number is asked how it stands.

Not everything is told: how the quality of a number sinks to yellow, or that a restriction is over, is only seen by
asking.
"""

from __future__ import annotations

import logging

from sendero.installation import Installation
from sendero.service import accounts, standings
from sendero.tables import Account
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.whatsapp.provider import TOKEN_LOST, ProviderFault
from sendero.work import begin
from whodid import Reason

__all__ = ["ask_standings", "play"]

_log = logging.getLogger("sendero.whatsapp")


def play(home: Installation) -> bool:
    """Let the WhatsApp of the demo do what is due; return whether there is more at once."""
    return isinstance(home.provider, DemoWhatsApp) and home.provider.tick()


def ask_standings(home: Installation) -> bool:
    """Ask how every connected number stands, and note what has changed."""
    with begin(home) as work:
        lines = [(account.id, accounts.line_of(work, account)) for account in accounts.listing(work)]
    for key, line in lines:
        try:
            standing = home.provider.standing(line)
        except ProviderFault as fault:
            if fault.code != TOKEN_LOST:
                _log.warning("the account %s could not be asked about: %s", key, fault)
                continue
            standing = None
        with begin(home) as work, work.acting(actor=WHATSAPP, source="job"):
            account = work.get(Account, key)
            if account.deleted_at is not None:
                continue
            if standing is not None:
                standings.apply(work, account, standing)
            else:
                lost = Reason(code="token_lost")
                standings.change_status(work, account, "disconnected", reason=lost, code=TOKEN_LOST)
    return False
