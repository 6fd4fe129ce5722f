"""The way in from an application: who acts, what changed, and events that live and die with the change.

`context`, `bind` and `Capture.impersonate` say who acts; `Capture.record` and `Capture.action` say what happened. A
hook (`whodid.capture.sqlalchemy`, `whodid.capture.django`) says it of every row that changes. The outbox keeps events
in the application's own transaction and the relay carries them to the log.

Everything here works on the base install; hooks, middleware of frameworks and queues are imported from their modules.
"""

from whodid.capture.capture import Capture
from whodid.capture.context import Executor, Scope, bind, context, current, wrap
from whodid.capture.counts import CaptureStatus
from whodid.capture.destination import Destination, Direct
from whodid.capture.diff import diff
from whodid.capture.events import uuid7
from whodid.capture.relay import Relay, RelayStatus
from whodid.capture.told import Told

__all__ = [
    "Capture",
    "CaptureStatus",
    "Destination",
    "Direct",
    "Executor",
    "Relay",
    "RelayStatus",
    "Scope",
    "Told",
    "bind",
    "context",
    "current",
    "diff",
    "uuid7",
    "wrap",
]
