"""Who appears in the story, and from where."""

from __future__ import annotations

from msgspec import Struct

from sendero.permissions import PERMISSIONS

__all__ = ["LUMEN", "MARKETING", "PEOPLE", "STRANGER", "TRAINEE", "Person", "Place"]


class Place(Struct, frozen=True):
    """Where a browser stands."""

    ip: str
    country: str
    city: str


MADRID = Place("83.45.112.20", "ES", "Madrid")
HOME = Place("88.12.204.77", "ES", "Getafe")
BARCELONA = Place("80.58.61.250", "ES", "Barcelona")
LISBON = Place("188.81.24.7", "PT", "Lisbon")
STRANGER = Place("185.220.101.4", "DE", "Frankfurt")

_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"
)
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


class Person(Struct, frozen=True, kw_only=True):
    """Somebody of the story.

    Args:
        key: How the story calls them.
        acts: How much they do on an ordinary day.
        day: Hours of the day (local) between which they work.
        since: Days before the end at which they appear; None when they were there before.
    """

    key: str
    name: str
    email: str
    role: str
    acts: float
    day: tuple[float, float] = (9.0, 18.5)
    place: Place = MADRID
    browser: str = _WINDOWS
    since: int | None = None


PEOPLE = (
    Person(key="aisha", name="Aisha Khan", email="aisha@casalumen.es", role="Owner", acts=2, browser=_MAC),
    Person(key="maria", name="Maria Torres", email="maria@casalumen.es", role="Manager", acts=8, browser=_MAC),
    Person(key="sofia", name="Sofía Prieto", email="sofia@casalumen.es", role="Manager", acts=7, day=(8.5, 17.0)),
    Person(key="priya", name="Priya Nair", email="priya@casalumen.es", role="Marketing", acts=4, browser=_CHROME),
    Person(key="tomas", name="Tomás Ruiz", email="tomas@casalumen.es", role="Admin", acts=1, browser=_CHROME),
    Person(key="carlos", name="Carlos Vega", email="carlos@casalumen.es", role="Agent", acts=7.5, day=(8.0, 15.5)),
    Person(key="nuria", name="Nuria Sanz", email="nuria@casalumen.es", role="Agent", acts=6.5, place=BARCELONA),
    Person(key="hugo", name="Hugo Martín", email="hugo@casalumen.es", role="Agent", acts=6, day=(12.0, 20.5)),
    Person(key="lucia", name="Lucía Gil", email="lucia@casalumen.es", role="Agent", acts=6, place=HOME, browser=_PHONE),
    Person(key="joao", name="Joao Silva", email="joao@casalumen.es", role="Agent", acts=5, place=HOME, since=78),
    Person(
        key="elena",
        name="Elena Costa",
        email="elena@costa-auditores.es",
        role="Auditor",
        acts=0,
        place=BARCELONA,
        since=86,
    ),
)

LUMEN = "Casa Lumen"

_DAILY = ("contacts:read", "contacts:create", "contacts:update", "segments:read", "templates:read", "campaigns:read")
_WRITES = tuple(
    f"{area}:{verb}" for area in ("segments", "templates", "campaigns") for verb in ("create", "update", "delete")
)
MARKETING = {
    "name": "Marketing",
    "description": "Writes the templates, keeps the audience clean and runs the campaigns.",
    "permissions": [*_DAILY, *_WRITES, "campaigns:start", "campaigns:pause"],
}
TRAINEE = {"name": "Trainee", "description": "Looks over somebody’s shoulder.", "permissions": ["contacts:read"]}

if not {*MARKETING["permissions"], *TRAINEE["permissions"]} <= set(PERMISSIONS):
    raise AssertionError("the story permits what does not exist")
