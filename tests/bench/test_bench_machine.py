"""What the benchmark measures with: processor time that nobody waited for, and a cable with a delay."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.delay import delayed
from bench.network import SERVER, network
from bench.processor import counted, cpu_seconds

_BURN = "n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done"
_ECHO = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 7000))
print("ready", flush=True)
for _ in range(51):
    datagram, peer = sock.recvfrom(2000)
    sock.sendto(datagram, peer)
"""
# One goes ahead. Until the other end's Ethernet address is known, datagrams wait for it in the kernel, and one that is
# sent while those are let go, on another processor, overtakes them before the cable.
_ASK = f"""
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(20)
sock.sendto(b"first", ("{SERVER}", 7000))
assert sock.recv(2000) == b"first"
sent = [bytes([number]) * 1400 for number in range(50)]
for datagram in sent:
    sock.sendto(datagram, ("{SERVER}", 7000))
assert [sock.recv(2000) for _ in sent] == sent
"""

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes control groups and network namespaces"),
]


def test_the_time_of_children_that_nobody_waits_for_counts() -> None:
    # `read` keeps the shell there after the child of its child has ended.
    script = f"(sh -c '{_BURN}; echo burnt' &); read -r end"
    with (
        counted(["sh", "-c", script]) as command,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        if command[0] == "sh" and command[2] == script:
            process.communicate("end\n")
            pytest.skip("no control group can be made here")
        assert process.stdout is not None
        assert process.stdout.readline() == "burnt\n"
        assert cpu_seconds(process.pid) > 0.01
        process.communicate("end\n")


def test_what_goes_through_a_cable_with_a_delay_arrives_whole_and_in_order() -> None:
    with network(delayed(0.005)) as net:
        server = net.on_server([sys.executable, "-c", _ECHO], cpus="0-1")
        with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == "ready\n"
            subprocess.run(net.on_load([sys.executable, "-c", _ASK], cpus="0-1"), check=True)
            assert echo.wait(20) == 0
