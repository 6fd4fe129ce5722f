"""Sinks: destinations that are fed continuously with the entries of a log, in order and at least once.

What lives here: sinks as settings of a workspace (`settings`), how far each of them got (`position`), what an entry
becomes on the way (`formats`), what it is handed to (`kinds`), and the threads that carry it there (`delivery`,
`worker`). What does not: finite files, and anything that knows of a terminal or of our own HTTP API.
"""

from whodid.sinks.changing import SinkChange
from whodid.sinks.forgetting import erase
from whodid.sinks.formats import FORMATS
from whodid.sinks.health import Health
from whodid.sinks.kinds import KINDS
from whodid.sinks.kinds.webhook import Signature, generate_secret
from whodid.sinks.language import change_language, read_language
from whodid.sinks.position import Position, Quarantined
from whodid.sinks.settings import Sink
from whodid.sinks.sinks import Sinks
from whodid.sinks.worker import SinkWorker

__all__ = [
    "FORMATS",
    "KINDS",
    "Health",
    "Position",
    "Quarantined",
    "Signature",
    "Sink",
    "SinkChange",
    "SinkWorker",
    "Sinks",
    "change_language",
    "erase",
    "generate_secret",
    "read_language",
]
