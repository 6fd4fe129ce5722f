"""Names and looks that give secrets away, classes by pattern, and the short names in each language."""

from __future__ import annotations

import time
from typing import Any

import pytest

from whodid.catalog import (
    LANGUAGES,
    Action,
    Catalog,
    actor_label,
    builtin,
    category_label,
    field_label,
    holds_secret,
    is_credential,
    is_secret_name,
    kind_label,
    outcome_label,
    reason_label,
    severity_label,
    source_label,
    type_label,
    without_password,
    without_secrets,
    write,
)
from whodid.model import KINDS, OUTCOMES, SEVERITIES, FieldClass


def with_classes(classes: dict[str, FieldClass]) -> Catalog:
    """Return a catalog of one action with the given classes."""
    return Catalog(
        Action(
            name="invoice.sent",
            kind="create",
            label={"en": "Invoice sent"},
            sentences={"en": "{actor} sent invoice {resource}"},
            classes=classes,
        )
    )


# ------------------------------------------------------------------------------------------------------ field classes


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "clientSecret",
        "client-secret",
        "CLIENT_SECRET",
        "clientsecret",
        "X-Api-Key",
        "apiKey",
        "APIKey",
        "Authorization",
        "set-cookie",
        "refresh_token",
        "tokenV2",
        "password_hash",
        "private_key_pem",
        "recovery codes",
        "card_number",
        "cvv",
        "pin",
        "contraseña",
        "db.connectionString",
        "user_passwd",
    ],
)
def test_secret_names_are_denied_by_default(name: str) -> None:
    """Case, separators and prefixes do not let a secret through."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "name",
        "password_changed_at",
        "token_count",
        "max_tokens",
        "token_type",
        "secretary",
        "tokenizer",
        "pinned",
        "keyboard",
        "key",
        "cookie_consent",
        "author",
        "authorized_by",
        "compass",
        "monkey",
        "tokens_used",
        "§§",
    ],
)
def test_innocent_names_are_let_in(name: str) -> None:
    """A name that only resembles a secret's, or speaks about one, stays readable."""
    assert not is_secret_name(name)


def test_the_most_specific_pattern_decides() -> None:
    """Patterns match whole segments, a closing star covers the field and all below, the longest pattern wins."""
    mine = with_classes(
        {
            "headers.*": "secret",
            "headers.accept": "plain",
            "lines.*.price": "personal",
            "customer.token_prefix": "plain",
            "email": "personal",
        }
    )
    classes = mine.classes("invoice.sent")

    assert classes.of("headers") == "secret"
    assert classes.of("headers.X-Custom") == "secret"
    assert classes.of("headers.accept") == "plain"
    assert classes.of("lines[3].price") == "personal"
    assert classes.of("lines[3].amount") == "plain"
    assert classes.of("lines") == "plain"
    assert classes.of("customer.token_prefix") == "plain"
    assert classes.of("token_prefix") == "secret"
    assert classes.of("email.domain") == "plain"
    assert classes.of("lines" + "[0]" * 200 + ".token") == "secret"
    assert classes.of("headers" + "[0]" * 200) == "secret"


def test_the_sender_can_only_be_stricter() -> None:
    """What a sender says about a class counts when it shows less than the catalog."""
    classes = builtin().classes("contact.updated")
    assert classes.of("email", "plain") == "personal"
    assert classes.of("city", "personal") == "personal"
    assert classes.of("email", "secret") == "secret"


def test_an_undeclared_action_takes_the_classes_of_its_category() -> None:
    """A new verb does not lay open what the declared verbs of the noun protect."""
    assert builtin().classes("contact.tagged").of("phone_e164") == "personal"
    assert builtin().classes("webhook.tested").of("headers.X-Custom") == "secret"
    assert builtin().classes("nobody.knows").of("phone_e164") == "plain"


SECRETS = [
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "https://user:hunter2@db.example.com/app",
    "https://example.com/in?access_token=abcdefgh1234",
    "password=correct-horse",
    "Bearer mF_9.B5f-4.1JqM_abcdef",
    "sk_live_51HabcdEFGHijklmn",
    "sk-proj-abcdefghijklmnop1234",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "github_pat_11ABCDEFG0abcdefghijklmnopqrs_tuvwxyz",
    "glpat-abcdefghij1234567890",
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "EAAGm0PX4ZCpsBAKZCZBabcdefghijklmnopqrstuvwxyz0123456789",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "SG.abcdefghijklmnop.qrstuvwxyz0123456789",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAw",
    "hf_abcdefghijklmnopqrstuvwxyzabcdefgh",
    "ya29.a0AfH6SMBabcdefghijklmnop",
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
    "ak_live_7QabcdEFGHijklmnop0123",
    "wk_7QabcdEFGHijklmnop0123456789",
    "wv1.eyAibGFuZyI6ICJlbiIgfQabcdef.q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ",
    "shpat_0123456789abcdef0123456789abcdef",
    "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "lin_api_abcdefghijklmnopqrstuvwxyz0123456789",
    "sbp_0123456789abcdef0123456789abcdef01234567",
    "xkeysib-0123456789abcdef0123456789abcdef0123456789abcdef-abcdef",
    "GOCSPX-abcdefghijklmnopqrstuvwx",
    "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
    "hvs.CAESIJabcdefghijklmnopqrstuvwxyz",
    "gAAAAABlabcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789==",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----",
    "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaJObG",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaJObG",
    "pbkdf2_sha256$870000$abcdefghijkl$0123456789abcdefghijklmnopqrstuvwxyz+/=",
    "bcrypt_sha256$$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    "scrypt$16384$abcdefghijkl$8$1$0123456789abcdefghijklmnop",
    "scrypt:32768:8:1$abcdefghijklmnop$0123456789abcdef0123456789abcdef",
    "pbkdf2:sha256:600000$abcdefghijklmnop$0123456789abcdef0123456789abcdef",
    "$6$rounds=5000$saltsalt$abcdefghijklmnopqrstuvwxyz0123456789",
    "{SSHA}0123456789abcdefghijklmnopqrstuvwxyz+/=",
    "https://hooks.slack.com/services/T0000/B0000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456",
    "Server=db;Password=correct-horse;Database=app",
    "DefaultEndpointsProtocol=https;AccountKey=abcdefghijklmnop/q==",
    "https://bucket.example/key?X-Amz-Signature=0123456789abcdef",
    '{"user":"x","password":"correct-horse-battery"}',
    "{'api_key':'correct-horse-battery'}",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_known_by_their_look(secret: str) -> None:
    """A secret is found alone and inside prose, and nothing of it stays."""
    assert holds_secret(secret)
    assert without_secrets(f"She sent {secret} by mail") == "She sent [redacted] by mail"
    assert without_secrets(f"{secret}\n{secret}") == "[redacted]\n[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Template diwali_offer_2026 was paused by WhatsApp for low quality",
        "https://hooks.lumen.es/v2?page=2&sort=name",
        "mailto:maria@casalumen.es at 10:30",
        "risk-assessment-for-vendors-2026-final",
        "con_01K9ZT4M8V3WABCDEFGHJKMNPQ",
        "4111 1111 1111 1112",
        "+34 910 555 020 and +34 611 204 880",
        "01a08f3c-6d2e-7b41-9c5a-2f8e6b1d7a90",
        "6f1e0a5b8c7d42f39b0c1e7a5d3f86422b90c4d1e8a7f6350d9c8b7a61524f3e",
        "ES.13491208655302741918",
        "Basic understanding of the campaign is enough",
        "the costs are $100 and $2b was raised in 2026",
        "gAAAA is the beginning of many base64 texts",
        "https://hooks.slack.com/help and https://app.example/api/webhooks/12/deliveries",
        "Authorization: Bearer, or none",
        "Cookie: the banner was shown to everybody",
        '{"password": null, "name": "Ana"}',
        "{SHA} is the name of a scheme",
    ],
)
def test_what_only_looks_long_is_left_alone(text: str) -> None:
    """Ids, digests, addresses and telephone numbers are not secrets, and the very same text comes back."""
    assert not holds_secret(text)
    assert without_secrets(text) is text


def test_a_short_token_is_known_by_its_header() -> None:
    """What follows `Authorization:` is one, however short; in prose a bearer may carry anything."""
    sent = "curl -H 'Authorization: Bearer abc123def456' https://api.example"
    assert without_secrets(sent) == "curl -H 'Authorization: [redacted] https://api.example"
    assert not holds_secret("The bearer abc123def456 of the letter")


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("sqlite:///audit.db", "sqlite:///audit.db"),
        ("sqlite:////srv/a@b/audit.db", "sqlite:////srv/a@b/audit.db"),
        ("memory://", "memory://"),
        ("postgresql://u@h/d?passfile=/p", "postgresql://u@h/d?passfile=/p"),
        ("postgresql://u:hush@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://h/d?a=1&password=hush&b=2", "postgresql://h/d?a=1&password=***&b=2"),
        ("postgresql://h/d?sslpassword=hush", "postgresql://h/d?sslpassword=***"),
        ("postgres://u:hu@s/h@h/d", "postgres://u:***@h/d"),
        ("mysql://u:@h", "mysql://u:***@h"),
        ("https://u:hush@audit.example.com/x", "https://u:***@audit.example.com/x"),
    ],
)
def test_a_password_is_not_shown(store: str, shown: str) -> None:
    """Wherever libpq would find one, and in addresses that are none."""
    assert without_password(store) == shown


def test_an_identifier_can_be_a_credential() -> None:
    """An id in the format of a token is told from an opaque id."""
    assert is_credential("sk_live_51HabcdEFGHijklmn")
    assert not is_credential("con_01K9ZT4M8V3WABCDEFGHJKMNPQ")


@pytest.mark.parametrize(
    "seed",
    [
        "eyJ-",
        "-----BEGIN ",
        "https://",
        "a:b@",
        "Bearer ",
        "SG.",
        "4111 ",
        "sk-",
        "=token=",
        "/api/webhooks/",
        "hooks.slack.com/",
    ],
)
def test_the_search_takes_linear_time(seed: str) -> None:
    """A hostile text of 64 KiB is searched in a fraction of a second."""
    text = (seed * 65_536)[:65_536]
    begun = time.process_time()
    holds_secret(text)
    without_secrets(text)
    assert time.process_time() - begun < 1.5


# ------------------------------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_declared_has_a_label(lang: str) -> None:
    """Kinds, outcomes, severities, categories and types are named, each by another name, in every language."""
    for values, label in (
        (KINDS, kind_label),
        (OUTCOMES, outcome_label),
        (SEVERITIES, severity_label),
        (builtin().categories(), category_label),
    ):
        names = [label(value, lang) for value in values]
        assert all(names)
        assert len(set(names)) == len(values)
    types = [type_label(value, lang) for value in builtin().resource_types()]
    assert len(set(types)) == len(types)


def test_languages_fall_back() -> None:
    """A region is served by its language, an unknown language by English."""
    assert kind_label("delete", "es-MX") == "Eliminado"
    assert kind_label("delete", "pt-BR") == "Excluído"
    assert kind_label("delete", "fr-CA") == "Deleted"
    assert builtin()["contact.deleted"].wording("fr").success == "{actor} deleted contact {resource}"


def test_labels_of_unknown_names_are_readable() -> None:
    """A host's own names need no declaration to be read."""
    assert field_label("next_review_at") == "Next review at"
    assert field_label("custom.loyalty_tier", "es") == "Loyalty tier"
    assert field_label("components.buttons[0].url") == "Address"
    assert field_label("components.body.text", "es") == "Cuerpo"
    assert type_label("delivery_note") == "delivery note"
    assert category_label("delivery_note") == "Delivery note"
    assert reason_label("out_of_stock") == "Out of stock"
    assert source_label("webhook", "es") == "Webhook"
    assert actor_label("api_key") == "API key"


WRITTEN = [
    (None, "empty", "vacío"),
    ("", "empty", "vacío"),
    ([], "empty", "vacío"),
    ({}, "empty", "vacío"),
    (0, "0", "0"),
    (False, "no", "no"),
    (True, "yes", "sí"),
    (1_204, "1,204", "1204"),
    (20_000, "20,000", "20.000"),
    (-20_000, "-20,000", "-20.000"),
    (2.5, "2.5", "2,5"),
    (["vip", None, 3], "vip, empty, 3", "vip, vacío, 3"),
    ({"b": 1, "a": "x"}, '{"a":"x","b":1}', '{"a":"x","b":1}'),
    ({"$": "redacted", "fp": "9f2c41d07be85ae1"}, "hidden", "oculto"),
    ({"$": "hidden"}, "hidden", "oculto"),
    ({"$": "unknown"}, "unknown", "desconocido"),
    ({"$": "db_computed"}, "computed by the database", "calculado por la base de datos"),
    ({"$": "truncated", "length": 10_000_000, "head": "Lorem"}, "Lorem…", "Lorem…"),
    ({"$": "truncated", "items": 500, "head": {"a": 1}}, "too long", "demasiado largo"),
    ({"$": "unencodable", "type": "Thing"}, "cannot be shown", "no se puede mostrar"),
    ({"$": "bytes", "length": 7}, "binary data", "datos binarios"),
    ({"$": "decimal", "v": "10.50"}, "10.50", "10.50"),
    ("x" * 200, "x" * 200, "x" * 200),
    ("x" * 201, "x" * 199 + "…", "x" * 199 + "…"),
]


@pytest.mark.parametrize(("value", "english", "spanish"), WRITTEN)
def test_values_are_written_for_people(value: Any, english: str, spanish: str) -> None:
    """Every JSON value has a short plain text in each language, never an empty one."""
    assert write(value) == english
    assert write(value, "es") == spanish
