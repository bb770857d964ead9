"""Panels of the Grafana dashboard.

Requests are added up over the API processes. All of them export the same jobs, home and models: `max` takes one value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_VERSION = "{{model}}@{{version}}"
_TRIAL = "{{model}}@{{challenger}}"
_PUBLIC = 'job="$job", route!~"/livez|/readyz|/metrics|/v2/health/.*"'


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        queries: PromQL by legend; legends contain labels in double braces.
        unit: name of a unit in Grafana.
        red_from: value from which a single figure is red, that of its alert.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Literal["stat", "timeseries", "table"] = "timeseries"
    description: str = ""
    red_from: float | None = None


def _stat(title: str, query: str, unit: str = "short", legend: str = "", red_from: float | None = None) -> Panel:
    return Panel(title, {legend: query}, unit, "stat", red_from=red_from)


def _table(title: str, query: str) -> Panel:
    return Panel(title, {"": query}, kind="table")


def _rate(title: str, label: str, selector: str) -> Panel:
    """Events per second by one label."""
    return Panel(title, {f"{{{{{label}}}}}": f"sum by ({label}) (rate({selector}[$__rate_interval]))"}, "cps")


def _gauge(title: str, legend: str, query: str, unit: str = "short", description: str = "") -> Panel:
    return Panel(title, {legend: query}, unit, description=description)


def _quantile(quantile: str, histogram: str, label: str) -> str:
    rate = f'rate({histogram}_bucket{{job="$job"}}[$__rate_interval])'
    return f"histogram_quantile({quantile}, sum by ({label}, le) ({rate}))"


_REQUESTS = (
    _stat("Requests per second", 'job:duet_requests:rate5m{job="$job"}', "cps"),
    _stat("Failed, last hour", 'job:duet_errors:ratio_rate1h{job="$job"}', "percentunit", red_from=0.0144),
    _stat("Refused (429)", 'job:duet_requests_refused:ratio_rate5m{job="$job"}', "percentunit", red_from=0.05),
    _stat("p99", 'job_model:duet_answer_seconds:p99_rate5m{job="$job"}', "s", "{{model}}", red_from=0.5),
    _stat("In progress", 'sum(duet_http_requests_in_progress{job="$job"})'),
    _stat("Instances", 'sum(up{job="$job"})'),
    _rate("Requests by status", "status", f"duet_http_requests_total{{{_PUBLIC}}}"),
    _rate("Requests by route", "route", f"duet_http_requests_total{{{_PUBLIC}}}"),
    Panel(
        "Burn rate of the error budget",
        {
            "1 hour": 'job:duet_errors:ratio_rate1h{job="$job"} / 0.001',
            "6 hours": 'job:duet_errors:ratio_rate6h{job="$job"} / 0.001',
            "1 day": 'job:duet_errors:ratio_rate1d{job="$job"} / 0.001',
            "3 days": 'job:duet_errors:ratio_rate3d{job="$job"} / 0.001',
        },
        description="At 1, the budget of 30 days (0.1 % of the requests) lasts for 30 days. Alerts: 14.4, 6, 3 and 1.",
    ),
    Panel(
        "Latency of predictions",
        {
            "{{model}} p50": _quantile("0.5", "duet_answer_seconds", "model"),
            "{{model}} p99": _quantile("0.99", "duet_answer_seconds", "model"),
        },
        "s",
    ),
    Panel(
        "Stages of predictions, p99",
        {
            "{{model}} decode": _quantile("0.99", "duet_decode_seconds", "model"),
            "{{model}} queue": _quantile("0.99", "duet_queue_seconds", "model"),
            "{{model}} inference": _quantile("0.99", "duet_inference_seconds", "model"),
        },
        "s",
    ),
    Panel(
        "Duration of requests, p99",
        {"{{route}}": _quantile("0.99", "duet_http_request_duration_seconds", "route")},
        "s",
    ),
    _rate("Problems by reason", "reason", 'duet_requests_rejected_total{job="$job"}'),
    _gauge("Images in queues", "{{model}}", 'sum by (model) (duet_queue_images{job="$job"})'),
    _gauge(
        "Images per model run",
        "{{model}}",
        'sum by (model) (rate(duet_batch_images_sum{job="$job"}[$__rate_interval]))'
        ' / sum by (model) (rate(duet_batch_images_count{job="$job"}[$__rate_interval]))',
    ),
    _rate("Images per second", "model", 'duet_images_total{job="$job"}'),
)
_MODELS = (
    _table("Champions", 'max by (model, version, precision, provider) (duet_champion_info{job="$job"})'),
    _table(
        "Execution providers",
        'max by (model, version, precision, provider, state) (duet_provider_info{job="$job"}) == 1',
    ),
    _gauge("Champions that cannot be loaded", _VERSION, 'max by (model, version) (duet_model_refused{job="$job"})'),
    _gauge(
        "Refused execution providers",
        _VERSION,
        'max by (model, version) (duet_champion_refused_providers{job="$job"})',
    ),
    _gauge(
        "Changes of champions", "{{model}} {{action}}", 'max by (model, action) (duet_promotions_total{job="$job"})'
    ),
    _gauge(
        "Time since the last change",
        "{{model}}",
        'time() - max by (model) (duet_promotion_timestamp_seconds{job="$job"})',
        "s",
    ),
    _gauge(
        "Loaded versions",
        f"{_VERSION} {{{{precision}}}}",
        'sum by (model, version, precision) (duet_model_info{job="$job"})',
        description="Number of instances.",
    ),
    _gauge("Releases", "{{version}}", 'count by (version) (duet_build_info{job="$job"})'),
)
_LIVE = (
    _gauge(
        "Accuracy",
        f"{_VERSION} {{{{bound}}}}",
        'max by (model, version, bound) (duet_live_accuracy{job="$job"})',
        "percentunit",
        "Estimate from labelled traffic, with an interval that holds at every look.",
    ),
    _gauge("Labelled images", _VERSION, 'max by (model, version) (duet_live_labelled_images{job="$job"})'),
    _gauge(
        "Evidence of change",
        f"{_VERSION} {{{{test}}}}",
        'max by (model, version, test) (duet_live_evidence{job="$job"})',
        description="1 is none.",
    ),
    _gauge("Alarms", f"{_VERSION} {{{{test}}}}", 'max by (model, version, test) (duet_live_alarm{job="$job"})'),
    _gauge(
        "Class mix",
        f"{_VERSION} {{{{class}}}}",
        'max by (model, version, class) (duet_live_class_share{job="$job"})',
        "percentunit",
    ),
    _gauge("Mean confidence", _VERSION, 'max by (model, version) (duet_live_confidence{job="$job"})', "percentunit"),
    _gauge("Mean size of prediction sets", _VERSION, 'max by (model, version) (duet_live_set_size{job="$job"})'),
    _gauge(
        "Flagged as out of distribution",
        _VERSION,
        'max by (model, version) (duet_live_flag_share{job="$job"})',
        "percentunit",
    ),
    _gauge(
        "Disagreement",
        "{{first}}, {{second}}",
        'max by (first, second) (duet_live_disagreement_share{job="$job"})',
        "percentunit",
    ),
    _gauge("Recent images", _VERSION, 'max by (model, version) (duet_live_images{job="$job"})'),
    Panel(
        "Accuracy estimated without labels",
        {
            _VERSION: 'max by (model, version) (duet_live_label_free_accuracy{job="$job"})',
            f"{_VERSION} error": 'max by (model, version) (duet_live_label_free_error{job="$job"})',
        },
        "percentunit",
        description="Empty without an estimate; the live page has the reason.",
    ),
    _rate("Captured images", "outcome", 'duet_captured_records_total{job="$job"}'),
)
_SHADOW = (
    _gauge("Running trials", _TRIAL, 'max by (model, champion, challenger) (duet_shadow_running{job="$job"})'),
    _gauge(
        "Images by outcome",
        f"{_TRIAL} {{{{outcome}}}}",
        'max by (model, champion, challenger, outcome) (duet_shadow_images{job="$job"})',
    ),
    _gauge(
        "Evidence",
        f"{_TRIAL} {{{{better}}}}",
        'max by (model, champion, challenger, better) (duet_shadow_evidence{job="$job"})',
        description="That the challenger or the champion is better; 40 is decisive.",
    ),
)
_JOBS = (
    _gauge("Queued jobs", "{{kind}}", 'job_kind_state:duet_jobs:max{job="$job", state="queued"}'),
    _gauge("Oldest queued job", "{{kind}}", 'job_kind:duet_jobs_oldest_queued_seconds:max{job="$job"}', "s"),
    _gauge("Running jobs", "{{kind}}", 'job_kind_state:duet_jobs:max{job="$job", state="running"}'),
    _gauge("Ended jobs, last hour", "{{kind}} {{state}}", 'job_kind_state:duet_jobs_ended:increase1h{job="$job"}'),
    Panel(
        "Duration of jobs, last day",
        {
            "{{kind}} mean": 'max by (kind) (increase(duet_job_duration_seconds_sum{job="$job"}[1d]))'
            ' / max by (kind) (increase(duet_job_duration_seconds_count{job="$job"}[1d]))',
            "{{kind}} p90": "histogram_quantile(0.9, "
            'max by (kind, le) (increase(duet_job_duration_seconds_bucket{job="$job"}[1d])))',
        },
        "s",
    ),
    _gauge(
        "Expired leases",
        "{{kind}}",
        'job_kind:duet_jobs_lease_overdue_seconds:max{job="$job"}',
        "s",
        "Time since the lease of a running job expired.",
    ),
    _gauge("Workers", "{{kind}} {{state}}", 'job_kind_state:duet_workers:max{job="$job"}'),
    _gauge(
        "Age of heartbeats",
        "{{worker}}",
        'max by (worker) (duet_worker_heartbeat_age_seconds{job="$job"})',
        "s",
        "A worker without a heartbeat for 10 s counts as dead; it is listed for 15 minutes.",
    ),
    Panel(
        "Places of workers",
        {
            "places": 'sum(max by (worker) (duet_worker_slots{job="$job"}))',
            "running jobs": 'sum(max by (worker) (duet_worker_running{job="$job"}))',
        },
    ),
    _gauge("Broker up", "{{instance}}", 'duet_broker_up{job="$job"}'),
    _gauge("Response time of the broker", "{{instance}}", 'duet_broker_response_seconds{job="$job"}', "s"),
    _gauge("Memory of the broker", "used", 'max(duet_broker_memory_bytes{job="$job"})', "bytes"),
    _rate("Webhook attempts", "outcome", 'duet_webhook_attempts_total{job="$job"}'),
)
_HOME = (
    Panel(
        "Disk",
        {
            "free": 'job:duet_home_free_bytes:min{job="$job"}',
            "reserve": 'job:duet_home_reserved_bytes:max{job="$job"}',
            "size": 'max(duet_home_size_bytes{job="$job"})',
        },
        "bytes",
        description="Jobs and uploads leave the reserve free.",
    ),
    _gauge("Stored", "{{kind}}", 'max by (kind) (duet_stored_bytes{job="$job"})', "bytes"),
    _gauge("Used quotas", "{{kind}}", 'job_kind:duet_quota_used:ratio{job="$job"}', "percentunit"),
    _gauge("Data sets", "data sets", 'max(duet_datasets{job="$job"})'),
)
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("Requests", _REQUESTS),
    ("Models", _MODELS),
    ("Live traffic", _LIVE),
    ("Shadow trials", _SHADOW),
    ("Jobs and workers", _JOBS),
    ("Home", _HOME),
)
