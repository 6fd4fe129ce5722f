"""What entries are handed to: one file per kind of destination, and what the kinds share (`base`, `http`)."""

from whodid.sinks.kinds.apprise import APPRISE
from whodid.sinks.kinds.base import Kind, Message, Opening, Receiver, Result, read_secrets
from whodid.sinks.kinds.chat import SLACK, TEAMS
from whodid.sinks.kinds.datadog import DATADOG
from whodid.sinks.kinds.elastic import ELASTIC
from whodid.sinks.kinds.email import EMAIL
from whodid.sinks.kinds.file import FILE
from whodid.sinks.kinds.otlp import OTLP
from whodid.sinks.kinds.s3 import S3
from whodid.sinks.kinds.splunk import SPLUNK
from whodid.sinks.kinds.syslog import SYSLOG
from whodid.sinks.kinds.webhook import WEBHOOK

__all__ = ["KINDS", "Kind", "Message", "Opening", "Receiver", "Result", "read_secrets"]

KINDS = {
    "file": FILE,
    "webhook": WEBHOOK,
    "email": EMAIL,
    "slack": SLACK,
    "teams": TEAMS,
    "syslog": SYSLOG,
    "splunk": SPLUNK,
    "otlp": OTLP,
    "elastic": ELASTIC,
    "datadog": DATADOG,
    "s3": S3,
    "apprise": APPRISE,
}
"""By name."""
