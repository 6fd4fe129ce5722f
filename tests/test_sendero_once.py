"""Each person at most once: crashes between the mark and the answer, lost answers, several senders."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from sendero.service import delivery, sender
from sendero.tables import Message
from sendero.whatsapp.provider import Outgoing
from tests.campaigning import Told, acting_on, counted, messages, now, send, started
from tests.lumen import Lumen, lumen

__all__ = ["lumen"]

ROOT = Path(__file__).resolve().parent.parent
DOOMED = """
import os, sys
from pathlib import Path
from sendero.installation import Installation, Settings
from sendero.service import sender
from datetime import UTC, datetime

class Doomed:
    sent = 0
    def send(self, line, message):
        self.sent += 1
        if self.sent == 4:
            os._exit(9)  # as kill -9 would, between the mark and the answer
        print(message.reference, flush=True)
        return f"wamid.{message.reference}"

home = Installation(Settings(data=Path(sys.argv[1])), clock=lambda: datetime.fromisoformat(sys.argv[2]))
home.provider = Doomed()
sender.turn(home)
"""


class TestAtMostOnce:
    """Crashes, lost answers and several senders."""

    def test_killed_between_the_mark_and_the_answer(self, lumen: Lumen) -> None:
        """The message in the air is never sent again; its fate is unknown, and counted so."""
        made = started(lumen, many=8)
        lumen.advance(seconds=1)
        done = subprocess.run(
            [sys.executable, "-c", DOOMED, str(lumen.home.settings.data), lumen.now.isoformat()],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        )
        assert done.returncode == 9, done.stderr
        before = set(done.stdout.split())
        assert len(before) == 3
        (lost,) = [key for key, status in messages(lumen, made).items() if status == "sending"]

        lumen.home.provider = provider = Told()
        send(lumen, turns=8)
        after = {message.reference for message in provider.sent}
        assert len(after) == 4
        assert not after & (before | {lost})
        assert now(lumen, made).status == "running"  # somebody could still be sending it
        lumen.advance(minutes=6)
        sender.give_up(lumen.home)
        send(lumen)

        assert messages(lumen, made)[lost] == "unknown"
        assert counted(now(lumen, made)) == {"audience": 8, "sent": 7, "unknown": 1}
        assert lumen.entry().details == {"sent": 7, "delivered": 0, "read": 0, "failed": 0, "unknown": 1}
        page = lumen.signed_in("Agent").get(f"/campaigns/{made.id}").text
        assert "never gets it twice" in page

    def test_a_notice_clears_up_what_was_unknown(self, lumen: Lumen) -> None:
        """WhatsApp delivered it after all."""
        made = started(lumen, many=1)
        lumen.home.provider = provider = Told()
        provider.refuse(0, text="no answer")
        sender.turn(lumen.home)
        (key,) = messages(lumen, made)
        assert counted(now(lumen, made)) == {"audience": 1, "unknown": 1}
        with lumen.working() as work:
            assert delivery.noted(work, key, "delivered", None, lumen.now)
        assert counted(now(lumen, made)) == {"audience": 1, "sent": 1, "delivered": 1}

    def test_no_answer_is_not_asked_twice(self, lumen: Lumen) -> None:
        """And the sender waits longer each time, so that an outage costs few messages."""
        made = started(lumen, many=8)
        lumen.home.provider = provider = Told()
        provider.refuse(0, text="no answer", at=(1, 2, 3))
        waits = []
        for _ in range(3):
            sender.turn(lumen.home)
            due = now(lumen, made).next_batch_at
            assert due is not None
            waits.append((due - lumen.now).total_seconds() // 1)
            lumen.now = due
        assert waits == [10, 20, 40]
        send(lumen)
        assert counted(now(lumen, made)) == {"audience": 8, "sent": 5, "unknown": 3}
        assert len(provider.sent) == 5

    def test_two_senders(self, lumen: Lumen) -> None:
        """They share the work; nobody gets two."""
        made = started(lumen, many=60, rate_per_minute="6000")
        lumen.home.provider = provider = Told()
        faults: list[Exception] = []

        def work() -> None:
            try:
                for _ in range(30):
                    sender.turn(lumen.home)
                    lumen.advance(seconds=1)
            except Exception as fault:  # noqa: BLE001 - told below
                faults.append(fault)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        assert Counter(message.to for message in provider.sent) == Counter(f"+346000{n:05}" for n in range(60))
        assert counted(now(lumen, made)) == {"audience": 60, "sent": 60}
        assert [entry.action for entry in lumen.entries()] == ["campaign.completed"]

    def test_two_senders_with_the_same_batch(self, lumen: Lumen) -> None:
        """Even if both have taken the same messages, one sends each."""
        made = started(lumen, many=6)
        provider = Told()
        with acting_on(lumen, made) as (work, found):
            batch = sender._batch(work, found)
        assert batch is not None
        assert len(batch.keys) == 6
        inside: list[bool] = []

        def meanwhile(message: Outgoing) -> None:
            if not inside:
                inside.append(True)
                for key in batch.keys:
                    sender._send(lumen.home, provider, batch, key)

        provider.answers = meanwhile
        for key in batch.keys:
            sender._send(lumen.home, provider, batch, key)
        assert len({message.to for message in provider.sent}) == len(provider.sent) == 6

    def test_the_answer_after_the_notice(self, lumen: Lumen) -> None:
        """A notice that is quicker than the answer counts once, and the answer's id is kept."""
        made = started(lumen, many=1)

        def quick(message: Outgoing) -> None:
            with lumen.working() as work:
                delivery.noted(work, message.reference, "delivered", None, lumen.now)

        lumen.home.provider = provider = Told(quick)
        sender.turn(lumen.home)
        assert counted(now(lumen, made)) == {"audience": 1, "sent": 1, "delivered": 1}
        found = lumen.row(Message, campaign_id=made.id)
        assert (found.status, found.provider_id) == ("delivered", f"wamid.1.{found.id}")
        assert len(provider.sent) == 1
