"""The boot image that `pxed bootimage build` makes, in QEMU without a boot loader: drivers, network, agent, disk.

The guest's only network is QEMU's own (user mode), from which 10.0.2.2 is this machine's loopback.
"""

from __future__ import annotations

import base64
import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxed.image.build import COMMAND_LINE, INITRD, KERNEL, build
from pxed.site.boot_image import Cpu
from tests.agent.service_point import ServicePoint, command, serving
from tests.conftest import CACHE

pytestmark = [pytest.mark.firmware, pytest.mark.timeout(400)]

MAC = "52:54:00:12:34:56"
PAYLOAD = bytes(range(256)) * 8
PACKED = base64.b64encode(gzip.compress(PAYLOAD)).decode()
BOOT_SECONDS = 180
"""until a machine that hangs is switched off; it takes ten with two cores"""


@pytest.fixture
def point() -> Iterator[ServicePoint]:
    with serving() as point:
        yield point


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return path


def boot(image: Path, point: ServicePoint, disk: Path, card: str, controller: str) -> str:
    """Switches a machine on until it restarts; gives what it wrote on its serial port."""
    server = point.url.replace("127.0.0.1", "10.0.2.2")
    words = f"{COMMAND_LINE} pxed.server={server} pxed.token=tok pxed.wait=0 BOOTIF=01-{MAC.replace(':', '-')}"
    arguments = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35,accel=tcg", "-m", "512"]
    arguments += ["-display", "none", "-serial", "stdio", "-no-reboot"]
    arguments += ["-kernel", str(image / KERNEL), "-initrd", str(image / INITRD), "-append", words]
    arguments += ["-netdev", "user,id=net0", "-device", f"{card},netdev=net0,mac={MAC},romfile="]
    arguments += ["-drive", f"if=none,id=disk0,format=raw,file={disk}", "-device", f"{controller},drive=disk0"]
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BOOT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"the machine did not restart; its serial port:\n{(error.stdout or b'').decode(errors='replace')}")
    serial = done.stdout.decode(errors="replace")
    assert done.returncode == 0, serial
    return serial


@pytest.mark.parametrize(
    ("card", "controller", "name"), [("virtio-net-pci", "virtio-blk-pci", "vda"), ("e1000e", "ide-hd", "sda")]
)
def test_a_machine_is_installed_and_restarts(
    boot_image: Path, point: ServicePoint, disk: Path, card: str, controller: str, name: str
) -> None:
    write = f"echo {PACKED} | base64 -d | gunzip | dd of=/dev/{name} bs=512 seek=3 conv=notrunc && sync"
    point.reply["document"]["steps"] = [
        command("Look", "cat /sys/class/net/eth0/address; ip -4 route", continue_on_error=True),
        command("Write", write),
    ]
    serial = boot(boot_image, point, disk, card, controller)
    assert point.reports == [("step", "Look", 0), ("step", "Write", 0), ("succeeded", "", None)], serial
    assert point.asked[1][1]["message"].startswith(f"{MAC}\ndefault via 10.0.2.2 dev eth0"), serial
    assert disk.read_bytes() == bytes(3 * 512) + PAYLOAD + bytes((1 << 20) - 3 * 512 - len(PAYLOAD)), serial
    assert "reboot: Restarting system" in serial


def test_a_machine_that_is_refused_restarts_with_its_disk_untouched(
    boot_image: Path, point: ServicePoint, disk: Path
) -> None:
    point.answers = [(409, b"this try was cleared")]
    serial = boot(boot_image, point, disk, "virtio-net-pci", "virtio-blk-pci")
    assert "the service point refuses: 409 this try was cleared" in serial
    assert "reboot: Restarting system" in serial
    assert point.reports == []
    assert not any(disk.read_bytes())


def test_a_failed_step_is_reported_and_the_machine_restarts(boot_image: Path, point: ServicePoint, disk: Path) -> None:
    point.answers = [(503, b"starting")]
    point.reply["document"]["steps"] = [command("Break", "echo no such disk; exit 9"), command("Never", "true")]
    serial = boot(boot_image, point, disk, "virtio-net-pci", "virtio-blk-pci")
    assert point.reports == [("step", "Break", 9), ("failed", "", None)], serial
    assert "pxed: this computer restarts in 0 s" in serial
    assert "reboot: Restarting system" in serial


def test_the_same_packages_give_the_same_bytes(boot_image: Path, tmp_path: Path) -> None:
    again = build(Cpu.AMD64, tmp_path, CACHE / "packages")
    assert again.initrd.read_bytes() == (boot_image / INITRD).read_bytes()
    assert again.kernel.read_bytes() == (boot_image / KERNEL).read_bytes()
    assert again.initrd.stat().st_size < 25 << 20
