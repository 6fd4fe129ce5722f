"""Tasks of Celery: who published one is who acts in it. This is the only file that imports Celery.

    propagation = Propagation(key, counts=capture.counts)
    install(app, propagation)  # where tasks are published, and where they run

A message carries the signed header of `whodid.capture.propagate`, bound to the id of its task. It is written again
with every retry, callback and member of a chain, group or chord. What the schedule publishes is done by the scheduler.
A task that is called eagerly runs inside the scope of its caller.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery, signals

from whodid.capture.context import context
from whodid.capture.propagate import HEADER, Propagation
from whodid.model import Actor

__all__ = ["Installed", "install"]

_SCHEDULER = Actor(type="scheduler", id="celery-beat", name="Celery beat")
_STACK = "whodid_scope_stack"

_known: WeakKeyDictionary[Celery, Installed] = WeakKeyDictionary()


class Installed:
    """The handlers of an application's signals; see `install`."""

    def __init__(self, app: Celery, propagation: Propagation, scheduler: Actor, workspace: str | None) -> None:
        self._app = app
        self._propagation = propagation
        self._scheduler = scheduler
        self._workspace = workspace
        self._handlers = (
            (signals.before_task_publish, self._publishing),
            (signals.task_prerun, self._beginning),
            (signals.task_postrun, self._ended),
            (signals.beat_init, self._scheduling),
            (signals.beat_embedded_init, self._scheduling),
        )
        for signal, handler in self._handlers:
            signal.connect(handler, weak=False)

    def remove(self) -> None:
        """Take the handlers away; tasks run as if they had never been there."""
        for signal, handler in self._handlers:
            signal.disconnect(handler)
        _known.pop(self._app, None)

    def _publishing(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        if headers is None:
            return
        headers.pop(HEADER, None)  # a retry carries the headers of the first message
        headers.update(self._propagation.inject(str(headers.get("id", ""))))

    def _beginning(self, task_id: str, task: Any, **_: Any) -> None:
        if task.app is not self._app:
            return
        request = task.request
        about = {"name": task.name[:200], "id": task_id, "retries": request.retries or 0}
        stack = ExitStack()
        if request.is_eager:
            stack.enter_context(context(source="job", details={"task": about}))
        else:
            carried = request.get(HEADER)
            headers = {} if carried is None else {HEADER: carried}
            stack.enter_context(self._propagation.extract(headers, task_id, details={"task": about}))
        setattr(request, _STACK, stack)

    def _ended(self, task: Any, **_: Any) -> None:
        stack = getattr(task.request, _STACK, None)
        if stack is not None and task.app is self._app:
            delattr(task.request, _STACK)
            stack.close()

    def _scheduling(self, **_: Any) -> None:
        # The signal is sent in the thread that publishes what is due, and the scope stays for as long as it does.
        context(actor=self._scheduler, source="job", workspace=self._workspace).__enter__()


def install(
    app: Celery, propagation: Propagation, *, scheduler: Actor = _SCHEDULER, workspace: str | None = None
) -> Installed:
    """Carry who acts through the tasks of an application; installing it again changes nothing.

    Args:
        app: The application, in the processes that publish and in the workers.
        propagation: Its key is the same in all of them.
        scheduler: Who acts in tasks that the schedule publishes.
        workspace: In which workspace these act, when it is one and the same.

    Returns:
        What removes it again.
    """
    known = _known.get(app)
    if known is None:
        known = _known[app] = Installed(app, propagation, scheduler, workspace)
    return known
