"""The thread that feeds sinks: it looks who has something to do, and lets each of them do it in a thread of its own.

So a receiver that is slow keeps nobody waiting but itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from whodid.errors import StoreError
from whodid.log import Log, Worker
from whodid.sinks.delivery import Turn, due
from whodid.sinks.health import Health, healths
from whodid.sinks.position import read_position
from whodid.sinks.settings import Sink, read_sinks

__all__ = ["SinkWorker"]

_ALL_EVERY = 10


class SinkWorker(Worker):
    """Feed the sinks of all workspaces, soon after entries are recorded.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a sink is fed by one of
    them at a time.

    Args:
        log: The log whose sinks are fed.
        interval: Seconds between two looks at the workspaces that have sinks; the others are looked at in every tenth
            round.
        on_error: As for every `Worker`.
    """

    _name = "Sinks"
    _usual = 1.0

    def __init__(
        self, log: Log, *, interval: float | None = None, on_error: Callable[[str, Exception], None] | None = None
    ) -> None:
        super().__init__(log, interval=interval, on_error=on_error)
        self._rounds = 0
        self._fed: list[str] = []
        self._found: dict[str, list[Health]] = {}
        self._turns: dict[tuple[str, str], threading.Thread] = {}

    def round(self) -> int:
        """Begin a turn of every sink that has something to do and is in none.

        Returns:
            How many turns began.
        """
        begun = 0
        self._turns = {key: thread for key, thread in self._turns.items() if thread.is_alive()}
        with self._told(""):
            everywhere = self._rounds % _ALL_EVERY == 0
            self._rounds += 1
            before, fed = set(self._fed), []
            for workspace in self._log.workspaces() if everywhere else self._fed:
                # One that cannot be looked at has what it had.
                feeds = workspace in before
                with self._told(workspace):
                    sinks = read_sinks(self._log, workspace)
                    feeds = bool(sinks)
                    begun += sum(self._begin(workspace, sink) for sink in sinks)
                if feeds:
                    fed.append(workspace)
            self._fed = fed
        return begun

    def stop(self) -> None:
        """Finish the present deliveries and return when all threads have ended; idempotent."""
        super().stop()
        self.wait()

    def wait(self) -> None:
        """Return when every turn that began has ended."""
        for thread in self._turns.values():
            thread.join()

    def healths(self) -> list[Health]:
        """Return how every sink is, of the workspaces that had some when they were last looked at.

        While the store is away it is what was found before: whoever watches would take a sink that is not told of for
        one that is well.
        """
        found: dict[str, list[Health]] = {}
        try:
            for workspace in self._fed:
                found[workspace] = healths(self._log, workspace)
        except StoreError:
            found = {workspace: self._found.get(workspace, []) for workspace in self._fed}
        self._found = found
        return [health for one in found.values() for health in one]

    def _begin(self, workspace: str, sink: Sink) -> bool:
        if (workspace, sink.id) in self._turns:
            return False
        position = read_position(self._log, workspace, sink.id)
        if position is None or not due(self._log, workspace, sink, position):
            return False

        def turn() -> None:
            with self._told(workspace):
                Turn(self._log, workspace, sink, self._stopping.is_set).run()

        thread = threading.Thread(target=turn, name=f"whodid-sink-{sink.id}", daemon=True)
        self._turns[workspace, sink.id] = thread
        thread.start()
        return True
