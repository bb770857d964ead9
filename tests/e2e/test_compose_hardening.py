"""Hardening of the containers: privileges as reported by the engine and as tested from inside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.compose import SERVICES, Stack

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
def test_container_has_no_privileges(service: str, stack: Stack, inspected: dict[str, dict[str, Any]]) -> None:
    host = inspected[service]["HostConfig"]
    assert inspected[service]["Config"]["User"] == USER[service]
    code, user = stack.inside(service, "id", "-u")
    assert (code, int(user) > 0) == (0, True)
    assert (host["SecurityOpt"], host["CapDrop"]) == (["no-new-privileges:true"], ["ALL"])
    assert not host["CapAdd"]
    assert not host["Privileged"]
    status = stack.inside(service, "cat", "/proc/1/status")[1]
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("service", SERVICES)
def test_container_writes_to_volumes_and_memory_only(
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


def test_home_is_readable_by_its_owner_only(stack: Stack) -> None:
    assert stack.in_api("stat", "--format=%u %a", "/var/lib/duet") == (0, "10001 700\n")


@pytest.mark.parametrize(("service", "mib"), [("api", 64), ("worker", 1024), ("redis", 16)])
def test_tmpfs_is_bounded(service: str, mib: int, stack: Stack, inspected: dict[str, dict[str, Any]]) -> None:
    assert list(inspected[service]["HostConfig"]["Tmpfs"]) == ["/tmp"]
    code, output = stack.inside(service, "stat", "--file-system", "--format=%T %b %S", "/tmp")
    kind, blocks, block_bytes = output.split()
    assert (code, kind, int(blocks) * int(block_bytes)) == (0, "tmpfs", mib * MIB)


@pytest.mark.parametrize("service", SERVICES)
def test_memory_init_health_and_stop_are_set(service: str, stack: Stack, inspected: dict[str, dict[str, Any]]) -> None:
    config, host = inspected[service]["Config"], inspected[service]["HostConfig"]
    assert host["Memory"] == MEMORY_MIB[service] * MIB
    assert host["Init"] is True
    assert "init" in stack.inside(service, "cat", "/proc/1/cmdline")[1]
    assert inspected[service]["State"]["Health"]["Status"] == "healthy"
    assert (config["StopTimeout"], host["RestartPolicy"]["Name"]) == (GRACE_SECONDS[service], "unless-stopped")


def test_only_the_proxy_has_a_port_and_only_locally(stack: Stack, inspected: dict[str, dict[str, Any]]) -> None:
    published = {
        service: [where for bound in told["NetworkSettings"]["Ports"].values() for where in bound or ()]
        for service, told in inspected.items()
    }
    proxy = [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]
    assert published == {"proxy": proxy, "api": [], "worker": [], "redis": []}


def test_broker_appends_every_write_to_its_file(stack: Stack) -> None:
    told = stack.inside("redis", "sh", "-c", "REDISCLI_AUTH=$(cat /data/password) redis-cli config get 'append*'")[1]
    assert "appendonly\nyes" in told
    assert "appendfsync\nalways" in told
