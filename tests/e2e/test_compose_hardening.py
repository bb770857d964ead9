"""Hardening of the containers: privileges as reported by the engine and as tested from inside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.compose import SERVICES, Stack, why_not

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

MIB = 1024 * 1024
MEMORY_MIB = {"proxy": 256, "api": 2048, "worker": 6144, "redis": 512}
GRACE_SECONDS = {"proxy": 40, "api": 40, "worker": 40, "redis": 30}
USER = {"proxy": "10001:10001", "api": "10001:10001", "worker": "10001:10001", "redis": "redis"}
# On volumes, in memory, and nowhere else.
WRITABLE = {
    "proxy": [],
    "api": ["/tmp", "/var/lib/duet"],
    "worker": ["/tmp", "/var/lib/duet", "/var/lib/duet-data"],
    "redis": ["/tmp", "/data"],
}


@pytest.fixture(scope="module")
def inspected(stack: Stack) -> dict[str, dict[str, Any]]:
    return {service: stack.inspect(service) for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_is_nobody_in_particular_and_may_do_nothing_more(
    service: str, stack: Stack, inspected: dict[str, dict[str, Any]]
) -> None:
    host = inspected[service]["HostConfig"]
    assert inspected[service]["Config"]["User"] == USER[service]
    code, user = stack.inside(service, "id", "-u")
    assert code == 0
    assert int(user) > 0
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    status = stack.inside(service, "cat", "/proc/1/status")[1]
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("service", SERVICES)
def test_writes_to_its_volumes_and_to_memory_alone(
    service: str, stack: Stack, inspected: dict[str, dict[str, Any]]
) -> None:
    assert inspected[service]["HostConfig"]["ReadonlyRootfs"] is True
    for place in WRITABLE[service]:
        assert stack.inside(service, "touch", f"{place}/scratch") == (0, "")
        assert stack.inside(service, "rm", f"{place}/scratch") == (0, "")
    for place in ("/usr/local", "/etc", "/var/tmp"):
        code, output = stack.inside(service, "touch", f"{place}/written")
        assert code != 0
        assert "Read-only file system" in output


def test_the_state_is_its_owners_alone(stack: Stack) -> None:
    assert stack.in_api("stat", "--format=%u %a", "/var/lib/duet") == (0, "10001 700\n")


@pytest.mark.parametrize(("service", "mib"), [("api", 64), ("worker", 1024), ("redis", 16)])
def test_memory_that_passes_for_files_is_bounded(
    service: str, mib: int, stack: Stack, inspected: dict[str, dict[str, Any]]
) -> None:
    assert list(inspected[service]["HostConfig"]["Tmpfs"]) == ["/tmp"]
    code, output = stack.inside(service, "stat", "--file-system", "--format=%T %b %S", "/tmp")
    kind, blocks, block_bytes = output.split()
    assert (code, kind, int(blocks) * int(block_bytes)) == (0, "tmpfs", mib * MIB)


@pytest.mark.parametrize("service", SERVICES)
def test_memory_is_limited(service: str, inspected: dict[str, dict[str, Any]]) -> None:
    assert inspected[service]["HostConfig"]["Memory"] == MEMORY_MIB[service] * MIB


@pytest.mark.parametrize("service", SERVICES)
def test_an_init_process_reaps_what_is_orphaned(
    service: str, stack: Stack, inspected: dict[str, dict[str, Any]]
) -> None:
    assert inspected[service]["HostConfig"]["Init"] is True
    assert "init" in stack.inside(service, "cat", "/proc/1/cmdline")[1]


@pytest.mark.parametrize("service", SERVICES)
def test_health_is_checked_and_the_engine_waits_before_it_kills(
    service: str, inspected: dict[str, dict[str, Any]]
) -> None:
    assert inspected[service]["State"]["Health"]["Status"] == "healthy"
    assert inspected[service]["Config"]["StopTimeout"] == GRACE_SECONDS[service]
    assert inspected[service]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_the_proxy_alone_is_reached_from_this_machine_and_from_no_other(
    stack: Stack, inspected: dict[str, dict[str, Any]]
) -> None:
    published = {
        service: [where for bound in told["NetworkSettings"]["Ports"].values() for where in bound or ()]
        for service, told in inspected.items()
    }
    assert published == {
        "proxy": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}],
        "api": [],
        "worker": [],
        "redis": [],
    }


def test_the_broker_writes_down_what_it_acknowledges(stack: Stack) -> None:
    told = stack.inside("redis", "redis-cli", "config", "get", "append*")[1]
    assert "appendonly\nyes" in told
    assert "appendfsync\nalways" in told
