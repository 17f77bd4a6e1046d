"""`pxed wake` on a cable: the magic packets that a sleeping computer's card would see."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxed.wire.wake import magic_packet
from tests.service.namespaces import PATIENCE, Network, Serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "pxed.toml"
    file.write_text(
        f'[service]\nstate_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n'
        '[[interface]]\nname = "eth0"\n[[interface]]\nname = "eth1"\n'
    )
    return file


def pxed(network: Network, config_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["ip", "netns", "exec", network.point, sys.executable, "-m", "pxed", *arguments]
    environment = os.environ | {"PXED_CONFIG": str(config_file)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def listener(interface: str) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    endpoint.bind(("", 9))
    endpoint.settimeout(10)
    return endpoint


def test_every_served_interface_carries_the_packet(network: Network, config_file: Path) -> None:
    assert pxed(network, config_file, "computer", "add", "ws-01", "--mac", "52:54:00:00:00:01").returncode == 0
    listeners = [network.in_client(lambda name=name: listener(name)) for name in ("eth0", "eth1")]  # type: ignore[misc]
    outcome = pxed(network, config_file, "wake", "ws-01", "--json")
    assert json.loads(outcome.stdout) == [{"mac": "52:54:00:00:00:01", "interfaces": ["eth0", "eth1"]}]
    for endpoint in listeners:
        with endpoint:
            assert endpoint.recv(2048) == magic_packet("52:54:00:00:00:01")
    history = json.loads(pxed(network, config_file, "history", "ws-01", "--kind", "wake", "--json").stdout)
    assert [event["text"] for event in history] == ["magic packet on eth0, eth1"]


def test_the_service_wakes_members_when_an_advertisement_falls_due(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving, network.in_client(lambda: listener("eth0")) as endpoint:
        for name in ("vmlinuz", "initrd.img"):
            (tmp_path / name).write_bytes(b"content")
        (tmp_path / "steps.json").write_text('{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
        for words in (
            ("computer", "add", "ws-01", "--mac", "52:54:00:00:00:01"),
            ("bootimage", "add", "rescue", "--arch", "amd64", "--kernel", f"{tmp_path}/vmlinuz"),
            ("sequence", "add", "install", f"{tmp_path}/steps.json", "--boot-image", "rescue"),
            ("advertise", "install", "--to", "all-computers", "--mandatory", "--wake"),
        ):
            outcome = pxed(network, serving.config, *words)
            assert outcome.returncode == 0, outcome.stderr
        endpoint.settimeout(PATIENCE)
        assert endpoint.recv(2048) == magic_packet("52:54:00:00:00:01")
        serving.wait_for_log("waking 1 computers")


def test_who_cannot_be_woken(network: Network, config_file: Path) -> None:
    guid = "4c4c4544-0044-4a10-8039-b4c04f333232"
    pxed(network, config_file, "computer", "add", "no-mac", "--guid", guid)
    outcome = pxed(network, config_file, "wake", "no-mac")
    assert (outcome.returncode, outcome.stderr) == (69, "pxed: no MAC address is known of any of them\n")
    assert pxed(network, config_file, "wake").returncode == 2
    assert pxed(network, config_file, "wake", "nobody").returncode == 1
