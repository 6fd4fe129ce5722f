"""Mails that wait to be sent: written in the transaction of what they are about, sent by a job.

So nobody waits for a mail server, an address that has nobody takes as long as one that has, and nothing is sent for
what was rolled back. A letter is sealed while it waits, because it may hold a link, and is gone when it is sent.
"""

from __future__ import annotations

import json
import logging
import smtplib
from datetime import timedelta

import sqlalchemy as sa

from sendero import mail
from sendero.installation import Installation
from sendero.tables import Letter
from sendero.work import Work, begin

__all__ = ["turn", "write"]

_log = logging.getLogger("sendero.mail")
_FIRST_WAIT = timedelta(minutes=1)
_TRIES = 8


def write(work: Work, to: str, subject: str, text: str) -> None:
    """Write a letter, to be sent as soon as this work is committed."""
    now = work.now()
    sealed = work.home.vault.seal(json.dumps([subject, text]))
    work.add(Letter(id=work.new_id("let"), to=to, sealed=sealed, created_at=now, due_at=now, tries=0))


def turn(home: Installation) -> bool:
    """Send the letter that waits longest.

    Returns:
        Whether there was one.
    """
    with begin(home) as work:
        query = sa.select(Letter).where(Letter.due_at <= work.now()).order_by(Letter.due_at, Letter.id).limit(1)
        letter = work.session.execute(query).scalar_one_or_none()
    if letter is None:
        return False
    subject, text = json.loads(home.vault.open(letter.sealed))
    try:
        mail.send(home, mail.Mail(id=letter.id, to=letter.to, subject=subject, text=text))
    except (OSError, smtplib.SMTPException) as error:
        # Neither the address nor the text belongs in the server's own log.
        _log.warning("letter %s cannot be sent (%s); attempt %d", letter.id, type(error).__name__, letter.tries + 1)
        wait = _FIRST_WAIT * 2**letter.tries
        with begin(home) as work:
            late = sa.update(Letter).where(Letter.id == letter.id)
            work.session.execute(late.values(tries=letter.tries + 1, due_at=work.now() + wait))
        if letter.tries + 1 < _TRIES:
            return True
        _log.warning("letter %s is given up", letter.id)
    with begin(home) as work:
        work.session.execute(sa.delete(Letter).where(Letter.id == letter.id))
    return True
