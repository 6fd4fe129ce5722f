"""What entries are handed to: one file per kind of destination, and what the kinds share (`base`, `http`)."""

from whodid.sinks.kinds.base import Kind, Message, Opening, Receiver, Result, read_secrets
from whodid.sinks.kinds.file import FILE
from whodid.sinks.kinds.webhook import WEBHOOK

__all__ = ["KINDS", "Kind", "Message", "Opening", "Receiver", "Result", "read_secrets"]

KINDS = {"file": FILE, "webhook": WEBHOOK}
"""By name."""
