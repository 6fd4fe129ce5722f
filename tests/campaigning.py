"""Campaigns for the tests: people who agreed, a segment, a template with variables, and a WhatsApp told what to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sendero.service import campaigns, contacts, guard, running, scheduler, segments, sender, templates
from sendero.tables import Account, Campaign, Contact, Message, Segment, Template
from sendero.whatsapp.provider import Line, Media, Outgoing, ProviderFault, Standing, Submitted
from sendero.work import Work
from tests.lumen import Lumen, template_values
from whodid import Actor, Change, Entry, Reason

WHATSAPP = Actor(type="provider", id="whatsapp", name="WhatsApp")
ADDRESS = "157.240.212.35"
OFFER = {
    "name": "diwali_offer_2026",
    "display_name": "Diwali offer",
    "language": "es",
    "category": "marketing",
    "body": "Hola {{1}}, esta semana: {{2}}",
    "samples": ["Ana", "lámparas"],
    "buttons": [],
}


class Told:
    """A WhatsApp that takes every message, unless it is told what to answer.

    Args:
        answers: Called with each message before it is taken; what it raises is the answer.
    """

    def __init__(self, answers: Callable[[Outgoing], None] = lambda _: None) -> None:
        self.answers = answers
        self.sent: list[Outgoing] = []
        self.lines: list[Line] = []

    def send(self, line: Line, message: Outgoing) -> str:
        """Take a message, or answer as told."""
        self.answers(message)
        self.sent.append(message)
        self.lines.append(line)
        return f"wamid.{len(self.sent)}.{message.reference}"

    def refuse(self, code: int, *, text: str = "no", at: Sequence[int] | None = None, **more: Any) -> None:
        """Refuse from now on: everything, or only the messages of these turns, counted from 1."""
        turns = iter(range(1, 10**9))

        def answer(_: Outgoing) -> None:
            if next(turns) in (at or range(10**9)):
                raise ProviderFault(code, text, **more)

        self.answers = answer

    def standing(self, line: Line) -> Standing:
        """Not asked here."""
        raise NotImplementedError

    def upload(self, line: Line, media: Media) -> str:
        """Not asked here."""
        raise NotImplementedError

    def create_template(self, line: Line, template: Mapping[str, Any]) -> Submitted:
        """Not asked here."""
        raise NotImplementedError

    def find_template(self, line: Line, name: str, language: str) -> Any:
        """Not asked here."""
        raise NotImplementedError

    def edit_template(self, line: Line, template_id: str, template: Mapping[str, Any]) -> None:
        """Not asked here."""
        raise NotImplementedError

    def delete_template(self, line: Line, template_id: str, name: str) -> None:
        """Not asked here."""
        raise NotImplementedError


def people(work: Work, many: int, **more: Any) -> list[Contact]:
    """Create contacts of Madrid who agreed to marketing messages."""
    agreed = {"marketing": "opted_in", "source": "form", "evidence": "Web form", "captured_at": work.now()}
    return [
        contacts.create(
            work,
            {
                "name": f"Person {n:05}",
                "phone_e164": f"+346000{n:05}",
                "city": "Madrid",
                "consent": agreed,
                **more,
            },
        )
        for n in range(many)
    ]


def offer(lumen: Lumen) -> Template:
    """Return an approved marketing template with two variables, made once."""
    with lumen.working() as work:
        found = next((one for one in templates.listing(work) if one.name == OFFER["name"]), None)
        if found is None:
            account = work.get(Account, lumen.account.id)
            values = templates.checked(template_values(**OFFER))
            found = templates.create(work, account, values, submitted=True)
            templates.change_status(work, found, "approved")
        return found


def madrid(lumen: Lumen) -> Segment:
    """Return the segment of those in Madrid who agreed, made once."""
    with lumen.working() as work:
        found = next(iter(segments.listing(work)), None)
        values = {"name": "Madrid", "city": ["Madrid"], "consent": ["opted_in"]}
        return found or segments.create(work, segments.checked(values))


def campaign(lumen: Lumen, *, many: int = 0, name: str = "Diwali early access", **more: Any) -> Campaign:
    """Create a draft for people in Madrid, with that many of them."""
    template, segment = offer(lumen), madrid(lumen)
    with lumen.working() as work:
        people(work, many)
        values = {
            "name": name,
            "template_id": template.id,
            "segment_id": segment.id,
            "variables": ["{first_name}", "lámparas"],
            "schedule_at": "",
            "window": "",
            "rate_per_minute": "600",
            **more,
        }
        return campaigns.create(work, campaigns.checked(work, values))


def started(lumen: Lumen, *, many: int, **more: Any) -> Campaign:
    """Create a campaign that runs, and leave nothing of it among the entries of the test."""
    made = campaign(lumen, many=many, **more)
    with lumen.working() as work:
        running.start(work, work.get(Campaign, made.id))
    lumen.home.relay.drain()
    return made


@contextmanager
def acting_on(lumen: Lumen, made: Campaign) -> Iterator[tuple[Work, Campaign]]:
    """Work on a campaign directly."""
    with lumen.working() as work:
        yield work, work.get(Campaign, made.id)


def send(lumen: Lumen, *, turns: int = 200) -> None:
    """Let time pass and the sender send, until nothing is to do for five minutes."""
    idle = 0
    for _ in range(turns):
        idle = 0 if sender.turn(lumen.home) else idle + 1
        if idle > 15:
            return
        lumen.advance(seconds=20)


def pass_time(lumen: Lumen, **length: float) -> None:
    """Let time pass, and the scheduler look once."""
    lumen.advance(**length)
    scheduler.turn(lumen.home)


def now(lumen: Lumen, made: Campaign) -> Campaign:
    """Return a campaign as it is now."""
    found: Campaign = lumen.row(Campaign, id=made.id)
    return found


def changes(entry: Entry) -> dict[str, Change]:
    """Return the changes of an entry by their paths."""
    return {change.path: change for change in entry.changes}


def messages(lumen: Lumen, made: Campaign) -> dict[str, str]:
    """Return the status of each message by its id."""
    with lumen.home.session() as session:
        return {one.id: one.status for one in session.query(Message).filter_by(campaign_id=made.id)}


def counted(made: Campaign) -> dict[str, int]:
    """Return the counters that are not zero."""
    names = ("audience", "queued", "sent", "delivered", "read", "failed", "skipped", "unknown")
    return {name: many for name in names if (many := getattr(made, name))}


def template_becomes(lumen: Lumen, made: Campaign, *statuses: str) -> str:
    """Let WhatsApp change the status of a campaign's template, as its webhook does; return the last entry's id."""
    cause = ""
    for status in statuses:
        with lumen.working() as work, work.acting(actor=WHATSAPP, source="webhook", ip=ADDRESS):
            template = work.get(Template, made.template_id)
            cause = templates.change_status(work, template, status, reason=Reason(code="low_quality"))
            guard.template_changed(work, template, cause)
    return cause


def paused(lumen: Lumen) -> list[Entry]:
    """Return the pauses, oldest first."""
    return [entry for entry in reversed(lumen.entries()) if entry.action == "campaign.paused"]
