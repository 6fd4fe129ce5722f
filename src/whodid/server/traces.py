"""Spans for OpenTelemetry, where its API is installed and an application set it up; otherwise nothing happens.

The only file that imports opentelemetry. Spans are made by hand where time goes: the request, reading events, the
commit, and a question to the log. They carry patterns of addresses, statuses and counts, and nothing that names a
person or a workspace. What a caller sends as `traceparent` (W3C Trace Context) is heeded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Span", "Tracer"]

_CARRIED = (b"traceparent", b"tracestate")

Facts = Mapping[str, str | int]


class Span:
    """One stretch of time that is being measured."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def tell(self, facts: Facts, *, failed: bool = False) -> None:
        """Add facts, and whether it went wrong."""
        if self._span is not None:
            self._span.set_attributes(dict(facts))
            if failed:
                from opentelemetry.trace import Status, StatusCode

                self._span.set_status(Status(StatusCode.ERROR))

    def named(self, name: str) -> None:
        """Give it a name that was not known when it began."""
        if self._span is not None:
            self._span.update_name(name)


_NOTHING = Span()


class Tracer:
    """Makes spans.

    Args:
        provider: An OpenTelemetry TracerProvider; the one that the process set up when not given.
    """

    def __init__(self, provider: Any = None) -> None:
        self._tracer: Any = None
        try:
            # The name `opentelemetry` alone proves nothing: what the extra `otlp` brings is below it as well.
            from opentelemetry.trace import get_tracer
        except ImportError:
            return
        self._tracer = get_tracer("whodid", tracer_provider=provider)

    @contextmanager
    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Span]:
        """Measure a request, as a part of what its `traceparent` names."""
        if self._tracer is None:
            yield _NOTHING
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carried = {name.decode(): value.decode("latin-1") for name, value in headers if name in _CARRIED}
        context = TraceContextTextMapPropagator().extract(carried)
        with self._started(method, context=context, kind=SpanKind.SERVER) as span:
            yield span

    @contextmanager
    def span(self, name: str, facts: Callable[[], Facts] = dict) -> Iterator[Span]:
        """Measure a part of the work at hand."""
        if self._tracer is None:
            yield _NOTHING
            return
        with self._started(name, attributes=dict(facts())) as span:
            yield span

    @contextmanager
    def _started(self, name: str, **more: Any) -> Iterator[Span]:
        # The texts of exceptions may hold what somebody sent: they are no part of a trace.
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **more
        ) as span:
            yield Span(span)
