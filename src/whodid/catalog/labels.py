"""Short names in each language: of kinds, outcomes, categories, types, fields, reasons; and how a value is written.

Sentences live with their actions. English and Spanish stand here, the others in `languages`. A language that lacks
falls back to English; a name that lacks is made readable (`next_batch_at` → "Next batch at"), so that a host's own
fields need no declaration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from whodid.catalog.details import DETAILS
from whodid.catalog.fields import FIELDS
from whodid.catalog.languages import FURTHER, language_of
from whodid.catalog.rules import RULES
from whodid.catalog.values import CODED, VALUES

__all__ = [
    "LANGUAGES",
    "actor_label",
    "category_label",
    "detail_label",
    "field_label",
    "kind_label",
    "outcome_label",
    "pick",
    "reason_label",
    "rule_label",
    "severity_label",
    "source_label",
    "type_label",
    "value_label",
    "write",
]

LANGUAGES = ("en", "es", *FURTHER)
"""The languages that everything in this package speaks; hosts may give their actions more."""

_T = TypeVar("_T")
_Names = Mapping[str, tuple[str, str]]  # name → (en, es)

_COMMA = frozenset({"es", "pt"})
_INDEX = re.compile(r"\[\d+\]")
_LONGEST = 200
_encode = msgspec.json.Encoder(order="sorted").encode

_KINDS: _Names = {
    "create": ("Created", "Creado"),
    "update": ("Updated", "Modificado"),
    "delete": ("Deleted", "Eliminado"),
    "status": ("Status", "Estado"),
    "security": ("Sign-in and security", "Acceso y seguridad"),
}
_OUTCOMES: _Names = {
    "success": ("Done", "Hecho"),
    "denied": ("Denied", "Denegado"),
    "failed": ("Failed", "Fallido"),
}
_SEVERITIES: _Names = {
    "info": ("Information", "Información"),
    "notice": ("Notice", "Aviso"),
    "warning": ("Warning", "Advertencia"),
    "critical": ("Critical", "Crítico"),
}
_SOURCES: _Names = {
    "web": ("Web", "Web"),
    "api": ("API", "API"),
    "import": ("Import", "Importación"),
    "job": ("Automatic", "Automático"),
    "webhook": ("Webhook", "Webhook"),
    "sso": ("Single sign-on", "Inicio de sesión único"),
    "cli": ("Command line", "Línea de comandos"),
}
_ACTORS: _Names = {
    "user": ("User", "Usuario"),
    "api_key": ("API key", "Clave de API"),
    "system": ("Automatic", "Automático"),
    "scheduler": ("Scheduler", "Programador"),
    "provider": ("Provider", "Proveedor"),
    "anonymous": ("Somebody not signed in", "Alguien sin iniciar sesión"),
}
_CATEGORIES: _Names = {
    "account": ("WhatsApp accounts", "Cuentas de WhatsApp"),
    "api_key": ("API keys", "Claves de API"),
    "audit": ("Audit log", "Registro de auditoría"),
    "auth": ("Sign-in", "Acceso"),
    "campaign": ("Campaigns", "Campañas"),
    "contact": ("Contacts", "Contactos"),
    "role": ("Roles", "Roles"),
    "segment": ("Segments", "Segmentos"),
    "sso": ("Single sign-on", "Inicio de sesión único"),
    "team": ("Teams", "Equipos"),
    "template": ("Templates", "Plantillas"),
    "user": ("Users", "Usuarios"),
    "webhook": ("Webhooks", "Webhooks"),
    "workspace": ("Workspace", "Espacio de trabajo"),
}
_TYPES: _Names = {
    "account": ("WhatsApp account", "cuenta de WhatsApp"),
    "api_key": ("API key", "clave de API"),
    "campaign": ("campaign", "campaña"),
    "contact": ("contact", "contacto"),
    "entry": ("entry", "entrada"),
    "hold": ("legal hold", "retención legal"),
    "log": ("audit log", "registro de auditoría"),
    "message": ("message", "mensaje"),
    "request": ("request", "petición"),
    "role": ("role", "rol"),
    "segment": ("segment", "segmento"),
    "session": ("session", "sesión"),
    "sso": ("single sign-on", "inicio de sesión único"),
    "team": ("team", "equipo"),
    "template": ("template", "plantilla"),
    "user": ("user", "usuario"),
    "webhook": ("webhook", "webhook"),
    "workspace": ("workspace", "espacio de trabajo"),
}
_REASONS: _Names = {
    "above_own_rights": ("It would exceed their own rights", "Superaría sus propios permisos"),
    "account_deleted": ("The WhatsApp account was deleted", "La cuenta de WhatsApp se eliminó"),
    "account_disconnected": ("The WhatsApp account lost its connection", "La cuenta de WhatsApp perdió la conexión"),
    "account_restricted": ("WhatsApp restricted the account", "WhatsApp restringió la cuenta"),
    "asked_by_authority": ("An authority asked for it", "Lo pidió una autoridad"),
    "asked_by_person": ("The person asked for it", "Lo pidió la persona"),
    "asked_to_be_removed": ("Asked to be removed", "Pidió que lo eliminaran"),
    "cross_site": ("The request came from another site", "La petición vino de otro sitio"),
    "deactivated": ("Deactivated user", "Usuario desactivado"),
    "device_lost": ("Device lost", "Dispositivo perdido"),
    "duplicate": ("Duplicate", "Duplicado"),
    "expired": ("It had expired", "Había caducado"),
    "failure_rate": ("Too many messages failed", "Fallaron demasiados mensajes"),
    "left_the_company": ("Left the company", "Dejó la empresa"),
    "locked": ("Too many attempts", "Demasiados intentos"),
    "low_quality": ("Low quality", "Calidad baja"),
    "manual": ("Decided by a person", "Decisión de una persona"),
    "missing_permission": ("Lacks the permission", "No tiene permiso"),
    "no_longer_needed": ("No longer needed", "Ya no hace falta"),
    "no_permission": ("Lacks the permission", "No tiene permiso"),
    "no_recipients": ("Nobody could get it", "Nadie podía recibirla"),
    "no_signature": ("No signature", "Sin firma"),
    "not_recognised": ("Not recognised", "No se reconoce"),
    "not_used": ("No longer used", "Ya no se usa"),
    "on_leave": ("On leave", "De permiso"),
    "oneself": ("Not possible for oneself", "No es posible para uno mismo"),
    "other": ("Another reason", "Otro motivo"),
    "own_role": ("Not possible for one's own role", "No es posible para el propio rol"),
    "password_forgotten": ("Password forgotten", "Contraseña olvidada"),
    "payment_problem": ("Payment problem", "Problema de pago"),
    "permission": ("Lacks the permission", "No tiene permiso"),
    "portfolio_limit": ("The messaging limit was reached", "Se alcanzó el límite de mensajes"),
    "provider_refused": ("The provider refused it", "El proveedor lo rechazó"),
    "provider_silent": ("The provider did not answer", "El proveedor no respondió"),
    "quality_red": ("The quality of the number turned red", "La calidad del número pasó a rojo"),
    "quiet_hours": ("Quiet hours", "Horas de silencio"),
    "rejected": ("Rejected", "Rechazado"),
    "replaced": ("Replaced", "Sustituido"),
    "revoked": ("It was revoked", "Estaba revocada"),
    "security": ("For security", "Por seguridad"),
    "signature": ("Wrong signature", "Firma incorrecta"),
    "spam_rate_limit": ("Spam rate limit", "Límite por spam"),
    "template_deleted": ("The template was deleted", "La plantilla se eliminó"),
    "template_disabled": ("WhatsApp disabled the template", "WhatsApp desactivó la plantilla"),
    "template_in_review": ("The template is not approved", "La plantilla no está aprobada"),
    "template_paused": ("WhatsApp paused the template", "WhatsApp pausó la plantilla"),
    "test_data": ("Test data", "Datos de prueba"),
    "token_lost": ("The access token no longer works", "El token de acceso ya no sirve"),
    "unknown": ("Nobody knows it", "Nadie la conoce"),
    "unknown_user": ("Nobody has this address", "Nadie tiene esa dirección"),
    "verify_token": ("Wrong verify token", "Token de verificación incorrecto"),
    "wrong_number": ("Wrong number", "Número equivocado"),
    "wrong_password": ("Wrong password", "Contraseña incorrecta"),
}
_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
_WORDS: _Names = {
    "days": ("d", "d"),
    "hours": ("h", "h"),
    "minutes": ("min", "min"),
    "seconds": ("s", "s"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    "empty": ("empty", "vacío"),
    "hidden": ("hidden", "oculto"),
    "unknown": ("unknown", "desconocido"),
    "db_computed": ("computed by the database", "calculado por la base de datos"),
    "truncated": ("too long", "demasiado largo"),
    "unencodable": ("cannot be shown", "no se puede mostrar"),
    "bytes": ("binary data", "datos binarios"),
}
_TABLES: Mapping[str, _Names] = {
    "kinds": _KINDS,
    "outcomes": _OUTCOMES,
    "severities": _SEVERITIES,
    "sources": _SOURCES,
    "actors": _ACTORS,
    "categories": _CATEGORIES,
    "types": _TYPES,
    "reasons": _REASONS,
    "fields": FIELDS,
    "details": DETAILS,
    "values": VALUES,
    "rules": RULES,
    "words": _WORDS,
}
_MARKERS = frozenset({"unknown", "db_computed", "truncated", "unencodable", "bytes"})


def pick(texts: Mapping[str, _T], lang: str) -> _T:
    """Return the text in a language: `es-MX` is served by `es`, any other by `en`.

    Args:
        texts: By language; `en` is always there.
        lang: BCP 47 tag.
    """
    found = texts.get(lang)
    if found is None:
        found = texts.get(lang.partition("-")[0])
    return texts["en"] if found is None else found


def kind_label(kind: str, lang: str = "en") -> str:
    """Return what menus call a kind."""
    return _name("kinds", kind, lang)


def outcome_label(outcome: str, lang: str = "en") -> str:
    """Return what menus call an outcome."""
    return _name("outcomes", outcome, lang)


def severity_label(severity: str, lang: str = "en") -> str:
    """Return what menus call a severity."""
    return _name("severities", severity, lang)


def source_label(source: str, lang: str = "en") -> str:
    """Return what menus call a source."""
    return _name("sources", source, lang)


def actor_label(type_: str, lang: str = "en") -> str:
    """Return what an actor of a type is called when it has no name."""
    return _name("actors", type_, lang)


def category_label(category: str, lang: str = "en") -> str:
    """Return what menus call a category of actions (plural)."""
    return _name("categories", category, lang)


def type_label(type_: str, lang: str = "en") -> str:
    """Return the name of a resource type as it stands inside a sentence (singular, lower case)."""
    return _known("types", type_, lang) or type_.replace("_", " ")


def reason_label(code: str, lang: str = "en") -> str:
    """Return the text for a reason, or the cause of a failure, that came as a code only."""
    return _name("reasons", code, lang)


def rule_label(name: str, otherwise: str, lang: str = "en") -> str:
    """Return the title of a detection rule that comes with whodid.

    Args:
        name: Of the rule.
        otherwise: The title of any other rule, which a workspace wrote.
        lang: BCP 47 tag.
    """
    return _known("rules", name, lang) or otherwise


def field_label(path: str, lang: str = "en") -> str:
    """Return the name of a changed field.

    Args:
        path: Path of the change; indexes in brackets do not matter.
        lang: BCP 47 tag.
    """
    bare = _INDEX.sub("", path)
    last = bare.rpartition(".")[2] or bare
    return _name("fields", bare if bare in FIELDS else last, lang)


def detail_label(name: str, lang: str = "en") -> str:
    """Return the name of a detail."""
    return _name("details", name, lang)


def value_label(name: str, code: str, lang: str = "en") -> str | None:
    """Return what a code is called where it stands, or None where no code is expected and for codes without a name.

    Args:
        name: Path of the field, or name of the detail, that holds it.
        code: What it holds.
        lang: BCP 47 tag.
    """
    bare = _INDEX.sub("", name)
    table = CODED.get(bare) or CODED.get(bare.rpartition(".")[2])
    return _known(table, code, lang) if table is not None else None


def write(value: Any, lang: str = "en", name: str = "") -> str:
    """Write a JSON value as a short plain text for people.

    Args:
        value: Any JSON value that intake let in, markers such as `{"$": "redacted"}` included.
        lang: BCP 47 tag.
        name: Path of the field, or name of the detail, that holds it: where codes are expected they are said in words.

    Returns:
        At most 200 characters; a longer text ends in an ellipsis. Never empty.
    """
    text = _plain(value, lang, name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def write_length(seconds: int, lang: str = "en") -> str:
    """Write a length of time in its two largest units: `3 h 12 min`.

    Args:
        seconds: How long; of less than nothing the sign is kept.
        lang: BCP 47 tag.
    """
    left, counted = abs(seconds), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        counted.append((count, unit))
    first = next((at for at, (count, _) in enumerate(counted) if count), len(counted) - 1)
    listed = [one for at, one in enumerate(counted[first : first + 2]) if one[0] or not at]
    return ("−" if seconds < 0 else "") + " ".join(
        f"{_number(count, lang)} {_word(unit, lang)}" for count, unit in listed
    )


def _plain(value: Any, lang: str, name: str) -> str:
    if value is None or value in ("", [], {}):
        return _word("empty", lang)
    if isinstance(value, str):
        return value_label(name, value, lang) or value
    if isinstance(value, bool):
        return _word("yes" if value else "no", lang)
    if isinstance(value, int):
        return _number(value, lang)
    if isinstance(value, float):
        text = repr(value)
        return text.replace(".", ",") if _base(lang) in _COMMA else text
    if isinstance(value, list):
        return ("، " if _base(lang) == "ar" else ", ").join(_plain(item, lang, name) for item in value)
    marker = value.get("$")
    if marker == "truncated" and isinstance(value.get("head"), str):
        return f"{value['head']}…"
    if marker in _MARKERS:
        return _word(marker, lang)
    if marker in {"redacted", "hidden"}:
        return _word("hidden", lang)
    if marker is not None and isinstance(value.get("v"), str):
        return str(value["v"])
    return _encode(value).decode()


def _number(value: int, lang: str) -> str:
    match _base(lang):
        case "es":
            # Spanish groups from five digits on (Ortografía de la lengua española, VIII 3.2).
            return f"{value:,}".replace(",", ".") if abs(value) >= 10_000 else str(value)
        case "pt":
            return f"{value:,}".replace(",", ".")
        case "hi":
            # Thousands, then lakhs and crores: 12,34,567.
            digits = str(abs(value))
            head, tail = digits[:-3], digits[-3:]
            grouped = ",".join([*re.findall(r"\d{1,2}(?=(?:\d\d)*$)", head), tail])
            return f"-{grouped}" if value < 0 else grouped
    return f"{value:,}"


def _word(name: str, lang: str) -> str:
    return _known("words", name, lang) or name


def _base(lang: str) -> str:
    return lang.partition("-")[0]


def _known(table: str, name: str, lang: str) -> str | None:
    """Return a declared name: in the language, else in English; None when nobody declared it."""
    further = language_of(lang)
    found = further.names(table).get(name) if further is not None else None
    if found is not None:
        return found
    columns = _TABLES[table].get(name)
    return columns[1 if _base(lang) == "es" else 0] if columns is not None else None


def _name(table: str, name: str, lang: str) -> str:
    known = _known(table, name, lang)
    return known if known is not None else (name[:1].upper() + name[1:]).replace("_", " ").replace(".", " ")
