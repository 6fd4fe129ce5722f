"""Importing contacts: files as people have them, broken ones, and what stops in the middle."""

from __future__ import annotations

import csv
import io
from io import BytesIO
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero.service import contacts, imports, merge, sheets
from sendero.tables import Contact, Import, ImportFault, ImportPart, Role, User
from sendero.work import Work
from tests.lumen import Lumen, lumen
from whodid import Actor, Change, Reason, Resource
from whodid.errors import InvalidEvent

__all__ = ["lumen"]

HEAD = "Name,Phone,E-mail,City,Tags,Consent\n"
EVIDENCE = "Signed form of the fair in Madrid"


def send(browser: TestClient, content: bytes | str, name: str = "clients.csv") -> Any:
    """Send a file."""
    data = content.encode() if isinstance(content, str) else content
    return browser.post("/contacts/imports", files={"file": (name, data, "text/csv")})


def waiting(lumen: Lumen, browser: TestClient, content: bytes | str, name: str = "clients.csv") -> str:
    """Send a file and return the page where its columns are named."""
    answer = send(browser, content, name)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def start(browser: TestClient, place: str, columns: list[str], evidence: str = "", do: str = "start") -> Any:
    """Name the columns and start."""
    return browser.post(place, data={"column": columns, "evidence": evidence, "do": do})


def read_all(lumen: Lumen) -> Import:
    """Let the job read until nothing is left."""
    while imports.turn(lumen.home):
        pass
    with lumen.home.session() as session:
        found = session.query(Import).order_by(Import.id.desc()).first()
        assert found is not None
        return found


def imported(lumen: Lumen, content: bytes | str, columns: list[str], evidence: str = "") -> Import:
    """Import a file from the first page to the last row."""
    browser = lumen.signed_in("Manager")
    place = waiting(lumen, browser, content)
    answer = start(browser, place, columns, evidence)
    assert answer.status_code == 303, answer.text
    return read_all(lumen)


def counts(found: Import) -> tuple[int, int, int, int, int]:
    """Return what became of the rows."""
    return found.rows, found.created, found.updated, found.skipped, found.errors


def faults(lumen: Lumen) -> list[tuple[int, str]]:
    """Return the noted lines and fields."""
    with lumen.home.session() as session:
        return [(fault.line, fault.field) for fault in session.query(ImportFault).order_by(ImportFault.id)]


COLUMNS = ["name", "phone_e164", "email", "city", "tags", "consent"]


class TestImporting:
    """From the file to the entries."""

    def test_created_updated_skipped_broken(self, lumen: Lumen) -> None:
        """One entry for the file, one for each contact that changed, all of one batch, by whoever started it."""
        text = HEAD + (
            'Ana García,+34 611 204 880,ana@correo.example,Madrid,"vip, newsletter",yes\n'
            "Juan,0655 018 342,,Madrid,vip,\n"
            "Broken,12,,,,\n"
            ",+34611204880,,,,\n"
        )
        found = imported(lumen, text, COLUMNS, EVIDENCE)

        assert counts(found) == (4, 1, 1, 1, 1)
        parent, juan, ana = lumen.entries()
        assert parent.action == "contact.imported"
        assert parent.resource == Resource(type="contact", id=found.id, name="clients.csv")
        assert parent.details == {
            "file": "clients.csv", "rows": 4, "created": 1, "updated": 1, "skipped": 1, "errors": 1,
        }  # fmt: skip
        assert (parent.kind, parent.severity, parent.outcome) == ("create", "notice", "success")
        assert {entry.batch for entry in (parent, juan, ana)} == {found.id}
        assert {entry.actor for entry in (parent, juan, ana)} == {lumen.actor("Manager")}
        assert {entry.context.source for entry in (parent, juan, ana) if entry.context} == {"import"}
        assert (ana.action, ana.resource.name) == ("contact.created", "Ana García")
        told = {change.path: change.after for change in ana.changes}
        assert (told["phone_e164"], told["source"]) == ("+34611204880", "import")
        assert (told["consent.marketing"], told["consent.evidence"]) == ("opted_in", EVIDENCE)
        assert juan.action == "contact.updated"
        assert juan.changes == (
            Change(path="name", before="Juan Pérez", after="Juan", class_="personal"),
            Change(path="city", before="Getafe", after="Madrid"),
            Change(path="tags", op="set", added=["vip"], removed=[]),
        )
        assert faults(lumen) == [(4, "phone_e164")]
        with lumen.home.session() as session:
            assert session.query(ImportPart).count() == 0

    def test_the_pages(self, lumen: Lumen) -> None:
        """The meanings are guessed, the faults shown before anything happens, and fetched afterwards as a file."""
        browser = lumen.signed_in("Manager")
        place = waiting(lumen, browser, "Nombre;Teléfono;Zapatos\nAna;611204880;38\nEva;12;\n")
        page = browser.get(place).text
        assert 'value="name" selected' in page
        assert 'value="phone_e164" selected' in page
        assert "Line 3" in page
        assert "This is not a phone number" in page
        assert lumen.entries() == []
        checked = start(browser, place, ["name", "city", ""], do="check")
        assert (checked.status_code, "Line 2" in checked.text) == (200, True)
        assert start(browser, place, ["name", "phone_e164", "custom"]).headers["location"] == place
        assert browser.get(f"{place}/progress").json() == {"status": "running", "rows": 0, "total": 2}
        assert "data-progress" in browser.get(place).text
        read_all(lumen)
        assert browser.get(f"{place}/progress").json() == {"status": "done", "rows": 2, "total": 2}
        assert "Fetch the whole list" in browser.get(place).text
        table = list(csv.reader(io.StringIO(browser.get(f"{place}/faults").text)))
        assert table == [
            ["Line", "Field", "What is wrong"],
            ["3", "Phone", "This is not a phone number. Write it like +34 611 204 880."],
        ]
        assert lumen.row(Contact, name="Ana").custom == {"zapatos": "38"}
        assert browser.get(f"/go/contact/{place.rpartition('/')[2]}", follow_redirects=True).status_code == 200

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "holds something"),
            (b"PK\x03\x04rest", "spreadsheet"),
            (b"\x81\x8d\x8f\x90\x9d,\x81\n\x81,\x81\n", "cannot be read"),
            (b"name,phone\n", "no row below"),
            (b"\n\nname\n", "must name the columns"),
            (b'"name,phone\nAna,611204880\n', "must name the columns"),
            ((",".join(f"c{n}" for n in range(61)) + "\nx\n").encode(), "at most 60 columns"),
            (b"name,phone\n" + b"a,1\n" * 100_001, "at most 100,000 rows"),
        ],
        ids=["empty", "spreadsheet", "letters", "no row", "no names", "no end", "columns", "rows"],
    )
    def test_files_that_are_none(self, lumen: Lumen, content: bytes, told: str) -> None:
        """They are refused with what to do, and nothing is kept."""
        answer = send(lumen.signed_in("Manager"), content)
        assert answer.status_code == 422
        assert told in answer.text
        with lumen.home.session() as session:
            assert (session.query(Import).count(), session.query(ImportPart).count()) == (0, 0)

    def test_too_large(self, lumen: Lumen) -> None:
        """Beyond twenty megabytes, it is not even read to its end."""
        browser = lumen.signed_in("Manager")
        assert send(browser, b"x" * (imports.LARGEST + 2**17)).status_code == 413
        assert browser.post("/contacts/imports", data={"file": "x"}).status_code == 422

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            (["name", "", "", "", "", ""], "Say which column is the phone number"),
            (["name", "name", "email", "", "", ""], "Two columns mean the same"),
            (["name", "email"], "Choose one of the list"),
            (["name", "email", "owner_user_id", "", "", ""], "Choose one of the list"),
            (COLUMNS, "Say how these people agreed"),
        ],
    )
    def test_columns_that_are_not_enough(self, lumen: Lumen, columns: list[str], told: str) -> None:
        """It is said, and the import still waits."""
        browser = lumen.signed_in("Manager")
        place = waiting(lumen, browser, HEAD + "Ana,611204880,,,,\n")
        answer = start(browser, place, columns)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.row(Import).status == "waiting"

    def test_given_up(self, lumen: Lumen) -> None:
        """By the person, or by nobody for a day: the file is gone, and nothing was changed."""
        browser = lumen.signed_in("Manager")
        place = waiting(lumen, browser, HEAD + "Ana,611204880,,,,\n")
        start(browser, place, [], do="discard")
        assert start(browser, place, COLUMNS, EVIDENCE).status_code == 409
        waiting(lumen, browser, HEAD + "Ana,611204880,,,,\n")
        lumen.advance(hours=25)
        imports.sweep(lumen.home)
        with lumen.home.session() as session:
            assert {found.status for found in session.query(Import)} == {"discarded"}
            assert session.query(ImportPart).count() == 0
        assert imports.turn(lumen.home) is False
        assert lumen.entries() == []

    def test_faults_are_forgotten(self, lumen: Lumen) -> None:
        """After thirty days."""
        imported(lumen, "name,phone\nAna,12\n", ["name", "phone_e164"])
        lumen.advance(days=29)
        imports.sweep(lumen.home)
        assert len(faults(lumen)) == 1
        lumen.advance(days=2)
        imports.sweep(lumen.home)
        assert faults(lumen) == []

    def test_both_permissions_are_needed(self, lumen: Lumen) -> None:
        """Whoever may create and not change is refused, and it is recorded."""
        with lumen.working() as work:
            work.get(Role, lumen.row(Role, name="Auditor").id).permissions = ["contacts:read", "contacts:create"]
        assert send(lumen.signed_in("Auditor"), HEAD + "Ana,611204880,,,,\n").status_code == 403
        entry = lumen.entry()
        assert (entry.action, entry.outcome, entry.details) == (
            "contact.imported",
            "denied",
            {"permission": "contacts:update"},
        )


class TestWhoItIs:
    """Which contact a row is about."""

    def test_by_e_mail_whatever_its_case(self, lumen: Lumen) -> None:
        """When there is no number."""
        found = imported(lumen, "name,mail\nAna,Ana@Correo.example\nAna María,ana@correo.EXAMPLE\n", ["name", "email"])
        assert counts(found) == (2, 1, 1, 0, 0)
        assert lumen.row(Contact, name="Ana María").email == "ana@correo.EXAMPLE"

    def test_the_last_nine_digits_are_not_enough(self, lumen: Lumen) -> None:
        """A number of another country is another person."""
        found = imported(lumen, "name,phone\nJean,+33655018342\n", ["name", "phone_e164"])
        assert counts(found) == (1, 1, 0, 0, 0)

    def test_two_that_it_could_be(self, lumen: Lumen) -> None:
        """Neither is touched: somebody has to merge them first."""
        with lumen.working() as work:
            contacts.create(work, {"name": "Juan otra vez", "phone_e164": "+34655018342"})
        found = imported(lumen, "name,phone,city\nJuan,655018342,Bilbao\n", ["name", "phone_e164", "city"])
        assert counts(found) == (1, 0, 0, 0, 1)
        assert faults(lumen) == [(2, "row")]

    def test_one_that_was_merged(self, lumen: Lumen) -> None:
        """Its survivor is updated."""
        with lumen.working() as work:
            other = contacts.create(work, {"name": "J. Pérez", "phone_e164": "+34600111222"})
            merge.merge(work, merge.plan(work.get(Contact, lumen.juan.id), other, {}))
        found = imported(lumen, "phone,city\n600111222,Bilbao\n", ["phone_e164", "city"])
        assert counts(found) == (1, 0, 1, 0, 0)
        assert lumen.row(Contact, id=lumen.juan.id).city == "Bilbao"

    def test_one_that_was_deleted(self, lumen: Lumen) -> None:
        """Does not come back by a file."""
        with lumen.working() as work:
            contacts.delete(work, work.get(Contact, lumen.juan.id), Reason(code="asked_to_be_removed"))
        found = imported(lumen, "name,phone\nJuan,655018342\n", ["name", "phone_e164"])
        assert counts(found) == (1, 0, 0, 0, 1)
        with lumen.home.session() as session:
            assert session.query(Contact).count() == 1

    def test_an_empty_cell_changes_nothing(self, lumen: Lumen) -> None:
        """And says nothing new."""
        found = imported(lumen, "phone,city,tags\n655018342,,\n", ["phone_e164", "city", "tags"])
        assert counts(found) == (1, 0, 0, 1, 0)


class TestConsent:
    """A yes counts only with evidence and never lifts a no; a no always counts."""

    def juan_after(self, lumen: Lumen, said: str, evidence: str = EVIDENCE) -> Contact:
        """Import what a file says about Juan."""
        columns = ["phone_e164", "consent", "consent_evidence"]
        imported(lumen, f"phone,consent,evidence\n655018342,{said},{evidence}\n", columns)
        found: Contact = lumen.row(Contact, id=lumen.juan.id)
        return found

    @pytest.mark.parametrize("said", ["yes", "Sí", "TRUE", "1", "opted_in"])
    def test_a_yes_with_evidence(self, lumen: Lumen, said: str) -> None:
        """Is an entry of its own."""
        assert self.juan_after(lumen, said).consent_marketing == "opted_in"
        entry = lumen.entry("action:contact.consent_changed")
        assert entry.batch == lumen.row(Import).id
        assert {change.path: change.after for change in entry.changes}["consent.evidence"] == EVIDENCE

    def test_a_yes_without(self, lumen: Lumen) -> None:
        """Is noted and not taken."""
        assert self.juan_after(lumen, "yes", "").consent_marketing == "unknown"
        assert faults(lumen) == [(2, "consent")]
        assert lumen.row(Import).errors == 0

    @pytest.mark.parametrize("source", ["whatsapp", "phone"])
    def test_a_yes_after_a_no(self, lumen: Lumen, source: str) -> None:
        """However the person said no."""
        with lumen.working() as work:
            contacts.change_consent(work, work.get(Contact, lumen.juan.id), "opted_out", source, None)
        assert self.juan_after(lumen, "yes").consent_marketing == "opted_out"
        assert faults(lumen) == [(2, "consent")]
        assert lumen.entries("action:contact.consent_changed") == []

    def test_a_no(self, lumen: Lumen) -> None:
        """Counts without evidence."""
        with lumen.working() as work:
            contacts.change_consent(work, work.get(Contact, lumen.juan.id), "opted_in", "form", "Web form")
        assert self.juan_after(lumen, "no", "").consent_marketing == "opted_out"
        assert lumen.entry("action:contact.consent_changed").severity == "notice"

    def test_what_is_neither(self, lumen: Lumen) -> None:
        """Is a fault of the row."""
        self.juan_after(lumen, "perhaps")
        assert faults(lumen) == [(2, "consent")]
        assert lumen.row(Import).errors == 1


class TestStopping:
    """Whatever happens in the middle, every row is imported once."""

    def rows(self, count: int) -> str:
        """Return that many people."""
        people = (f"Person {n},+346{n:08}\n" for n in range(count))
        return "name,phone\n" + "".join(people)

    def test_a_stop_between_batches(self, lumen: Lumen) -> None:
        """Reading goes on where it was, in another process."""
        browser = lumen.signed_in("Manager")
        start(browser, waiting(lumen, browser, self.rows(450)), ["name", "phone_e164"])
        assert imports.turn(lumen.home)
        assert lumen.row(Import).rows == 200
        assert len(lumen.entries("action:contact.created")) == 200
        found = read_all(lumen)
        assert counts(found) == (450, 450, 0, 0, 0)
        with lumen.home.session() as session:
            assert session.query(Contact).filter(Contact.source == "import").count() == 450

    def test_a_stop_within_a_batch(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of it remains, and the next turn reads it whole."""
        browser = lumen.signed_in("Manager")
        start(browser, waiting(lumen, browser, self.rows(30)), ["name", "phone_e164"])
        create, made = contacts.create, []

        def dies(work: Work, *args: Any, **more: Any) -> Contact:
            made.append(1)
            if len(made) == 20:
                raise MemoryError
            return create(work, *args, **more)

        monkeypatch.setattr(contacts, "create", dies)
        with pytest.raises(MemoryError):
            imports.turn(lumen.home)
        assert (lumen.row(Import).rows, lumen.entries("action:contact.created")) == (0, [])
        assert counts(read_all(lumen)) == (30, 30, 0, 0, 0)
        assert len(lumen.entries("action:contact.created")) == 30

    def test_what_the_log_does_not_take(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """Costs that row and no other."""
        browser = lumen.signed_in("Manager")
        start(browser, waiting(lumen, browser, self.rows(10)), ["name", "phone_e164"])
        create = contacts.create

        def refuses(work: Work, values: Any, **more: Any) -> Contact:
            made = create(work, values, **more)
            if values["name"] == "Person 4":
                raise InvalidEvent("/changes/0/after", "Too odd", "Say it otherwise")
            return made

        monkeypatch.setattr(contacts, "create", refuses)
        assert counts(read_all(lumen)) == (10, 9, 0, 0, 1)
        assert faults(lumen) == [(6, "row")]

    def test_whoever_started_it_may_no_longer(self, lumen: Lumen) -> None:
        """It stops, and the entry says that it failed and how far it came."""
        browser = lumen.signed_in("Manager")
        start(browser, waiting(lumen, browser, self.rows(300)), ["name", "phone_e164"])
        imports.turn(lumen.home)
        with lumen.working() as work:
            work.get(User, lumen.user("Manager").id).status = "deactivated"
        found = read_all(lumen)
        assert (found.status, found.rows) == ("stopped", 200)
        entry = lumen.entries("action:contact.imported")[0]
        assert (entry.outcome, entry.reason) == ("failed", Reason(code="no_permission"))
        assert (entry.details or {})["created"] == 200


class TestHostileFiles:
    """What files hold that nobody means."""

    @pytest.mark.parametrize(
        ("content", "encoding"),
        [
            ("name,phone\nJosé Ñandú,611204880\n".encode(), "utf-8"),
            ("name,phone\nJosé Ñandú,611204880\n".encode("utf-8-sig"), "utf-8-sig"),
            ("name;phone\r\nJosé Ñandú;611204880\r\n".encode("cp1252"), "cp1252"),
            ("name\tphone\nJosé Ñandú\t611204880\n".encode("utf-16"), "utf-16"),
            ("name,phone\rJosé Ñandú,611204880\r".encode(), "utf-8"),
        ],
    )
    def test_letters_and_line_ends(self, lumen: Lumen, content: bytes, encoding: str) -> None:
        """Of every program that people export from."""
        assert imported(lumen, content, ["name", "phone_e164"]).encoding == encoding
        assert lumen.row(Contact, name="José Ñandú").phone_e164 == "+34611204880"

    def test_broken_rows_cost_themselves(self, lumen: Lumen) -> None:
        """A lost quotation mark, a value without end, invisible characters, too many values: listed by their lines."""
        huge = "x" * 200_000
        text = (
            "name,phone,city\n"
            "Ana,600000001,Madrid\n"  # line 2
            '"Lost,600000002,Madrid\n'
            '"Bea","600000003","Calle\nMayor"\n'  # lines 4 and 5
            f"Big,600000004,{huge}\n"
            f"Bigger,600000005,{'y' * 1_500_000}\n"
            "Nul\x00l,600000006,Madrid\n"
            "Many,600000007,Madrid,more,still more\n"
            "\n"
            '"A"b,600000008,Madrid\n'
            f"Long,600000009,{'z' * 501}\n"
            "Few,600000010\n"
            ",600000011,Madrid\n"
            "Cid,600000012,Madrid\n"
        )
        found = imported(lumen, text, ["name", "phone_e164", "city"])
        assert counts(found) == (12, 4, 0, 0, 8)
        assert [line for line, _ in faults(lumen)] == [3, 6, 7, 8, 9, 11, 12, 14]
        with lumen.home.session() as session:
            made = {contact.name for contact in session.query(Contact).filter(Contact.source == "import")}
        assert made == {"Ana", "Bea", "Few", "Cid"}

    def test_formulas_stay_data(self, lumen: Lumen) -> None:
        """They are stored as they are, shown as text, and cannot be calculated when they leave again."""
        evil = "=HYPERLINK(0)"
        imported(lumen, f"name,phone,city\n{evil},611204880,@SUM(1)\n", ["name", "phone_e164", "city"])
        assert lumen.row(Contact, name=evil).city == "@SUM(1)"
        browser = lumen.signed_in("Manager")
        columns = {"column": ["name", "phone_e164", "city"], "q": "HYPERLINK"}
        left = browser.post("/contacts/export", data=columns).content.decode("utf-8-sig")
        assert left == "name,phone_e164,city\r\n'=HYPERLINK(0),+34611204880,'@SUM(1)\r\n"

    def test_markup_stays_text(self, lumen: Lumen) -> None:
        """In the names of columns, of the file and of people."""
        browser = lumen.signed_in("Manager")
        evil = "<img src=x onerror=alert(1)>"
        place = waiting(lumen, browser, f"{evil},phone\n{evil},611204880\n", f"../../{evil}.csv")
        page = browser.get(place).text
        assert evil not in page
        assert "&lt;img src=x" in page
        assert "../" not in lumen.row(Import).file_name

    def test_a_hundred_thousand_lines(self, lumen: Lumen) -> None:
        """All of them are looked at, the broken ones listed, and no more than a batch is in memory."""
        broken = "\n".join(f"P{n},{n}," for n in range(99_900))
        good = "".join(f"\nPerson {n},+346{n:08},Madrid" for n in range(100))
        found = imported(lumen, f"name,phone,city\n{broken}{good}\n", ["name", "phone_e164", "city"])
        assert found.rows == imports.MOST_ROWS
        assert found.created >= 100
        assert found.created + found.updated + found.skipped + found.errors == imports.MOST_ROWS
        with lumen.home.session() as session:
            assert session.query(ImportFault).count() == found.errors


def test_rows_are_found_from_any_place() -> None:
    """Reading on from where a row ended gives the same rows as reading all at once, whatever the pieces cut apart."""
    text = "".join(f'Ñ{n},"x\n{"é" * (n % 50)}",{n}\n' for n in range(12_000))
    parts = list(sheets.pieces(iter([text])))
    assert len(parts) > 2

    def piece(number: int) -> bytes:
        return parts[number] if number < len(parts) else b""

    whole = list(sheets.rows(piece, ","))
    assert len(whole) == 12_000
    for at in range(0, 12_000, 997):
        rest = next(sheets.rows(piece, ",", position=whole[at].position, line=whole[at].next_line))
        assert rest == whole[at + 1]


def test_a_file_is_taken_by_whoever_calls(lumen: Lumen) -> None:
    """The service itself refuses what is too large, not only the page."""
    with lumen.working(Actor(type="user", id="usr_x")) as work, pytest.raises(Exception, match="20 MB"):
        imports.take(work, lumen.user("Owner"), BytesIO(b"x" * (imports.LARGEST + 1)), "x.csv")
