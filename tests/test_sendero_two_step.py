"""Two-step sign-in: a code besides the password, each code once, and a way back in for whoever lost the phone."""

from __future__ import annotations

import base64
import html
import re

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from starlette.testclient import TestClient

from sendero.tables import RecoveryCode, SecondStep
from tests.lumen import PASSWORD, Lumen, email, lumen
from whodid import Entry

__all__ = ["lumen"]


def shown(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return html.unescape(found.group(1))


def changes(entry: Entry) -> list[tuple[str, object, object]]:
    """Return what changed, as field, before and after."""
    return [(change.path, change.before, change.after) for change in entry.changes]


class Phone:
    """The app of a person."""

    def __init__(self, place: Lumen, page: str) -> None:
        found = re.search(r'<code class="big"[^>]*>([A-Z2-7 ]+)</code>', page)
        assert found, page
        self.place = place
        self.key = base64.b32decode(found.group(1).replace(" ", ""))

    def code(self, ahead: float = 0) -> str:
        """Return what the app shows, or will show after some seconds."""
        # SHA-1 is what the apps use.
        return TOTP(self.key, 6, SHA1(), 30).generate(self.place.now.timestamp() + ahead).decode()


def prepared(place: Lumen, role: str = "Admin") -> tuple[TestClient, Phone, list[str]]:
    """Turn it on for the person of a role."""
    browser = place.signed_in(role)
    page = browser.get("/me/two-step").text
    phone = Phone(place, page)
    answer = browser.post("/me/two-step", data={"sealed": shown(page, "sealed"), "code": phone.code()})
    assert answer.status_code == 201, answer.text
    place.advance(seconds=30)
    return browser, phone, re.findall(r"<li><code>([0-9a-f-]+)</code>", answer.text)


def half(place: Lumen, role: str = "Admin") -> tuple[TestClient, str]:
    """Give the password in a new browser, and return what it holds until the code."""
    browser = place.visitor()
    answer = browser.post("/sign-in", data={"email": email(role), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert "sendero_session" not in browser.cookies
    return browser, shown(answer.text, "sealed")


def test_turned_on_and_used(lumen: Lumen) -> None:
    """It begins with the first right code; the password alone opens nothing any more; the log says so."""
    _, phone, codes = prepared(lumen)
    told = lumen.entry()
    assert (told.action, changes(told)) == ("user.updated", [("mfa_enabled", False, True)])
    assert len(set(codes)) == 10

    browser, sealed = half(lumen)
    assert browser.get("/me").status_code == 303
    answer = browser.post("/sign-in/code", data={"sealed": sealed, "code": phone.code(), "next": "/contacts"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/contacts")
    assert browser.get("/me").status_code == 200
    entry = lumen.entries("action:auth.login")[0]
    assert entry.details is not None
    assert (entry.actor.name, entry.details["method"], entry.details["second_step"]) == (
        "Admin Person",
        "password",
        "app",
    )


def test_what_is_kept_tells_nothing(lumen: Lumen) -> None:
    """Neither the secret nor a recovery code is in the database, nor in the log."""
    _, phone, codes = prepared(lumen)
    lumen.home.relay.drain()
    kept = b"".join(path.read_bytes() for path in lumen.home.settings.data.glob("*.db*"))
    assert phone.key not in kept
    assert phone.key.hex().encode() not in kept
    assert base64.b32encode(phone.key) not in kept
    assert not [code for code in codes if code.encode() in kept]


def test_a_code_works_once(lumen: Lumen) -> None:
    """Whoever looks over a shoulder has nothing: a code is used up, and so is every earlier one."""
    _, phone, _ = prepared(lumen)
    browser, sealed = half(lumen)
    code = phone.code()
    assert browser.post("/sign-in/code", data={"sealed": sealed, "code": f"{code[:3]} {code[3:]}"}).status_code == 303
    other, sealed = half(lumen)
    answer = other.post("/sign-in/code", data={"sealed": sealed, "code": phone.code(-30)})
    assert (answer.status_code, "This code is wrong" in answer.text) == (422, True)
    answer = other.post("/sign-in/code", data={"sealed": sealed, "code": code})
    assert (answer.status_code, "This code is wrong" in answer.text) == (422, True)
    assert other.get("/sign-in/code").headers["location"] == "/sign-in"
    lumen.advance(seconds=30)
    assert other.post("/sign-in/code", data={"sealed": shown(answer.text, "sealed"), "code": phone.code()}).is_redirect


def test_without_the_phone(lumen: Lumen) -> None:
    """A recovery code lets in once, in capitals too."""
    _, _, codes = prepared(lumen)
    browser, sealed = half(lumen)
    assert browser.post("/sign-in/code", data={"sealed": sealed, "code": f" {codes[3].upper()} "}).is_redirect
    details = lumen.entries("action:auth.login")[0].details
    assert details is not None
    assert details["second_step"] == "recovery_code"
    assert "9 recovery codes are left" in browser.get("/me").text
    again, sealed = half(lumen)
    assert again.post("/sign-in/code", data={"sealed": sealed, "code": codes[3]}).status_code == 422


def test_guessing(lumen: Lumen) -> None:
    """After five wrong codes none is looked at for ten minutes, whoever gives the right password."""
    _, phone, _ = prepared(lumen)
    for _ in range(5):
        browser, sealed = half(lumen)
        assert browser.post("/sign-in/code", data={"sealed": sealed, "code": "000000"}).status_code == 422
    browser, sealed = half(lumen)
    answer = browser.post("/sign-in/code", data={"sealed": sealed, "code": phone.code()})
    assert (answer.status_code, "Too many attempts" in answer.text) == (422, True)
    failed = lumen.entries("action:auth.login_failed")
    causes = [(entry.details or {})["cause"] for entry in failed]
    assert causes == ["locked", *["wrong_code"] * 5]
    assert failed[1].severity == "warning"
    lumen.advance(minutes=11)
    browser, sealed = half(lumen)
    assert browser.post("/sign-in/code", data={"sealed": sealed, "code": phone.code()}).is_redirect


def test_the_way_between(lumen: Lumen) -> None:
    """What the browser holds is for itself, for five minutes, for this password, and for nothing else."""
    _, phone, _ = prepared(lumen)
    browser, sealed = half(lumen)
    offered = shown(lumen.signed_in("Manager").get("/me/two-step").text, "sealed")
    for who, text in ((lumen.visitor(), sealed), (browser, offered), (browser, "forged"), (browser, "")):
        answer = who.post("/sign-in/code", data={"sealed": text, "code": phone.code()})
        assert (answer.status_code, "from the start" in answer.text) == (422, True)
    lumen.advance(minutes=6)
    assert browser.post("/sign-in/code", data={"sealed": sealed, "code": phone.code()}).status_code == 422


def test_turned_off(lumen: Lumen) -> None:
    """Only with the password and a code; the secret and the recovery codes are gone then."""
    browser, phone, codes = prepared(lumen)
    wrong = browser.post("/me/two-step/off", data={"present": "not this one", "code": phone.code()})
    assert (wrong.status_code, "not your present password" in wrong.text) == (422, True)
    wrong = browser.post("/me/two-step/off", data={"present": PASSWORD, "code": "123456"})
    assert wrong.status_code == 422
    assert browser.post("/me/two-step/off", data={"present": PASSWORD, "code": phone.code()}).is_redirect
    entry = lumen.entries()[0]
    assert (changes(entry), entry.severity) == ([("mfa_enabled", True, False)], "warning")
    with lumen.home.session() as session:
        assert (session.query(SecondStep).count(), session.query(RecoveryCode).count()) == (0, 0)
    assert codes
    lumen.signed_in("Admin")


def test_turned_off_for_somebody(lumen: Lumen) -> None:
    """By somebody with their rights at least, for a reason; never for oneself."""
    prepared(lumen)
    admin = lumen.user("Admin")
    owner, manager = lumen.signed_in("Owner"), lumen.signed_in("Manager")
    address = f"/settings/users/{admin.id}/two-step"
    data = {"version": str(admin.version), "reason": "device_lost"}
    assert manager.post(address, data=data).status_code == 403
    assert owner.post(address, data={**data, "reason": ""}).status_code == 422
    assert owner.post(address, data={**data, "version": "1"}).status_code == 409
    assert owner.post(address, data=data).is_redirect
    entry = lumen.entries("action:user.updated outcome:success")[0]
    assert (entry.actor.name, changes(entry)) == ("Owner Person", [("mfa_enabled", True, False)])
    assert entry.reason is not None
    assert entry.reason.code == "device_lost"
    own = lumen.user("Owner")
    refused = owner.post(f"/settings/users/{own.id}/two-step", data={**data, "version": str(own.version)})
    assert (refused.status_code, "your own" in refused.text) == (403, True)


def test_the_form_again(lumen: Lumen) -> None:
    """A wrong first code shows the same picture again; one that is too old is replaced by a new one."""
    browser = lumen.signed_in("Admin")
    first = browser.get("/me/two-step").text
    sealed = shown(first, "sealed")
    again = browser.post("/me/two-step", data={"sealed": sealed, "code": "000000"})
    assert again.status_code == 422
    assert shown(again.text, "sealed") == sealed
    assert Phone(lumen, again.text).key == Phone(lumen, first).key
    code = Phone(lumen, first).code()
    lumen.advance(minutes=31)
    late = browser.post("/me/two-step", data={"sealed": sealed, "code": code})
    assert late.status_code == 409
    assert shown(late.text, "sealed") != sealed
