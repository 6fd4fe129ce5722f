"""The header of a template: a text, a picture, a video, a document or a place, from the form to the message."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from sendero.errors import Conflict, Invalid
from sendero.service import campaigns, headers, running, templates
from sendero.tables import Account, Campaign, Message, Template
from sendero.whatsapp.cloud import CloudApi
from sendero.whatsapp.forms import handed_in, header_of
from sendero.whatsapp.provider import Line, Media, Outgoing, ProviderFault
from sendero.work import resource_of
from tests.campaigning import OFFER, Told, changes, madrid, people, send
from tests.graphing import Graph, fault, graph_server
from tests.lumen import TOKEN, Lumen, lumen, template_values

__all__ = ["lumen"]

LINE = Line(phone_number_id="2002", waba_id="1001", access_token=TOKEN, api_version="v24.0")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(40)
PDF = b"%PDF-1.7\n" + bytes(40)
PICTURE = {"format": "image", "link": "https://casalumen.es/ofertas/duna.jpg"}
PLACE = {
    "format": "location",
    "latitude": 40.4168,
    "longitude": -3.7038,
    "name": "Casa Lumen",
    "address": "Calle Mayor 1, Madrid",
}
TYPED_PLACE: dict[str, Any] = {f"header_{name}": str(value) for name, value in PLACE.items() if name != "format"}


@pytest.fixture
def graph() -> Iterator[Graph]:
    """Run a server that answers as Meta's does."""
    with graph_server() as server:
        yield server


@pytest.fixture
def cloud(graph: Graph) -> Iterator[CloudApi]:
    """Return a client of it."""
    client = CloudApi(graph.address, timeout=httpx2.Timeout(2))
    yield client
    client.close()


def post(browser: TestClient, path: str, file: tuple[str, bytes] | None = None, **more: Any) -> httpx2.Response:
    """Send the form of a template as a browser does, with or without a file."""
    values = template_values(**{"do": "submit", "buttons": [], **more})
    typed = {**values, "samples": "\n".join(values["samples"])}
    del typed["buttons"]
    chosen = ("", b"") if file is None else file
    return browser.post(path, data=typed, files={"header_file": (*chosen, "application/octet-stream")})


def create(lumen: Lumen, file: tuple[str, bytes] = ("duna.png", PNG), **more: Any) -> Template:
    """Write a template whose header is a picture, and hand it in."""
    values = {"name": "with_header", "header_format": "image", **more}
    assert post(lumen.signed_in("Manager"), "/templates/new", file, **values).status_code == 303
    found: Template = lumen.row(Template, name=values["name"])
    return found


def edit(lumen: Lumen, template: Template, file: tuple[str, bytes] | None = None, **more: Any) -> httpx2.Response:
    """Send the form of a template that exists."""
    version = str(lumen.row(Template, id=template.id).version)
    path = f"/templates/{template.id}/edit"
    return post(lumen.signed_in("Manager"), path, file, name=template.name, version=version, **more)


def approved(lumen: Lumen, **header: Any) -> Template:
    """Return an approved marketing template with this header."""
    with lumen.working() as work:
        values = templates.checked(template_values(**OFFER, **header))
        made = templates.create(work, work.get(Account, lumen.account.id), values, submitted=True)
        templates.change_status(work, made, "approved")
        return made


def planned(lumen: Lumen, template: Template, *, many: int = 0, **more: Any) -> Campaign:
    """Return a draft that sends a template."""
    segment = madrid(lumen)
    with lumen.working() as work:
        people(work, many)
        values = {
            "name": "Duna",
            "template_id": template.id,
            "segment_id": segment.id,
            "variables": ["{first_name}", "lámparas"],
            "schedule_at": "",
            "window": "",
            "rate_per_minute": "600",
            **more,
        }
        return campaigns.create(work, campaigns.checked(work, values))


class TestForms:
    """What WhatsApp is told about a header."""

    @pytest.mark.parametrize(
        ("header", "component"),
        [
            ({"format": "text", "text": "Your order"}, {"type": "HEADER", "format": "TEXT", "text": "Your order"}),
            ({"format": "location"}, {"type": "HEADER", "format": "LOCATION"}),
            *(
                (
                    {"format": kind, "handle": "4::abc", "file": "a"},
                    {"type": "HEADER", "format": kind.upper(), "example": {"header_handle": ["4::abc"]}},
                )
                for kind in headers.MEDIA
            ),
        ],
    )
    def test_a_template_that_is_handed_in(self, header: dict[str, str], component: dict[str, Any]) -> None:
        """A file is named by its handle, as the example to review."""
        values = {"name": "n", "language": "es", "category": "marketing"}
        form = handed_in(values | {"components": {"body": {"text": "Hi"}, "header": header}})
        assert form["components"][0] == component
        assert header_of(form["components"]) == header["format"]

    @pytest.mark.parametrize(
        ("header", "parameter"),
        [
            (PICTURE, {"type": "image", "image": {"link": "https://casalumen.es/ofertas/duna.jpg"}}),
            (
                {"format": "video", "link": "https://casalumen.es/v.mp4"},
                {"type": "video", "video": {"link": "https://casalumen.es/v.mp4"}},
            ),
            (
                {"format": "document", "link": "https://casalumen.es/cat%C3%A1logo.pdf?v=2"},
                {
                    "type": "document",
                    "document": {"link": "https://casalumen.es/cat%C3%A1logo.pdf?v=2", "filename": "catálogo.pdf"},
                },
            ),
            (PLACE, {"type": "location", "location": {name: PLACE[name] for name in PLACE if name != "format"}}),
        ],
    )
    def test_a_message(self, cloud: CloudApi, graph: Graph, header: dict[str, Any], parameter: dict[str, Any]) -> None:
        """The parameter of the header comes before those of the body."""
        graph.will(200, {"messages": [{"id": "wamid.X"}]})
        cloud.send(LINE, Outgoing(to="+34611204880", template="t", language="es", body=("Ana",), header=header))
        assert graph.asked[0].body["template"]["components"] == [
            {"type": "header", "parameters": [parameter]},
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
        ]

    def test_uploading(self, cloud: CloudApi, graph: Graph) -> None:
        """A session is opened for the application of the token, then its signed address takes the bytes."""
        graph.will(200, {"id": "upload:MTphdHRhY2htZW50OjEyMw==?sig=ARZqkGCA_uQMxC8nHKI"})
        graph.will(200, {"h": "4::aW1hZ2UvcG5n:ARb"})

        handle = cloud.upload(LINE, Media(file=io.BytesIO(PNG), name="duna.png", type="image/png", size=len(PNG)))

        assert handle == "4::aW1hZ2UvcG5n:ARb"
        session, upload = graph.asked
        assert (session.method, session.path, session.token) == ("POST", "/v24.0/app/uploads", TOKEN)
        assert session.query == {"file_name": "duna.png", "file_length": str(len(PNG)), "file_type": "image/png"}
        assert (upload.method, upload.path) == ("POST", "/v24.0/upload:MTphdHRhY2htZW50OjEyMw==")
        assert upload.query == {"sig": "ARZqkGCA_uQMxC8nHKI"}
        assert (upload.token, upload.offset, upload.body) == (f"OAuth {TOKEN}", "0", PNG)

    def test_an_upload_that_is_refused(self, cloud: CloudApi, graph: Graph) -> None:
        """Says why, without the token."""
        graph.will(400, fault(100, f"Invalid file for {TOKEN}"))
        with pytest.raises(ProviderFault, match="Invalid file") as refused:
            cloud.upload(LINE, Media(file=io.BytesIO(PNG), name="a.png", type="image/png", size=len(PNG)))
        assert TOKEN not in str(refused.value)


class TestTemplates:
    """Writing a template with a header that is no text."""

    @pytest.mark.parametrize(
        ("kind", "name", "file"),
        [("image", "a.png", PNG), ("image", "a.jpg", JPEG), ("video", "a.mp4", MP4), ("document", "a.pdf", PDF)],
    )
    def test_files(self, lumen: Lumen, kind: str, name: str, file: bytes) -> None:
        """The file goes to WhatsApp; its handle and its name are on record."""
        template = create(lumen, (f"C:\\fotos\\{name}", file), header_format=kind)

        assert template.status == "pending"
        header = template.components["header"]
        assert header["handle"].startswith("4::")
        assert header == {"format": kind, "handle": header["handle"], "file": name}
        told = {path: change.after for path, change in changes(lumen.entry("action:template.created")).items()}
        assert told["components.header.format"] == kind
        assert (told["components.header.handle"], told["components.header.file"]) == (header["handle"], name)
        found = lumen.whatsapp.find_template(LINE, "with_header", "en")
        assert found is not None
        assert found.components[0]["example"] == {"header_handle": [header["handle"]]}
        page = lumen.signed_in("Manager").get(f"/templates/{template.id}").text
        assert f'data-kind="{kind}"' in page
        assert name in page

    def test_a_place(self, lumen: Lumen) -> None:
        """Needs no example: which place is chosen in each campaign."""
        template = create(lumen, ("", b""), header_format="location")
        assert template.components["header"] == {"format": "location"}
        assert 'data-kind="location"' in lumen.signed_in("Manager").get(f"/templates/{template.id}").text

    def test_from_a_text_to_a_picture_and_back(self, lumen: Lumen) -> None:
        """Before and after tell which part of the header changed."""
        template = create(lumen, ("", b""), header_format="text", header="Your order")
        lumen.whatsapp_goes_on()
        assert edit(lumen, template, ("duna.png", PNG), header_format="image").status_code == 303

        changed = changes(lumen.entries("action:template.edited")[0])
        form = changed["components.header.format"]
        assert (form.before, form.after) == ("text", "image")
        assert changed["components.header.text"].before == "Your order"
        assert changed["components.header.file"].after == "duna.png"
        assert changed["status"].after == "pending"
        lumen.whatsapp_goes_on()
        lumen.advance(hours=25)
        edit(lumen, template, header_format="text", header="Your order")
        assert lumen.row(Template, id=template.id).components["header"] == {"format": "text", "text": "Your order"}

    def test_a_file_stays_until_it_is_replaced(self, lumen: Lumen) -> None:
        """Another body keeps it; another file has another handle."""
        template = create(lumen)
        lumen.whatsapp_goes_on()
        edit(lumen, template, header_format="image", footer="Casa Lumen")
        kept = lumen.row(Template, id=template.id).components
        assert kept["header"] == template.components["header"]
        assert kept["footer"] == {"text": "Casa Lumen"}
        lumen.whatsapp_goes_on()
        lumen.advance(hours=25)

        edit(lumen, template, ("dos.jpg", JPEG), header_format="image", footer="Casa Lumen")

        changed = changes(lumen.entries("action:template.edited")[0])
        assert set(changed) == {"components.header.handle", "components.header.file", "status"}
        assert (changed["components.header.file"].before, changed["components.header.file"].after) == (
            "duna.png",
            "dos.jpg",
        )

    def test_nothing_changed_nothing_asked(self, lumen: Lumen) -> None:
        """The form as it was leaves the template approved."""
        template = create(lumen)
        lumen.whatsapp_goes_on()
        answer = edit(lumen, template, header_format="image")
        assert "done=unchanged" in answer.headers["location"]
        assert lumen.row(Template, id=template.id).status == "approved"

    def test_a_draft_keeps_its_file(self, lumen: Lumen) -> None:
        """It is uploaded when it is chosen, and handed in with the template."""
        draft = create(lumen, do="save")
        assert (draft.status, draft.components["header"]["file"]) == ("draft", "duna.png")
        assert "duna.png" in lumen.signed_in("Manager").get(f"/templates/{draft.id}/edit").text
        edit(lumen, draft, header_format="image")
        assert lumen.row(Template, id=draft.id).status == "pending"

    @pytest.mark.parametrize(
        ("file", "more", "told"),
        [
            (None, {}, "Choose a file"),
            (("a.png", PDF), {}, "Use a picture in JPEG or PNG"),
            (("a.png", b""), {}, "Use a picture in JPEG or PNG"),
            (("a.png", PNG + bytes(5_000_000)), {}, "Use a picture in JPEG or PNG"),
            (("a.mp4", PNG), {"header_format": "video"}, "Use a video in MP4"),
            (("a.pdf", PNG), {"header_format": "document"}, "Use a PDF"),
            ((f"{'a' * 101}.png", PNG), {}, "name of the file is too long"),
            (None, {"header_format": "poem"}, "Choose one of the list"),
            (None, {"header_format": "location", "category": "authentication"}, "authentication has no header"),
            (None, {"header_format": "text", "header": "Hi {{1}}"}, "Leave variables to the body"),
            (None, {"header_format": "text", "header": "x" * 61}, "longer than WhatsApp allows"),
        ],
    )
    def test_what_cannot_be_taken(
        self, lumen: Lumen, file: tuple[str, bytes] | None, more: dict[str, str], told: str
    ) -> None:
        """Is said beside the field, and nothing is asked or recorded."""
        values = {"name": "fresh", "header_format": "image"} | more
        answer = post(lumen.signed_in("Manager"), "/templates/new", file, **values)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []
        assert lumen.whatsapp.find_template(LINE, "fresh", "en") is None

    def test_the_demo_wants_an_example(self, lumen: Lumen) -> None:
        """A handle that it never gave is refused, as WhatsApp does."""
        values = {"name": "n", "language": "es", "category": "marketing"}
        components = {"body": {"text": "Hi"}, "header": {"format": "image", "handle": "mine", "file": "a"}}
        with pytest.raises(ProviderFault, match="no valid handle"):
            lumen.whatsapp.create_template(LINE, handed_in(values | {"components": components}))


class TestCampaigns:
    """What is sent as the header."""

    @pytest.mark.parametrize(
        ("header", "typed", "stored"),
        [
            ({"header_format": "image"}, {"header_link": PICTURE["link"]}, PICTURE),
            ({"header_format": "location"}, TYPED_PLACE, PLACE),
            ({"header_format": "location"}, TYPED_PLACE | {"header_latitude": "40,4168"}, PLACE),
            ({"header_format": "text", "header": "Hola"}, {}, {}),
        ],
    )
    def test_sending(self, lumen: Lumen, header: dict[str, Any], typed: dict[str, Any], stored: dict[str, Any]) -> None:
        """Every message carries it, and the entry of the campaign tells it."""
        template = approved(lumen, **header, media={"handle": "4::abc", "file": "a.jpg"})
        lumen.home.provider = told = Told()
        made = planned(lumen, template, many=3, **typed)
        with lumen.working() as work:
            running.start(work, work.get(Campaign, made.id))
        send(lumen)

        assert [message.header for message in told.sent] == [stored] * 3
        lumen.home.relay.drain()
        (entry,) = lumen.home.log.find(lumen.workspace, "action:campaign.created", limit=5).entries
        told_of = {change.path: change.after for change in entry.changes if change.path.startswith("header.")}
        assert told_of == {f"header.{name}": value for name, value in stored.items()}

    def test_the_demo_delivers_it(self, lumen: Lumen) -> None:
        """And refuses a message whose header is of another kind."""
        template = approved(lumen, header_format="image", media={"handle": "4::abc", "file": "a.jpg"})
        made = planned(lumen, template, many=1, header_link=PICTURE["link"])
        with lumen.working() as work:
            running.start(work, work.get(Campaign, made.id))
        send(lumen)
        assert lumen.row(Message, campaign_id=made.id).status == "sent"
        message = Outgoing(to="+34600000001", template=template.name, language="es", body=("Ana", "x"))
        with pytest.raises(ProviderFault, match="132012"):
            lumen.whatsapp.send(LINE, message)

    @pytest.mark.parametrize(
        ("kind", "typed", "told"),
        [
            ("image", {}, {"header_link": "is a picture"}),
            ("video", {}, {"header_link": "is a video"}),
            ("document", {"header_link": " "}, {"header_link": "is a document"}),
            ("image", {"header_link": "http://casalumen.es/a.jpg"}, {"header_link": "begin with https"}),
            ("image", {"header_link": "https://127.0.0.1/a.jpg"}, {"header_link": "not on the public internet"}),
            ("image", {"header_link": PICTURE["link"], "header_name": "x"}, {"header_name": "no use for this"}),
            ("text", {"header_link": PICTURE["link"]}, {"header_link": "no use for this"}),
            ("location", TYPED_PLACE | {"header_latitude": "91"}, {"header_latitude": "between -90 and 90"}),
            ("location", TYPED_PLACE | {"header_longitude": "1e2"}, {"header_longitude": "between -180 and 180"}),
            ("location", TYPED_PLACE | {"header_name": ""}, {"header_name": "called"}),
            ("location", TYPED_PLACE | {"header_address": "x" * 101}, {"header_address": "where this place is"}),
            (
                "location",
                {},
                {"header_latitude": "", "header_longitude": "", "header_name": "", "header_address": ""},
            ),
        ],
    )
    def test_what_cannot_be_sent(self, lumen: Lumen, kind: str, typed: dict[str, Any], told: dict[str, str]) -> None:
        """Each fault stands beside its field."""
        template = approved(lumen, header_format=kind, media={"handle": "4::abc", "file": "a.jpg"})
        with pytest.raises(Invalid) as refused:
            planned(lumen, template, **typed)
        assert refused.value.fields.keys() == told.keys()
        assert all(part in refused.value.fields[name] for name, part in told.items())

    def test_the_form(self, lumen: Lumen) -> None:
        """It shows what was chosen, and changes it."""
        template = approved(lumen, header_format="location")
        made = planned(lumen, template, **TYPED_PLACE)
        browser = lumen.signed_in("Manager")
        page = browser.get(f"/campaigns/{made.id}/edit").text
        assert f'data-is="{template.id}"' in page
        assert 'value="40.4168"' in page
        form = {
            "version": str(made.version),
            "name": made.name,
            "template_id": template.id,
            "segment_id": made.segment_id,
            "variables": "{first_name}\nlámparas",
            "rate_per_minute": "600",
            **TYPED_PLACE,
        }
        assert "done=unchanged" in browser.post(f"/campaigns/{made.id}/edit", data=form).headers["location"]
        browser.post(f"/campaigns/{made.id}/edit", data=form | {"header_name": "Casa Lumen Centro"})
        change = changes(lumen.entry("action:campaign.updated"))["header.name"]
        assert (change.before, change.after) == ("Casa Lumen", "Casa Lumen Centro")
        assert "Casa Lumen Centro" in browser.get(f"/campaigns/{made.id}").text

    def test_a_template_that_changed_meanwhile(self, lumen: Lumen) -> None:
        """A campaign that does not have what it asks for now does not start."""
        template = approved(lumen, header_format="text", header="Hola")
        made = planned(lumen, template, many=1)
        with lumen.working() as work:
            found = work.get(Template, template.id)
            found.components = {**found.components, "header": {"format": "location"}}
            work.touch(found)
            work.record("template.edited", resource_of(found), after={"status": "approved"})
        with lumen.working() as work, pytest.raises(Conflict, match="asks for other values"):
            running.start(work, work.get(Campaign, made.id))
