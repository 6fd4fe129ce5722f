"""The Cloud API: real requests to a server that answers as Meta's does, and what each refusal means."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from sendero.whatsapp.cloud import CloudApi
from sendero.whatsapp.forms import handed_in
from sendero.whatsapp.provider import EXISTS, Found, Line, Outgoing, ProviderFault, Standing, Submitted
from tests.graphing import Asked, Graph, fault, graph_server

TOKEN = "EAAGm0PX4ZCpsBA0ZBtoken0of0the0tests0000000001"
LINE = Line(phone_number_id="2002", waba_id="1001", access_token=TOKEN, api_version="v24.0")
TEMPLATE = handed_in(
    {
        "name": "order_update",
        "language": "en",
        "category": "utility",
        "components": {
            "header": {"format": "text", "text": "Your order"},
            "body": {"text": "Hi {{1}}, {{2}} is on its way.", "samples": ["Ana", "CL-1"]},
            "footer": {"text": "Casa Lumen"},
            "buttons": [
                {"type": "url", "text": "Track", "url": "https://casalumen.es/orders"},
                {"type": "phone_number", "text": "Call", "phone": "+34910555014"},
                {"type": "quick_reply", "text": "Stop"},
            ],
        },
    }
)


@pytest.fixture
def graph() -> Iterator[Graph]:
    """Run the server."""
    with graph_server() as server:
        yield server


@pytest.fixture
def cloud(graph: Graph) -> Iterator[CloudApi]:
    """Return a client of it."""
    client = CloudApi(graph.address, timeout=httpx2.Timeout(0.5))
    yield client
    client.close()


class TestRequests:
    """What is asked, and what is made of the answer."""

    def test_standing(self, cloud: CloudApi, graph: Graph) -> None:
        """The fields of the number, in our own words."""
        graph.will(
            200,
            {
                "id": "2002",
                "display_phone_number": "+34 910 555 014",
                "verified_name": "Casa Lumen",
                "name_status": "APPROVED",
                "quality_rating": "GREEN",
                "status": "CONNECTED",
                "throughput": {"level": "HIGH"},
                "account_mode": "LIVE",
                "is_something_new": True,
            },
        )

        assert cloud.standing(LINE) == Standing(
            display_phone_number="+34 910 555 014",
            verified_name="Casa Lumen",
            name_status="approved",
            quality_rating="green",
            status="connected",
            throughput_level="high",
            mode="live",
        )
        (asked,) = graph.asked
        assert (asked.method, asked.path, asked.token) == ("GET", "/v24.0/2002", TOKEN)
        assert "quality_rating" in asked.query["fields"].split(",")
        assert TOKEN not in str(asked.query)

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [("FLAGGED", "flagged"), ("RATE_LIMITED", "restricted"), ("BANNED", "banned"), ("PENDING", "connecting")],
    )
    def test_statuses(self, cloud: CloudApi, graph: Graph, theirs: str, ours: str) -> None:
        """Each of theirs has one of ours."""
        graph.will(200, {"display_phone_number": "+1 555", "status": theirs, "quality_rating": "NA"})
        standing = cloud.standing(LINE)
        assert (standing.status, standing.quality_rating) == (ours, "unknown")

    def test_send(self, cloud: CloudApi, graph: Graph) -> None:
        """A template message with its values, and our reference."""
        graph.will(200, {"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": "wamid.X"}]})
        message = Outgoing(
            to="+34611204880", template="order_update", language="en", body=("Ana", "CL-1"), reference="msg_1"
        )

        assert cloud.send(LINE, message) == "wamid.X"
        assert graph.asked == [
            Asked(
                method="POST",
                path="/v24.0/2002/messages",
                query={},
                token=TOKEN,
                body={
                    "messaging_product": "whatsapp",
                    "recipient_type": "individual",
                    "to": "34611204880",
                    "type": "template",
                    "template": {
                        "name": "order_update",
                        "language": {"code": "en"},
                        "components": [
                            {
                                "type": "body",
                                "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "CL-1"}],
                            }
                        ],
                    },
                    "biz_opaque_callback_data": "msg_1",
                },
            )
        ]

    def test_somebody_without_a_number(self, cloud: CloudApi, graph: Graph) -> None:
        """Is written to by the id that WhatsApp gave them."""
        graph.will(200, {"messages": [{"id": "wamid.X"}]})
        cloud.send(LINE, Outgoing(to="ES.13491208655302741918", template="hello", language="es"))
        (asked,) = graph.asked
        assert asked.body["recipient"] == "ES.13491208655302741918"
        assert "to" not in asked.body
        assert "components" not in asked.body["template"]

    def test_a_new_template(self, cloud: CloudApi, graph: Graph) -> None:
        """In WhatsApp's form, which its answer may put into another category."""
        graph.will(200, {"id": "572279198452421", "status": "PENDING", "category": "MARKETING"})

        made = cloud.create_template(LINE, TEMPLATE)

        assert made == Submitted(id="572279198452421", status="pending", category="marketing")
        (asked,) = graph.asked
        assert (asked.method, asked.path) == ("POST", "/v24.0/1001/message_templates")
        assert asked.body == {
            "name": "order_update",
            "language": "en",
            "category": "UTILITY",
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Your order"},
                {
                    "type": "BODY",
                    "text": "Hi {{1}}, {{2}} is on its way.",
                    "example": {"body_text": [["Ana", "CL-1"]]},
                },
                {"type": "FOOTER", "text": "Casa Lumen"},
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {"type": "URL", "text": "Track", "url": "https://casalumen.es/orders"},
                        {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+34910555014"},
                        {"type": "QUICK_REPLY", "text": "Stop"},
                    ],
                },
            ],
        }

    def test_finding_a_template(self, cloud: CloudApi, graph: Graph) -> None:
        """By exactly its name: the search over there finds longer ones as well."""
        longer = {"id": "1", "name": "order_update_2", "language": "en", "status": "APPROVED", "category": "UTILITY"}
        one = longer | {"id": "2", "name": "order_update", "components": [{"type": "BODY", "text": "Hi"}]}
        graph.will(200, {"data": [longer, one], "paging": {}})
        graph.will(200, {"data": [longer]})

        assert cloud.find_template(LINE, "order_update", "en") == Found(
            id="2", status="approved", category="utility", components=[{"type": "BODY", "text": "Hi"}]
        )
        assert cloud.find_template(LINE, "order_update", "en") is None
        assert graph.asked[0].query["name"] == "order_update"

    def test_editing_and_deleting(self, cloud: CloudApi, graph: Graph) -> None:
        """By the id of the template; one that is gone already is no fault."""
        graph.will(200, {"success": True})
        graph.will(200, {"success": True})
        graph.will(404, fault(100, "Invalid parameter", subcode=2593002))

        cloud.edit_template(LINE, "572", TEMPLATE)
        cloud.delete_template(LINE, "572", "order_update")
        cloud.delete_template(LINE, "572", "order_update")

        edit, delete, _ = graph.asked
        assert (edit.method, edit.path) == ("POST", "/v24.0/572")
        assert set(edit.body) == {"category", "components"}
        assert (delete.method, delete.path) == ("DELETE", "/v24.0/1001/message_templates")
        assert delete.query == {"hsm_id": "572", "name": "order_update"}

    def test_ids_stay_in_their_place(self, cloud: CloudApi, graph: Graph) -> None:
        """An id that holds a path asks for nothing else."""
        graph.will(404, fault(100, "Unsupported get request"))
        with pytest.raises(ProviderFault):
            cloud.standing(Line(phone_number_id="../me?x=", waba_id="1", access_token=TOKEN, api_version="v24.0"))
        assert graph.asked[0].path == "/v24.0/..%2Fme%3Fx="


class TestRefusals:
    """Which may pass, and what they say."""

    @pytest.mark.parametrize("code", [130429, 131056, 131048, 80007, 4, 1, 2])
    def test_what_passes(self, cloud: CloudApi, graph: Graph, code: int) -> None:
        """Rates and faults of WhatsApp's own."""
        graph.will(400, fault(code, f"(#{code}) Rate limit hit", details="Too many messages"))
        with pytest.raises(ProviderFault) as raised:
            cloud.send(LINE, Outgoing(to="+34611204880", template="t", language="en"))
        assert (raised.value.code, raised.value.passing, raised.value.text) == (code, True, "Too many messages")

    @pytest.mark.parametrize("code", [132015, 132016, 132001, 131031, 131042, 131049, 131026, 190, 10, 100, 200])
    def test_what_does_not(self, cloud: CloudApi, graph: Graph, code: int) -> None:
        """The same request would be refused again."""
        graph.will(400, fault(code, "No"))
        with pytest.raises(ProviderFault) as raised:
            cloud.send(LINE, Outgoing(to="+34611204880", template="t", language="en"))
        assert (raised.value.code, raised.value.passing, raised.value.wait) == (code, False, None)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_busy_servers(self, cloud: CloudApi, graph: Graph, status: int) -> None:
        """Pass, whatever they say, and when they say for how long, that long."""
        graph.will(status, b"<html>gateway</html>", Retry_After="7")
        graph.will(status, fault(100, "Whatever"))
        for wait in (7.0, None):
            with pytest.raises(ProviderFault) as raised:
                cloud.standing(LINE)
            assert (raised.value.passing, raised.value.wait) == (True, wait)

    def test_the_finer_code(self, cloud: CloudApi, graph: Graph) -> None:
        """A name that is taken has one of its own."""
        graph.will(400, fault(100, "Invalid parameter", subcode=EXISTS))
        with pytest.raises(ProviderFault) as raised:
            cloud.create_template(LINE, TEMPLATE)
        assert (raised.value.code, raised.value.subcode) == (100, EXISTS)

    def test_no_token_in_an_error(self, cloud: CloudApi, graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
        """Not even when WhatsApp sends it back."""
        caplog.set_level(0)
        graph.will(401, fault(190, f"Malformed access token {TOKEN}"))
        graph.will(401, fault(190, f"Malformed access token {TOKEN[:20]}..."))
        for _ in range(2):
            with pytest.raises(ProviderFault) as raised:
                cloud.standing(LINE)
            assert raised.value.code == 190
            assert "EAAGm0" not in f"{raised.value} {raised.value.text} {LINE!r}{raised.value.__context__!r}"
        assert "EAAGm0" not in caplog.text

    def test_nobody_answers(self) -> None:
        """A closed port, and a name that does not exist."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        client = CloudApi(f"http://127.0.0.1:{port}", timeout=httpx2.Timeout(0.5))
        with pytest.raises(ProviderFault, match="cannot be reached") as raised:
            client.standing(LINE)
        client.close()
        assert (raised.value.code, raised.value.passing) == (0, True)
        assert raised.value.__cause__ is None

    def test_no_answer_in_time(self, cloud: CloudApi, graph: Graph) -> None:
        """Waiting ends."""
        graph.slow = 1.5
        graph.will(200, {})
        with pytest.raises(ProviderFault, match="did not answer in time") as raised:
            cloud.standing(LINE)
        assert raised.value.passing

    @pytest.mark.parametrize("answer", [b"", b"[]", b"{", b'{"messages": []}', b"x" * 2**21])
    def test_an_answer_that_cannot_be_read(self, cloud: CloudApi, graph: Graph, answer: bytes) -> None:
        """Is not taken for success."""
        graph.will(200, answer)
        with pytest.raises(ProviderFault, match="cannot be read"):
            cloud.send(LINE, Outgoing(to="+34611204880", template="t", language="en"))

    @pytest.mark.parametrize(
        "ask",
        [
            lambda cloud, line: cloud.standing(line),
            lambda cloud, line: cloud.find_template(line, "t", "en"),
        ],
    )
    def test_a_token_that_no_header_can_hold(
        self, cloud: CloudApi, graph: Graph, ask: Callable[[CloudApi, Line], Any]
    ) -> None:
        """Is refused without a request, and without its text."""
        odd = Line(phone_number_id="1", waba_id="1", access_token="EAAx\r\nX-Evil: ñ", api_version="v24.0")
        with pytest.raises(ProviderFault) as raised:
            ask(cloud, odd)
        assert graph.asked == []
        assert "Evil" not in str(raised.value)
