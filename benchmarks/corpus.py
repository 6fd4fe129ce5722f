"""Events as a busy workspace makes them: what every benchmark here records.

Deterministic by a seed number. About 600 bytes of JSON each, spread over 90 days, Zipf actors and resources, the
actions of the catalog in plausible proportions, before and after values, reasons, addresses, user agents.
"""

from __future__ import annotations

import itertools
import random
import zlib
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from whodid import Actor, Change, Context, Event, Reason, Resource

START = datetime(2026, 8, 25, tzinfo=UTC)
DAYS = 90

_FIRST = [
    "Maria",
    "Aisha",
    "João",
    "Priya",
    "Tomás",
    "Lucía",
    "Ana",
    "Juan",
    "Carlos",
    "Elena",
    "Sofía",
    "Mateo",
    "Noor",
    "Omar",
    "Ravi",
    "Ines",
    "Hugo",
    "Vera",
    "Leo",
    "Nadia",
]
_LAST = [
    "Torres",
    "Khan",
    "Silva",
    "Nair",
    "Ruiz",
    "Gil",
    "García",
    "Pérez",
    "López",
    "Ferrer",
    "Costa",
    "Mehta",
    "Duarte",
    "Ortiz",
    "Vega",
    "Romero",
    "Iyer",
    "Haddad",
]
_CITIES = [("Madrid", "ES"), ("Lisboa", "PT"), ("Getafe", "ES"), ("Mumbai", "IN"), ("Sevilla", "ES"), ("Porto", "PT")]
_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "crm-sync/2.4 (+https://casalumen.es)",
]
_ACTIONS = [
    ("contact.updated", "contact", 44),
    ("contact.created", "contact", 14),
    ("auth.login", "user", 9),
    ("auth.logout", "user", 5),
    ("contact.deleted", "contact", 2),
    ("contact.consent_changed", "contact", 4),
    ("template.edited", "template", 3),
    ("template.created", "template", 1),
    ("campaign.created", "campaign", 2),
    ("campaign.updated", "campaign", 4),
    ("campaign.started", "campaign", 2),
    ("campaign.paused", "campaign", 1),
    ("campaign.completed", "campaign", 2),
    ("user.role_changed", "user", 1),
    ("team.modified", "team", 1),
    ("webhook.updated", "webhook", 1),
    ("auth.login_failed", "user", 2),
    ("api_key.created", "api_key", 1),
    ("account.updated", "account", 1),
]
_WORDS = [
    "asked",
    "to",
    "be",
    "removed",
    "by",
    "phone",
    "moved",
    "away",
    "wrong",
    "number",
    "duplicate",
    "imported",
    "twice",
    "new",
    "address",
    "prefers",
    "email",
    "wants",
    "invoice",
    "delayed",
    "order",
    "refund",
    "discount",
    "autumn",
    "offer",
    "loyalty",
    "points",
    "reminder",
    "visit",
    "shop",
    "opening",
    "hours",
    "delivery",
]


def events(count: int, *, seed: int = 1, actors: int = 400, resources: int = 60_000) -> Iterator[Event]:
    """Yield events in ascending order of `occurred_at`.

    Args:
        count: How many; they always span 90 days.
        seed: Same number, same events.
        actors: People and keys, by Zipf.
        resources: Different resources, by Zipf.
    """
    draw = random.Random(seed)
    people = [_actor(draw, number) for number in range(actors)]
    surnames = _LAST + [_surname(draw) for _ in range(2_000)]
    names = [f"{draw.choice(_FIRST)} {draw.choice(surnames)}" for _ in range(20_000)]
    person_of = _zipf(actors, 1.1)
    thing_of = _zipf(resources, 0.8)
    kinds = list(itertools.accumulate(weight for *_, weight in _ACTIONS))
    step = timedelta(days=DAYS) / count
    occurred_at = START
    for number in range(count):
        occurred_at += step * (0.5 + draw.random())
        action, type_, _ = _ACTIONS[_pick(draw, kinds)]
        actor, address, agent, place = people[_pick(draw, person_of)]
        thing = _pick(draw, thing_of)
        name = names[thing % len(names)]
        phone = f"+346{thing * 7919 % 100_000_000:08d}"
        yield Event(
            id=_uuid7(draw, occurred_at),
            occurred_at=occurred_at,
            actor=actor,
            action=action,
            resource=Resource(type=type_, id=f"{type_[:3]}_{thing:07X}", name=name),
            outcome="denied" if draw.random() < 0.01 else "success",
            changes=(
                Change(path="city", before=draw.choice(_CITIES)[0], after=draw.choice(_CITIES)[0]),
                Change(path="phone_e164", before=phone, after=phone[:-2] + f"{number % 100:02d}", class_="personal"),
                *((Change(path="notes", before=_text(draw, 3), after=_text(draw, 5)),) if number % 4 == 0 else ()),
            )
            if action.endswith(("updated", "edited", "changed", "modified"))
            else (Change(path="name", op="add", after=name, class_="personal"),),
            reason=Reason(text=_text(draw, 6)) if draw.random() < 0.15 else None,
            context=Context(
                source="api" if actor.type == "api_key" else "web",
                ip=address,
                user_agent=agent,
                city=place[0],
                country=place[1],
                request=f"req_{number:08X}{draw.getrandbits(24):06X}",
                session=f"ses_{zlib.crc32(f'{actor.id} {occurred_at.date()}'.encode()):08X}",
            ),
        )


def _actor(draw: random.Random, number: int) -> tuple[Actor, str, str, tuple[str, str]]:
    address = f"83.{draw.randrange(40, 60)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"
    name = f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"
    if number % 20 == 3:
        actor = Actor(type="api_key", id=f"key_{number:04X}", name=f"CRM sync {number}")
        return actor, address, _AGENTS[3], draw.choice(_CITIES)
    email = f"{name.split(maxsplit=1)[0].lower()}{number}@casalumen.es"
    role = draw.choice(["Agent", "Agent", "Manager", "Admin"])
    actor = Actor(type="user", id=f"usr_{number:04X}", name=name, email=email, role=role)
    return actor, address, draw.choice(_AGENTS[:3]), draw.choice(_CITIES)


_SYLLABLES = [
    "ba",
    "ber",
    "cas",
    "do",
    "fer",
    "ga",
    "gue",
    "lan",
    "lo",
    "mar",
    "men",
    "mon",
    "na",
    "nes",
    "nu",
    "or",
    "pa",
    "que",
    "ra",
    "ri",
    "ro",
    "sal",
    "san",
    "ta",
    "tor",
    "va",
    "ve",
    "vi",
    "za",
]


def _surname(draw: random.Random) -> str:
    return "".join(draw.choices(_SYLLABLES, k=draw.choice((2, 3, 3)))).capitalize()


def _zipf(count: int, exponent: float) -> list[float]:
    return list(itertools.accumulate(1 / (rank + 1) ** exponent for rank in range(count)))


def _pick(draw: random.Random, cumulative: list[float] | list[int]) -> int:
    return min(bisect(cumulative, draw.random() * cumulative[-1]), len(cumulative) - 1)


def _text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(_WORDS, k=words))


def _uuid7(draw: random.Random, at: datetime) -> str:
    value = int(at.timestamp() * 1000) << 80 | draw.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))
