"""What Prometheus reads: events by name as before, and families with bounded labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from adapters.metrics import OTHER, Family, PrometheusMetrics

FAMILIES = {
    "refusals": Family(kind=Counter, about="Clicks that were refused.", labels=("code",)),
    "pending": Family(kind=Gauge, about="Requests that wait.", labels=("source", "route")),
    "click_ack_seconds": Family(kind=Histogram, about="From a click to its ack.", buckets=(0.1, 1)),
}


def read(metrics: PrometheusMetrics) -> list[str]:
    lines = metrics.exposition()[0].decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line]


def test_events_are_counted_under_the_name_that_dashboards_know() -> None:
    metrics = PrometheusMetrics({})
    for event in ("card_shown", "card_shown", "poll_failed"):
        metrics.count(event)

    assert [
        'nod_events_total{event="card_shown"} 2.0',
        'nod_events_total{event="poll_failed"} 1.0',
    ] == read(metrics)


def test_counters_gauges_and_histograms_are_rendered_with_their_labels() -> None:
    metrics = PrometheusMetrics(FAMILIES)
    metrics.count("refusals", code="not_yours")
    metrics.gauge("pending", 3, source="glaip", route="payments")
    metrics.gauge("pending", 2, source="glaip", route="payments")
    metrics.observe("click_ack_seconds", 0.5)

    assert [
        'nod_refusals_total{code="not_yours"} 1.0',
        'nod_pending{route="payments",source="glaip"} 2.0',
        'nod_click_ack_seconds_bucket{le="0.1"} 0.0',
        'nod_click_ack_seconds_bucket{le="1.0"} 1.0',
        'nod_click_ack_seconds_bucket{le="+Inf"} 1.0',
        "nod_click_ack_seconds_count 1.0",
        "nod_click_ack_seconds_sum 0.5",
    ] == read(metrics)


def test_label_values_are_bounded() -> None:
    """A scrape stays small, whatever an agent calls its tools."""
    metrics = PrometheusMetrics(FAMILIES, most=2)
    for code in ("a", "b", "c", "d", "a"):
        metrics.count("refusals", code=code)

    found = read(metrics)[:3]
    assert [
        f'nod_refusals_total{{code="{code}"}} {count}' for code, count in (("a", 2.0), ("b", 1.0), (OTHER, 2.0))
    ] == found


def test_a_gauge_beyond_the_bound_is_left_out() -> None:
    """Under one label value each route would replace what the one before showed."""
    metrics = PrometheusMetrics(FAMILIES, most=2)
    for route, value in (("a", 1), ("b", 2), ("c", 7), ("a", 3)):
        metrics.gauge("pending", value, source="glaip", route=route)

    assert ['nod_pending{route="a",source="glaip"} 3.0', 'nod_pending{route="b",source="glaip"} 2.0'] == [
        line for line in read(metrics) if line.startswith("nod_pending")
    ]
