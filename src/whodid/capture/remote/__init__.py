"""The way from an application to a log that is elsewhere: a spool on the disk, and a thread that sends it.

`whodid.connect` is the face. Everything but the sending itself works on the base install.
"""

from whodid.capture.remote.client import Client, ClientStatus
from whodid.capture.remote.recorder import RemoteRecorder
from whodid.capture.remote.shipping import Shipped, ship

__all__ = ["Client", "ClientStatus", "RemoteRecorder", "Shipped", "ship"]
