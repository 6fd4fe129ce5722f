"""The tables of the workspace, a file per part of it.

Only shapes live here; what may happen to a row is decided in `sendero.service`.
"""

from sendero.tables.audience import Contact, Import, ImportFault, ImportPart, Note, Segment
from sendero.tables.base import Base, Owned, Workspace, outbox
from sendero.tables.people import (
    ApiKey,
    Attempt,
    Letter,
    RecoveryCode,
    ResetLink,
    Role,
    SecondStep,
    Session,
    SsoAttempt,
    SsoConnection,
    SsoIdentity,
    Team,
    TeamMember,
    User,
)
from sendero.tables.sending import Campaign, Message
from sendero.tables.webhooks import Delivery, Webhook
from sendero.tables.whatsapp import Account, Notification, Template

WATCHED = (
    Account,
    ApiKey,
    Campaign,
    Contact,
    Role,
    Segment,
    SsoConnection,
    Team,
    Template,
    User,
    Webhook,
    Workspace,
)
"""The tables whose every change is in the log. The others hold what is sent, attempts, and letters under way."""

__all__ = [
    "WATCHED",
    "Account",
    "ApiKey",
    "Attempt",
    "Base",
    "Campaign",
    "Contact",
    "Delivery",
    "Import",
    "ImportFault",
    "ImportPart",
    "Letter",
    "Message",
    "Note",
    "Notification",
    "Owned",
    "RecoveryCode",
    "ResetLink",
    "Role",
    "SecondStep",
    "Segment",
    "Session",
    "SsoAttempt",
    "SsoConnection",
    "SsoIdentity",
    "Team",
    "TeamMember",
    "Template",
    "User",
    "Webhook",
    "Workspace",
    "outbox",
]
