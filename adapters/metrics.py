"""What Prometheus reads at `/metrics`: every event that Nod counts, and the families of `FAMILIES`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

#: Series of one family; what has further label values is counted under `OTHER`.
MOST_SERIES, OTHER = 200, "other"
#: Seconds: from an acknowledgement to the longest wait of a person.
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 120, 300, 900, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric: what it says, its labels, and of a histogram the upper ends of its buckets."""

    kind: type[Counter | Gauge | Histogram]
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS

    def made(self, name: str, registry: CollectorRegistry) -> MetricWrapperBase:
        """The metric in this registry, under `nod_<name>`."""
        more: dict[str, Any] = {"buckets": self.buckets} if self.kind is Histogram else {}
        return self.kind(f"nod_{name}", self.about, self.labels, registry=registry, **more)


#: By the name that the code gives (docs/metrics.md); what is not here is an event, and counted in
#: `nod_events_total` alone.
FAMILIES: Mapping[str, Family] = {
    "pending": Family(
        kind=Gauge,
        about="Open requests that wait for people.",
        labels=("source", "route"),
    ),
    "time_to_card_seconds": Family(kind=Histogram, about="From a request's first poll to its card."),
    "time_to_decision_seconds": Family(
        kind=Histogram,
        about="From a request's first poll to its decision.",
        labels=("route", "decision"),
    ),
    "click_ack_seconds": Family(
        kind=Histogram, about="From a click's arrival to its answer, when it is saved.", labels=("chat",)
    ),
    "click_to_source_seconds": Family(
        kind=Histogram, about="From a decision to the platform's receipt.", labels=("source",)
    ),
    "outcomes": Family(kind=Counter, about="Requests that ended.", labels=("route", "outcome")),
    "escalations": Family(kind=Counter, about="Escalation steps that ran.", labels=("step",)),
    "refusals": Family(kind=Counter, about="Clicks that were refused.", labels=("code",)),
    "deliveries": Family(
        kind=Counter, about="Decisions sent, by how the POST ended.", labels=("source", "result")
    ),
    "polls": Family(kind=Counter, about="Polls, by how they ended.", labels=("source", "result")),
    "last_good_poll_timestamp_seconds": Family(
        kind=Gauge, about="When the last good poll began, in Unix time.", labels=("source",)
    ),
    "build_info": Family(kind=Gauge, about="1, with the version that runs.", labels=("version",)),
}
_EVENTS = "events"


class PrometheusMetrics:
    """Implements `bot.ports.Metrics` with a registry of its own."""

    def __init__(
        self, families: Mapping[str, Family] = FAMILIES, *, most: int = MOST_SERIES, process: bool = False
    ) -> None:
        """At most `most` series of each family. `process`: with CPU, memory and descriptors of this process."""
        events = Family(kind=Counter, about="What happened, by event.", labels=("event",))
        self._registry, self._most = CollectorRegistry(), most
        self._families = {
            name: family.made(name, self._registry) for name, family in {_EVENTS: events, **families}.items()
        }
        if process:
            ProcessCollector(registry=self._registry)
        self._series: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)

    def count(self, name: str, **labels: str) -> None:
        if name in self._families:
            self._one(name, labels).inc()
        else:
            self._one(_EVENTS, {"event": name}).inc()

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Raises KeyError for a name that is not in the table, as `gauge` does."""
        self._one(name, labels).observe(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Series beyond the bound are left out: under `other` each would replace the one before."""
        if self._has_room(name, labels):
            self._one(name, labels).set(value)

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _one(self, name: str, labels: Mapping[str, str]) -> Any:
        family = self._families[name]
        if self._has_room(name, labels):
            self._series[name].add(tuple(labels.values()))
        else:
            labels = dict.fromkeys(labels, OTHER)
        return family.labels(**labels) if labels else family

    def _has_room(self, name: str, labels: Mapping[str, str]) -> bool:
        known = self._series[name]
        return tuple(labels.values()) in known or len(known) < self._most
