"""The languages in which people are told: nothing lacks, times and numbers follow, Arabic runs from right to left."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.channel import clock, log, receiver
from tests.keeping import HOME, MARIA, Clock, event, opened
from tests.receiving import Receiver
from tests.sinking import managed, only, turn
from tests.test_sinks_heads import posting
from tests.test_sinks_people import ALERTS, PLAIN, added, alert
from whodid import Action, Log, Resource, builtin
from whodid.catalog import LANGUAGES
from whodid.detect import Alerts
from whodid.errors import InvalidSetting
from whodid.sinks import SinkChange, SinkWorker, change_language
from whodid.sinks.kinds.words import Words

__all__ = ["clock", "log", "receiver"]

OTHERS = [lang for lang in LANGUAGES if lang != "en"]
TITLES = {
    "es": "Alerta baja: Alguien adivina una contraseña",
    "pt": "Alerta baixo: Alguém adivinha uma senha",
    "hi": "निम्न अलर्ट: कोई पासवर्ड का अनुमान लगा रहा है",
    "ar": "تنبيه منخفض: أحدهم يخمّن كلمة مرور",
}
OPEN = {"es": "Abrir", "pt": "Abrir", "hi": "खोलें", "ar": "فتح"}
LETTER = {"to": "owners@lumen.example", "from": "audit@lumen.example"}
AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


def texts(lang: str) -> dict[str, str]:
    """Read the file of a language."""
    file = resources.files("whodid.sinks") / "locales" / f"{lang}.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])


def slots(text: str) -> list[str]:
    """Return the slots of a text, sorted."""
    return sorted(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("lang", OTHERS)
def test_every_language_says_everything(lang: str) -> None:
    """The files have the same keys and the same slots, and no text stays English."""
    ours, english = texts(lang), texts("en")
    assert ours.keys() == english.keys()
    for key, text in ours.items():
        assert slots(text) == slots(english[key]), key
        assert text != english[key] or not re.sub(r"\{\w+\}|\W", "", text), key


@pytest.mark.parametrize("lang", OTHERS)
def test_a_chat_is_told_in_its_language(log: Log, receiver: Receiver, tmp_path: Path, lang: str) -> None:
    """Title, rule, time and button; the name in it stays as it is, and stays text."""
    added(log, "slack", receiver, tmp_path, options={"lang": lang, "link": "https://app.example/alerts"})
    alert(log)
    turn(SinkWorker(log))
    post = json.loads(receiver.got[0].body)
    section, button = post["blocks"]
    assert post["text"] == TITLES[lang]
    title, text = section["text"]["text"].split("\n")
    assert title == TITLES[lang]
    assert PLAIN in text
    assert Words(lang, ZoneInfo("UTC")).time(AT) in text
    assert button["elements"][0]["text"] == {"type": "plain_text", "text": OPEN[lang]}


def test_several_and_a_reminder_are_told_in_the_language(
    log: Log, receiver: Receiver, tmp_path: Path, clock: Clock
) -> None:
    """What stands for several, and what comes again because nobody looked."""
    added(log, "slack", receiver, tmp_path, options={"lang": "es"})
    alerts = Alerts(log, HOME)
    alerts.raise_by_hand(log.get(HOME, 0), "This is odd", level="high")
    clock.advance(days=1)
    assert alerts.remind() == 1
    turn(SinkWorker(log))
    post = json.loads(receiver.got[0].body)
    assert post["text"] == "Alerta alta: Emitida por una persona (y 1 más)"
    assert [block["text"]["text"].split("\n") for block in post["blocks"]] == [
        [
            "Alerta alta: Emitida por una persona",
            f"sobre Maria Torres, {HOME}, a partir de 1 entrada, 20 de noviembre de 2026, 14:00:00 UTC",
        ],
        [
            "Sigue abierta: alerta alta: Emitida por una persona",
            f"sobre Maria Torres, {HOME}, a partir de 1 entrada, 21 de noviembre de 2026, 14:00:00 UTC",
        ],
    ]


def test_a_sink_speaks_as_its_workspace_does(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """Unless it names a language of its own; a choice holds for what is delivered from then on."""
    added(log, "slack", receiver, tmp_path)
    managed(log).test("slack")
    assert change_language(log, HOME, "es", actor=MARIA)
    assert not change_language(log, HOME, "es", actor=MARIA)
    managed(log).test("slack")
    managed(log).change("slack", SinkChange(options={"lang": "pt"}))
    managed(log).test("slack")
    assert [json.loads(got.body)["text"] for got in receiver.got] == ["Test", "Prueba", "Teste"]
    with pytest.raises(InvalidSetting, match="no language 'fr'"):
        change_language(log, HOME, "fr", actor=MARIA)


def test_teams_is_told_the_language_and_its_direction(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """Adaptive Cards run from right to left since 1.5; a card that does not stays 1.4."""
    for lang in ("ar", "hi"):
        added(log, "teams", receiver, tmp_path, options={"lang": lang})
        managed(log).test("teams")
        managed(log).remove("teams")
    arabic, hindi = (json.loads(got.body)["attachments"][0]["content"] for got in receiver.got)
    assert (arabic["lang"], arabic["rtl"], arabic["version"]) == ("ar", True, "1.5")
    assert (hindi["lang"], hindi["version"], "rtl" in hindi) == ("hi", "1.4", False)
    assert next(run["text"] for run in hindi["body"][0]["inlines"]) == "परीक्षण "


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_letter_has_the_language_and_its_direction(log: Log, lang: str) -> None:
    """As text and as a page; in the page a name is no markup, and a name that runs the other way stays by itself."""
    with posting(None) as server:
        address = f"smtp://127.0.0.1:{server.server_address[1]}"
        options = {**LETTER, "lang": lang, "link": "https://app.example/alerts?a=1&b=2"}
        managed(log).add("mail", "email", address, format="whodid", query=ALERTS, options=options, private=True)
        alert(log, 10)
        turn(SinkWorker(log))
        assert only(log).position.fault == ""
        ((letter, _, _, _),) = server.letters
    plain, page = letter.get_body(("plain",)), letter.get_body(("html",))
    assert plain is not None
    assert page is not None
    text, markup = plain.get_content(), page.get_content().replace("\r\n", "\n")
    direction = "rtl" if lang == "ar" else "ltr"
    assert markup.startswith(f'<!doctype html>\n<html lang="{lang}" dir="{direction}">')
    assert f'<body><div lang="{lang}" dir="{direction}">' in markup
    assert PLAIN in text
    assert "<!channel>" not in markup
    assert "&lt;!channel&gt; *b* [x](http://evil.example) &lt;/at&gt; &amp; Bcc" in markup
    assert '<a href="https://app.example/alerts?a=1&amp;b=2">' in markup
    if lang != "en":
        assert TITLES[lang] in letter["Subject"]
        assert TITLES[lang] in text
    assert (f"\u2068{PLAIN}\u2069" in text) == (lang == "ar")


def test_a_head_is_sent_in_the_language(log: Log) -> None:
    """What programs read in it runs from left to right in every language."""
    with posting(None) as server:
        address = f"smtp://127.0.0.1:{server.server_address[1]}"
        managed(log).add("mail", "email", address, options={**LETTER, "lang": "ar"}, private=True)
        assert managed(log).send_head("mail") == ""
        assert managed(log).test("mail").fault == ""
        (letter, *_), (test, *_) = server.letters
    page = letter.get_body(("html",))
    head = json.loads(next(letter.iter_attachments()).get_content())
    assert page is not None
    assert f'<pre dir="ltr">{head["checkpoint"]}</pre>' in page.get_content().replace("\r\n", "\n")
    assert letter["Subject"] == f"سجل التدقيق \u2068{HOME}\u2069، عدد الإدخالات: 2"
    assert test["Subject"].startswith("اختبار: ")


def test_other_entries_are_told_as_the_log_declares_them(tmp_path: Path, receiver: Receiver, clock: Clock) -> None:
    """An action of the host has the host's own words, in the language of the sink."""
    action = Action(
        name="door.opened",
        kind="security",
        label={"en": "Door opened", "es": "Puerta abierta"},
        sentences={"en": "{actor} opened {resource}", "es": "{actor} abrió {resource}"},
        resource_type="door",
        example=msgspec.to_builtins(event(1, "door.opened")),
    )
    with opened("memory", tmp_path, clock, builtin().declare(action)) as log:
        log.record(HOME, event(1))
        added(log, "slack", receiver, tmp_path, options={"lang": "es"})
        managed(log).remove("slack")
        secret = f"file:{tmp_path / 'channel.secret'}"
        options = {"lang": "es", "zone": "Europe/Madrid"}
        managed(log).add("all", "slack", receiver.url, secret=secret, private=True, query="type:door", options=options)
        log.record(HOME, event(3, "door.opened", resource=Resource(type="door", id="d", name="a *b* \n\u202ec")))
        turn(SinkWorker(log))
    (section,) = json.loads(receiver.got[0].body)["blocks"]
    index = 4
    assert section["text"]["text"] == (
        f"Maria Torres abrió a *b* c\ndoor.opened, {HOME}, entrada {index}, 20 de noviembre de 2026, 15:00:00 CET"
    )


@pytest.mark.parametrize(
    ("lang", "zone", "written"),
    [
        ("en", "UTC", "20 November 2026, 14:00:00 UTC"),
        ("es", "Europe/Madrid", "20 de noviembre de 2026, 15:00:00 CET"),
        ("pt", "America/Sao_Paulo", "20 de novembro de 2026, 11:00:00 UTC-03"),
        ("hi", "Asia/Kolkata", "20 नवंबर 2026, 19:30:00 IST"),
        ("ar", "Asia/Dubai", "20 نوفمبر 2026، 18:00:00 \u2068UTC+04\u2069"),
    ],
)
def test_times_are_written_as_the_language_does(lang: str, zone: str, written: str) -> None:
    """With the name of the zone, or how far it is from UTC where it has none."""
    assert Words(lang, ZoneInfo(zone)).time(AT) == written


def test_numbers_are_written_as_the_language_does() -> None:
    """And one of something is not several."""
    counted = {
        lang: Words(lang, ZoneInfo("UTC")).counted("head.subject", 1_234_567, workspace="w") for lang in LANGUAGES
    }
    assert re.findall(r"[\d.,]+", " ".join(counted.values())) == [
        "1,234,567", "1.234.567", "1.234.567", "12,34,567", "1,234,567",
    ]  # fmt: skip
    assert Words("es", ZoneInfo("UTC")).counted("head.subject", 1, workspace="w").endswith(": 1 entrada")


@pytest.mark.parametrize("kind", ["slack", "teams"])
@pytest.mark.parametrize("lang", ["fr", "EN", "", "es-MX"])
def test_a_language_that_nobody_speaks_here_is_refused(
    log: Log, receiver: Receiver, tmp_path: Path, kind: str, lang: str
) -> None:
    """When the sink is added, not when somebody has to be told."""
    with pytest.raises(InvalidSetting, match="lang cannot be"):
        added(log, kind, receiver, tmp_path, options={"lang": lang})
    assert managed(log).all() == []
