"""The way in from an application: who acts, what changed, and events that live and die with the change.

`context` and `bind` say who acts, `Capture.event` builds an event from before and after, the outbox keeps it in the
application's own transaction and the relay carries it to the log. The outbox of SQLAlchemy hosts is imported from
`whodid.capture.outbox`; everything here works on the base install.
"""

from whodid.capture.context import Scope, bind, context, current
from whodid.capture.diff import diff
from whodid.capture.events import Capture, uuid7
from whodid.capture.relay import Relay, RelayStatus

__all__ = ["Capture", "Relay", "RelayStatus", "Scope", "bind", "context", "current", "diff", "uuid7"]
