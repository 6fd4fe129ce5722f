"""Metrics for Prometheus: a meter that keeps counts in a registry of its own, and the page that shows them.

The only file that imports prometheus_client. Labels are patterns of addresses, statuses, names of classes and ids of
sinks: their number is bounded, and none of them tells of a workspace or a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from whodid.errors import InvalidSetting, StoreCorrupt, StoreFull, StoreMoved, StoreUnavailable, StoreVersion
from whodid.log import ReplicaReport
from whodid.server.meter import Fate, Level, Limit, Meter
from whodid.server.signing import check_secret, same
from whodid.sinks import Health

__all__ = ["MEDIA_TYPE", "PrometheusMeter"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_LEVELS: dict[Level, str] = {
    "events_waiting": "Events of requests that wait for their turn to be written.",
    "events_inside": "Requests under way that send events.",
    "requests_inside": "Requests under way that work on the store, or wait to.",
    "streams": "Live streams that are open.",
    "syslog_connections": "Connections of syslog senders that are open.",
    "events_spooled": "Events that were accepted and wait on the disk for the store.",
    "spool_age_seconds": "How long the oldest of them has waited.",
    "spool_bytes": "What the spool takes on the disk.",
    "logs_unsigned": "Logs that sign nothing, or are gone: the database is older than what was signed.",
}

_SINKS: dict[str, tuple[str, Callable[[Health], float]]] = {
    "behind": ("Entries of the log that are still to be looked at.", lambda one: one.behind),
    "lag_seconds": ("Age of the first of them; 0 when there are none.", lambda one: one.lag),
    "silence_seconds": (
        "Since it last took anything, signs of life included; before that, the age of the first entry that waits.",
        lambda one: one.lag if one.silence is None else one.silence,
    ),
    "paused_seconds": ("Since it paused; 0 when it did not.", lambda one: one.paused or 0.0),
    "failed_deliveries": ("Deliveries in a row that failed.", lambda one: one.position.attempts),
    "delivered": ("Entries that it took.", lambda one: one.position.delivered),
    "refused": ("Entries that it refuses for good.", lambda one: one.position.refused),
    "quarantined": ("Of those, the ones in quarantine.", lambda one: len(one.position.quarantine)),
    "purged": ("Entries that were purged before their turn.", lambda one: one.position.purged),
}
_COUNTED = frozenset({"delivered", "purged"})


class PrometheusMeter(Meter):
    """Keep counts.

    Args:
        token: At least 32 bytes; opens the page. Prometheus sends it with `authorization: credentials_file`.

    Raises:
        InvalidSetting: The token is too short, or the extra `metrics` is not installed.
    """

    def __init__(self, token: bytes) -> None:
        self._token = check_secret(token)
        try:
            import prometheus_client as prometheus
            from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
        except ImportError:
            raise InvalidSetting(
                "Metrics need prometheus-client, which is not installed", "Run: pip install 'whodid[metrics]'"
            ) from None
        self._prometheus: Any = prometheus
        self._family: Any = GaugeMetricFamily
        self._counts: Any = CounterMetricFamily
        # Its own registry: what a host counts is the host's, and two applications in one process do not collide.
        self._registry = prometheus.CollectorRegistry()

        def made(kind: Any, name: str, text: str, *labels: str, **more: Any) -> Any:
            return kind(f"whodid_{name}", text, labels, registry=self._registry, **more)

        counter, histogram, gauge = prometheus.Counter, prometheus.Histogram, prometheus.Gauge
        self._answers = made(counter, "http_requests", "Answers.", "route", "method", "status")
        self._seconds = made(
            histogram,
            "http_request_seconds",
            "From a request to the first byte of its answer.",
            "route",
            "method",
            buckets=_SECONDS,
        )
        self._events = made(counter, "events", "Events that were sent, by what became of them.", "fate")
        self._limited = made(
            counter, "rate_limited", "Requests that were refused because their key or viewer is too fast.", "limit"
        )
        self._commit = made(
            histogram, "commit_seconds", "How long it took to make events durable together.", buckets=_SECONDS
        )
        self._sizes = made(histogram, "commit_events", "How many events were made durable together.", buckets=_SIZES)
        self._errors = made(counter, "store_errors", "Failures of the store.", "error")
        self._exports = made(counter, "exports", "Jobs of exports that came to an end.", "outcome")
        self._export_seconds = made(
            histogram, "export_seconds", "How long it took to make a file.", buckets=(0.1, 1.0, 10.0, 60.0, 600.0)
        )
        self._exported = made(counter, "exported_entries", "Entries in the files of finished exports.")
        self._purged = made(counter, "purged_entries", "Entries that lost their content to retention.")
        self._rounds = made(counter, "purge_rounds", "Rounds of retention over all workspaces.")
        self._round_at = made(gauge, "purge_round_timestamp_seconds", "When the last round of retention ended.")
        self._purge_errors = made(counter, "purge_errors", "Workspaces whose retention failed.")
        self._sealed = made(counter, "sealed_segments", "Segments that were sealed.")
        self._seal_errors = made(counter, "seal_errors", "Workspaces whose segments could not be sealed.")
        self._findings = made(counter, "findings", "Findings of the rules of detection.")
        self._looked_at = made(gauge, "detection_round_timestamp_seconds", "When the last round of detection ended.")
        self._detection_errors = made(counter, "detection_errors", "Workspaces in which detection, or a rule, failed.")
        self._levels = {name: made(gauge, name, text) for name, text in _LEVELS.items()}
        # Shown before the first one: what appears with a value is no increase to whoever watches for one.
        for fate in ("recorded", "known", "refused"):
            self._events.labels(fate)
        for limit in ("read", "write"):
            self._limited.labels(limit)
        for error in (StoreUnavailable, StoreFull, StoreCorrupt, StoreVersion, StoreMoved):
            self._errors.labels(error.__name__)
        for outcome in ("ready", "failed"):
            self._exports.labels(outcome)
        for status in (200, 201, 429, 503):
            self._answers.labels("/v1/events", "POST", status)
        self._process()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count the answer and its time."""
        self._answers.labels(route, method, status).inc()
        self._seconds.labels(route, method).observe(seconds)

    def events(self, fate: Fate, count: int) -> None:
        """Count events."""
        if count:
            self._events.labels(fate).inc(count)

    def limited(self, limit: Limit) -> None:
        """Count a refusal."""
        self._limited.labels(limit).inc()

    def committed(self, count: int, seconds: float) -> None:
        """Count a commit."""
        self._commit.observe(seconds)
        self._sizes.observe(count)

    def store_failed(self, error: str) -> None:
        """Count a failure."""
        self._errors.labels(error).inc()

    def exported(self, outcome: str, count: int, seconds: float) -> None:
        """Count an export."""
        self._exports.labels(outcome).inc()
        if outcome == "ready":
            self._exported.inc(count)
            self._export_seconds.observe(seconds)

    def purged(self, entries: int) -> None:
        """Count a round."""
        self._rounds.inc()
        self._purged.inc(entries)
        self._round_at.set_to_current_time()

    def purge_failed(self) -> None:
        """Count a failure."""
        self._purge_errors.inc()

    def sealed(self, segments: int) -> None:
        """Count segments."""
        self._sealed.inc(segments)

    def seal_failed(self) -> None:
        """Count a failure."""
        self._seal_errors.inc()

    def detected(self, findings: int) -> None:
        """Count a round."""
        self._findings.inc(findings)
        self._looked_at.set_to_current_time()

    def detection_failed(self) -> None:
        """Count a failure."""
        self._detection_errors.inc()

    def watch(self, level: Level, read: Callable[[], float]) -> None:
        """Read it whenever the page is asked for."""
        self._levels[level].set_function(read)

    def watch_sinks(self, read: Callable[[], list[Health]]) -> None:
        """Read it whenever the page is asked for."""
        gauge, counter = self._family, self._counts

        class Fed:
            def describe(self) -> list[Any]:
                """Say that nothing is known before the page is asked for."""
                return []

            def collect(self) -> Iterator[Any]:
                healths = read()
                for name, (text, value) in _SINKS.items():
                    family = (counter if name in _COUNTED else gauge)(
                        f"whodid_sink_{name}", text, labels=["sink", "kind"]
                    )
                    for one in healths:
                        family.add_metric([one.sink.id, one.sink.kind], value(one))
                    yield family

        self._registry.register(Fed())

    def watch_replicas(self, read: Callable[[], ReplicaReport]) -> None:
        """Read it whenever the page is asked for; nothing is shown where there are no replicas."""
        gauge, counter = self._family, self._counts

        class Copies:
            def describe(self) -> list[Any]:
                """Say that nothing is known before the page is asked for."""
                return []

            def collect(self) -> Iterator[Any]:
                report = read()
                if not report.replicas:
                    return
                up = gauge("whodid_replica_up", "1 while it answers reads, 0 while it is left out.", labels=["replica"])
                behind = gauge(
                    "whodid_replica_behind_seconds",
                    "Since the primary had what the replica shows; not there where that is not known.",
                    labels=["replica"],
                )
                reads = counter("whodid_replica_reads", "Reads that it answered.", labels=["replica"])
                for number, one in enumerate(report.replicas, start=1):
                    up.add_metric([str(number)], one.standing == "ok")
                    if one.behind is not None:
                        behind.add_metric([str(number)], one.behind)
                    reads.add_metric([str(number)], one.answered)
                yield from (up, behind, reads)
                elsewhere = "Reads for replicas that the primary answered: none was new enough, or none was there."
                yield counter("whodid_replica_reads_elsewhere", elsewhere, value=report.elsewhere)

        self._registry.register(Copies())

    def watch_exports(self, read: Callable[[], dict[str, int]]) -> None:
        """Read it whenever the page is asked for."""
        made = self._family

        class Jobs:
            def collect(self) -> Iterator[Any]:
                family = made("whodid_export_jobs", "Jobs of exports by their state.", labels=["state"])
                for state, count in read().items():
                    family.add_metric([state], count)
                yield family

        self._registry.register(Jobs())

    def opens(self, shown: str) -> bool:
        """Tell whether a text is the token."""
        return same(shown.encode("utf-8", "surrogatepass"), self._token)

    def page(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        page: bytes = self._prometheus.generate_latest(self._registry)
        return page

    def _process(self) -> None:
        """Add what the process takes: memory, files, processor time; where the system tells."""
        self._prometheus.ProcessCollector(registry=self._registry)
        self._prometheus.GCCollector(registry=self._registry)
