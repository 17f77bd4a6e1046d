"""The room that the systemd unit gives the service is large enough for all that it does, and no larger."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import confinement
from tests.service.namespaces import Network, Serving, until

pytestmark = pytest.mark.netns


def run_confined(network: Network, program: str) -> subprocess.CompletedProcess[str]:
    wrapped = confinement.wrapped(sys.executable, "-c", program)
    command = ["ip", "netns", "exec", network.point, *wrapped]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_room_is_closed(network: Network) -> None:
    """Else the tests that run the service in it would prove nothing."""
    refused = {
        "os.setuid(1)": -signal.SIGSYS,
        "os.chroot('/')": -signal.SIGSYS,
        "os.sched_setaffinity(0, {0})": -signal.SIGSYS,
        "mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)": -signal.SIGSYS,
        "socket.socket(socket.AF_INET6)": 1,
    }
    for statement, status in refused.items():
        done = run_confined(network, f"import mmap, os, socket\n{statement}")
        assert done.returncode == status, f"{statement}: {done.returncode}\n{done.stderr}"
    status_file = run_confined(network, "print(open('/proc/self/status').read())").stdout
    fields = dict(line.split(":\t", 1) for line in status_file.splitlines() if ":\t" in line)
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")} == {1 << 10}
    assert (fields["NoNewPrivs"], fields["Seccomp_filters"]) == ("1", "2")


def test_workers_that_are_killed_give_way_to_others_and_sighup_is_heard(network: Network, tmp_path: Path) -> None:
    fetch = ["ip", "netns", "exec", network.client, "curl", "-sS", "--max-time", "30", "tftp://192.0.2.1/some.bin"]
    content = os.urandom(100_000)
    with Serving(network, tmp_path, wrapper=confinement.wrapped) as serving:
        (tmp_path / "state" / "tftp" / "some.bin").write_bytes(content)
        assert subprocess.run(fetch, capture_output=True, check=True).stdout == content

        def workers() -> set[int]:
            children = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()
            return {int(pid) for pid in children if b"pxed.tftp.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}

        killed = workers()
        assert killed
        for worker in killed:
            assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, serving.pid)
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(workers() - killed) == len(killed), lambda: f"no other workers\n{serving.log}")
        assert subprocess.run(fetch, capture_output=True, check=True).stdout == content
        serving.signal(signal.SIGHUP)
        serving.wait_for_log("configuration")
        assert subprocess.run(fetch, capture_output=True, check=True).stdout == content
    assert "Traceback" not in serving.log
