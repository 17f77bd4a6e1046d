"""The lab's network as the kernel shows it, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pxed.lab.network import Network, dhcp_server, inside, labs_with_namespaces, network
from pxed.lab.process import output
from pxed.lab.registry import down, entries, registered
from pxed.lab.transcript import Transcript

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root"),
]


@pytest.fixture
def lab() -> str:
    return f"t{os.getpid():x}"


async def test_the_dhcp_server_gives_addresses_and_nothing_else(lab: str, tmp_path: Path) -> None:
    dhcp_log = Transcript("dnsmasq", time.monotonic)
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    asking = ["busybox", "udhcpc", "-f", "-q", "-n", "-t", "5", "-T", "1", "-i", "eth0", "-s", str(script)]
    with network(lab) as net:
        async with dhcp_server(net, tmp_path, dhcp_log):
            lease = await output(inside(net.point, asking))
            listening = await output(inside(net.dhcp, ["ss", "-Hnlu"]))

    fields = dict(line.split("=", 1) for line in lease.splitlines() if "=" in line)
    assert fields["ip"].startswith("10.77.0.")
    assert fields["serverid"] == "10.77.0.1"
    assert not fields.keys() & {"boot_file", "sname", "tftp"}
    assert ":67 " in listening
    assert ":53 " not in listening
    assert ":69 " not in listening


def test_a_tap_is_a_port_of_the_switch_while_it_is_needed(lab: str) -> None:
    with network(lab) as net:
        with net.tap("tap525400123456"):
            assert "master bridge" in links(net)
        assert "tap525400123456" not in links(net)


def links(net: Network) -> str:
    done = subprocess.run(["ip", "-n", net.switch, "-o", "link", "show"], capture_output=True, text=True, check=True)
    return "".join(line for line in done.stdout.splitlines() if "tap" in line)


def test_the_network_goes_with_every_process_inside_it(lab: str) -> None:
    with network(lab) as net:
        stray = subprocess.Popen(inside(net.point, ["sleep", "1000"]))
        until_inside(stray.pid, net.point)
        assert lab in labs_with_namespaces()

    assert stray.wait(timeout=10) == -signal.SIGKILL
    assert lab not in labs_with_namespaces()


def test_a_network_that_fails_half_way_leaves_nothing(lab: str) -> None:
    with pytest.raises(RuntimeError), network(lab):
        raise RuntimeError

    assert lab not in labs_with_namespaces()


def test_down_ends_a_lab_whose_owner_was_killed(tmp_path: Path) -> None:
    owner = start_owner(tmp_path)
    (entry,) = entries(tmp_path)
    assert entry.alive
    owner.kill()
    owner.wait()
    assert not entry.alive
    assert entry.lab in labs_with_namespaces()

    assert down(entry.lab, tmp_path)

    assert entry.lab not in labs_with_namespaces()
    assert entries(tmp_path) == []
    assert not down(entry.lab, tmp_path)


def test_down_asks_a_living_owner_to_end(tmp_path: Path) -> None:
    owner = start_owner(tmp_path)
    (entry,) = entries(tmp_path)

    assert down(entry.lab, tmp_path)

    assert owner.wait() == -signal.SIGTERM
    assert entry.lab not in labs_with_namespaces()


def test_a_process_that_has_the_owners_number_by_now_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        (tmp_path / "abc").mkdir()
        note = {"lab": "abc", "purpose": "up", "owner": bystander.pid, "owner_started": 1}
        (tmp_path / "abc" / "lab.json").write_text(json.dumps(note))

        assert down("abc", tmp_path)

        assert bystander.poll() is None
        assert entries(tmp_path) == []
    finally:
        bystander.kill()
        bystander.wait()


def test_a_lab_is_registered_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    with registered("test", tmp_path) as (lab, directory):
        (entry,) = entries(tmp_path)
        assert (entry.lab, entry.purpose, entry.owner, entry.alive) == (lab, "test", os.getpid(), True)
        assert directory.is_dir()

    assert entries(tmp_path) == []
    assert not directory.exists()


def start_owner(run_directory: Path) -> subprocess.Popen[str]:
    """A process that owns a lab with a network and waits."""
    program = f"""
import time
from pathlib import Path
from pxed.lab.network import network
from pxed.lab.registry import registered
with registered("up", Path({str(run_directory)!r})) as (lab, _), network(lab):
    print(lab, flush=True)
    time.sleep(1000)
"""
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline()
    owner.stdout.close()
    return owner


def until_inside(pid: int, namespace: str) -> None:
    """`ip netns exec` enters the namespace before it becomes the program."""
    wanted = Path("/run/netns", namespace).stat().st_ino
    while Path(f"/proc/{pid}/ns/net").stat().st_ino != wanted:
        assert Path(f"/proc/{pid}").exists()
