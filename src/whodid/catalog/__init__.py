"""The catalog: the actions that a workspace knows, their words in each language and the classes of their fields.

`builtin()` declares the actions of a WhatsApp marketing workspace; a host adds its own with `Catalog.declare`.
"""

from whodid.catalog.actions import builtin
from whodid.catalog.catalog import ANSWERS, Action, Catalog, Wording
from whodid.catalog.classes import FieldClasses, is_secret_name, stricter
from whodid.catalog.labels import (
    LANGUAGES,
    actor_label,
    category_label,
    detail_label,
    field_label,
    kind_label,
    outcome_label,
    reason_label,
    rule_label,
    severity_label,
    source_label,
    type_label,
    value_label,
    write,
)
from whodid.catalog.secrets import SHORTEST, holds_secret, is_credential, without_password, without_secrets
from whodid.catalog.sentences import ChangeLine, SecondLine, Sentence, second_line, sentence
from whodid.catalog.templates import Part, Said
from whodid.catalog.topics import TOPICS, Topic, topics

__all__ = [
    "ANSWERS",
    "LANGUAGES",
    "SHORTEST",
    "TOPICS",
    "Action",
    "Catalog",
    "ChangeLine",
    "FieldClasses",
    "Part",
    "Said",
    "SecondLine",
    "Sentence",
    "Topic",
    "Wording",
    "actor_label",
    "builtin",
    "category_label",
    "detail_label",
    "field_label",
    "holds_secret",
    "is_credential",
    "is_secret_name",
    "kind_label",
    "outcome_label",
    "reason_label",
    "rule_label",
    "second_line",
    "sentence",
    "severity_label",
    "source_label",
    "stricter",
    "topics",
    "type_label",
    "value_label",
    "without_password",
    "without_secrets",
    "write",
]
