"""The service as the systemd unit runs it, on a host of its own: installed, used, hung, killed, misconfigured.

Too long for every test run: `make test-systemd`.
"""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from pxed.wire.dhcp import MessageType, Option, Packet
from tests.service.namespaces import discover, until
from tests.support import MAC
from tests.systemd.host import PROJECT, SOURCE, Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

CONFIG = b'[[interface]]\nname = "eth0"\n[https]\nport = 8443\n'


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as made:
        made.write("/etc/pxed/pxed.toml", CONFIG)
        yield made


@pytest.fixture
def serving(host: Host) -> Host:
    """The unit is active, whatever became of it before."""
    host.write("/etc/pxed/pxed.toml", CONFIG)
    host.try_to("systemctl", "reset-failed", "pxed")
    host.run("systemctl", "start", "pxed")
    assert host.unit("ActiveState") == "active"
    return host


def fetch(host: Host, url: str, *options: str, given: str = "") -> bytes:
    command = ["ip", "netns", "exec", host.network.client, "curl", "-sS", "--fail", "--max-time", "30", *options, url]
    done = subprocess.run(command, capture_output=True, check=False, input=given.encode())
    assert done.returncode == 0, f"{url}: {done.stderr.decode()}\n{host.journal()}"
    return done.stdout


def text(packet: Packet, option: Option) -> str:
    return packet.options[option].rstrip(b"\0").decode()


def test_everything_is_installed_and_the_compiled_parts_are_compiled(host: Host) -> None:
    package = PROJECT / "pxed"
    files = {str(path.relative_to(PROJECT)) for path in package.rglob("*") if path.is_file()}
    made = re.compile(r".*\.([ch]|so)|.*/__pycache__/.*")
    installed = host.run("sh", "-c", "cd /opt/pxed/lib/python3*/site-packages && find pxed -type f")
    found = set(installed.splitlines())
    assert {name for name in found if not made.fullmatch(name)} == {name for name in files if not made.fullmatch(name)}
    for part in ("responder/_flows", "tftp/_acks"):
        assert len([name for name in found if re.fullmatch(rf"pxed/{part}\..*\.so", name)]) == 1
    host.run("/opt/pxed/bin/python", "-I", "-c", "import pxed.responder._flows, pxed.tftp._acks")


def test_from_the_installation_to_the_boot_image(host: Host) -> None:
    """What the administrator keeps as root, before the service has ever run and while it runs, the service can read."""
    content = os.urandom(200_000)
    for name in ("vmlinuz", "initrd.img"):
        host.write(f"/root/{name}", content)
    host.write("/root/steps.json", b'{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
    host.run("pxed", "cert", "init", "--name", "192.0.2.1")
    host.run("pxed", "check", "--deep")
    host.run("pxed", "collection", "add", "Lab")
    host.run("pxed", "computer", "add", "PC1", "--mac", MAC, "--collection", "Lab")
    host.run("timeout", "--preserve-status", "5", "pxed", "serve")  # by hand, as root, before the unit
    host.run("systemctl", "start", "pxed")
    files = ("--kernel", "/root/vmlinuz", "--initrd", "/root/initrd.img")
    host.run("pxed", "bootimage", "add", "rescue", "--arch", "amd64", *files)
    host.run("pxed", "sequence", "add", "install", "/root/steps.json", "--boot-image", "rescue")
    host.run("pxed", "advertise", "install", "--to", "Lab", "--mandatory", "--name", "Install")

    loader = fetch(host, f"tftp://192.0.2.1/{text(discover(host.network), Option.BOOTFILE_NAME)}")
    assert loader == fetch(host, "http://192.0.2.1:8067/snponly.efi")
    assert len(loader) > 100_000
    script = fetch(host, text(discover(host.network, USER_CLASS=b"iPXE"), Option.BOOTFILE_NAME)).decode()
    begun = re.search(r"http://\S+/b/\S+/vmlinuz", script)
    assert begun, script
    assert fetch(host, begun[0]) == content
    assert "loading" in host.run("pxed", "history", "PC1")


def test_it_runs_in_a_small_room(serving: Host) -> None:
    status = serving.run("cat", f"/proc/{serving.unit('MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")} == {1 << 10}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert "answering on eth0 (192.0.2.1)" in serving.unit("StatusText")


def test_a_certificate_made_by_root_is_served_after_a_reload(serving: Host) -> None:
    authority = serving.run("pxed", "cert", "export-ca")
    serving.run("pxed", "cert", "renew")
    serving.run("systemctl", "reload", "pxed")
    encrypted = fetch(serving, "https://192.0.2.1:8443/snponly.efi", "--cacert", "/dev/stdin", given=authority)
    assert encrypted == fetch(serving, "http://192.0.2.1:8067/snponly.efi")


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_service_that_is_killed_or_hangs_is_started_again(serving: Host, how: str) -> None:
    """The watchdog ends one that hangs; what was kept is still there."""
    before = serving.unit("MainPID")
    serving.run("systemctl", "kill", "--kill-who=main", f"--signal={how}", "pxed")

    def again() -> bool:
        return serving.unit("MainPID") not in {before, "0"} and serving.unit("ActiveState") == "active"

    until(again, serving.journal)
    assert discover(serving.network).message_type is MessageType.OFFER
    assert "PC1" in serving.run("pxed", "computer", "list")


def test_a_faulty_configuration_is_told_once(serving: Host) -> None:
    """It does not heal by trying again. A running service keeps the good one when it is told to reload."""
    serving.write("/etc/pxed/pxed.toml", CONFIG + b"[responder]\nattempts = 0\n")
    serving.run("systemctl", "reload", "pxed")
    assert serving.unit("ActiveState") == "active"
    assert discover(serving.network).message_type is MessageType.OFFER
    assert serving.try_to("systemctl", "restart", "pxed").returncode != 0
    assert serving.unit("ActiveState") == "failed"
    assert serving.unit("ExecMainStatus") == "78"
    assert "responder.attempts" in serving.journal()


def test_it_stops_cleanly(serving: Host) -> None:
    serving.run("systemctl", "stop", "pxed")
    assert serving.unit("Result") == "success"
    assert serving.unit("ActiveState") == "inactive"


def test_uninstalling_leaves_what_is_kept(serving: Host) -> None:
    serving.run("make", "-C", SOURCE, "uninstall")
    assert serving.unit("LoadState") == "not-found"
    assert (
        serving.try_to("sh", "-c", "ls -d /opt/pxed $(find /usr/local/bin /usr/local/share -name 'pxed*')").stdout == ""
    )
    assert "pxed.db" in serving.run("ls", "/var/lib/pxed")
    assert CONFIG.decode() == serving.run("cat", "/etc/pxed/pxed.toml")
