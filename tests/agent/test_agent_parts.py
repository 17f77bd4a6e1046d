"""Kernel command line, consoles, drivers, network: each with the system passed in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pxed.agent import network
from pxed.agent.cmdline import DEFAULT_WAIT, Options, parse
from pxed.agent.console import Console, open_consoles
from pxed.agent.drivers import FIRST, MAX_ROUNDS, Drivers

LINE = "BOOT_IMAGE=vmlinuz console=ttyS0,115200 quiet pxed.server=http://10.0.0.1:8067/ pxed.token=tok "


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", Options("http://10.0.0.1:8067", "tok", None, DEFAULT_WAIT)),
        ("BOOTIF=01-52-54-00-AB-cd-ef", Options("http://10.0.0.1:8067", "tok", "52:54:00:ab:cd:ef", DEFAULT_WAIT)),
        ("BOOTIF=52:54:00:ab:cd:ef", Options("http://10.0.0.1:8067", "tok", "52:54:00:ab:cd:ef", DEFAULT_WAIT)),
        ("BOOTIF= pxed.wait=0", Options("http://10.0.0.1:8067", "tok", None, 0)),
        ("pxed.token=last", Options("http://10.0.0.1:8067", "last", None, DEFAULT_WAIT)),
    ],
)
def test_the_command_line_is_read(more: str, expected: Options) -> None:
    assert parse(LINE + more) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quiet", "pxed.server= is missing"),
        ("pxed.server=http://10.0.0.1", "pxed.token= is missing"),
        ("pxed.server= pxed.token=t", "pxed.server= is missing"),
        ("pxed.server=ftp://10.0.0.1 pxed.token=t", "an http:// address"),
        ("pxed.server=http:// pxed.token=t", "an http:// address"),
        (LINE + "BOOTIF=01-52-54-00", "BOOTIF='01-52-54-00'"),
        (LINE + "BOOTIF=01-52-54-00-xx-cd-ef", "BOOTIF="),
        (LINE + "pxed.wait=-1", "pxed.wait"),
        (LINE + "pxed.wait=\u0663", "pxed.wait"),
        (LINE + "pxed.wait=3601", "pxed.wait"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(line)


def test_every_console_that_works_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "active").write_text("tty0 ttyS9 ttyS0\n")
    for name in ("tty0", "ttyS0"):
        (tmp_path / name).touch()
    with open_consoles(tmp_path / "active", tmp_path) as console:
        console.say("hello")
    with open_consoles(tmp_path / "none", tmp_path) as console:
        console.say("nobody hears this")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("tty*")} == {
        "tty0": b"pxed: hello\n",
        "ttyS0": b"pxed: hello\n",
    }


def test_a_console_that_fails_does_not_silence_the_others() -> None:
    class Broken(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError("input/output error")

    good = io.BytesIO()
    Console([Broken(), good]).say("hello")
    assert good.getvalue() == b"pxed: hello\n"


def device(root: Path, name: str, alias: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "modalias").write_text(alias + "\n")


def test_drivers_are_loaded_until_no_new_device_appears(tmp_path: Path) -> None:
    loaded: list[list[str]] = []

    def modprobe(names: list[str]) -> None:
        loaded.append(names)
        if "pci:virtio" in names:
            device(tmp_path, "pci0/virtio0", "virtio:net")

    device(tmp_path, "pci0", "pci:virtio")
    device(tmp_path, "pci1", "pci:ahci")
    device(tmp_path, "platform", "")
    drivers = Drivers(modprobe, tmp_path)
    assert drivers.load() == 3
    assert loaded == [list(FIRST), ["pci:ahci", "pci:virtio"], ["virtio:net"]]
    assert drivers.load() == 0
    device(tmp_path, "usb1", "usb:later")
    assert drivers.load() == 1
    assert loaded[3:] == [["usb:later"]]


def test_devices_without_end_do_not_hold_the_agent(tmp_path: Path) -> None:
    rounds: list[list[str]] = []

    def modprobe(names: list[str]) -> None:
        rounds.append(names)
        device(tmp_path, f"device{len(rounds)}", f"alias{len(rounds)}")

    assert Drivers(modprobe, tmp_path).load() == MAX_ROUNDS


MAC = "52:54:00:12:34:56"


class Wire:
    """A machine's interfaces, and a DHCP server that answers at the n-th try."""

    def __init__(self, sysfs: Path, answers_at: int) -> None:
        self.sysfs = sysfs
        self.answers_at = answers_at
        self.asked: list[str] = []
        self.slept: list[float] = []
        self.said: list[str] = []
        sysfs.mkdir()

    def plug(self, name: str, mac: str, *, real: bool = True) -> None:
        (self.sysfs / name).mkdir()
        (self.sysfs / name / "address").write_text(mac + "\n")
        if real:
            (self.sysfs / name / "device").mkdir()

    def lease(self, interface: str) -> bool:
        self.asked.append(interface)
        return len(self.asked) >= self.answers_at

    def bring_up(self, boot_mac: str | None, load_drivers: object = None) -> str:
        return network.bring_up(
            boot_mac,
            lease=self.lease,
            load_drivers=load_drivers if callable(load_drivers) else lambda: None,
            sleep=self.slept.append,
            say=self.said.append,
            sysfs=self.sysfs,
        )


def test_the_interface_that_was_booted_from_is_taken(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "net", answers_at=3)
    wire.plug("lo", "00:00:00:00:00:00", real=False)
    wire.plug("eth0", "52:54:00:00:00:01")
    wire.plug("eth1", MAC.upper())
    assert wire.bring_up(MAC) == "eth1"
    assert wire.asked == ["eth1"] * 3
    assert wire.slept == [1, 2]


def test_without_bootif_the_first_lease_counts(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "net", answers_at=4)
    wire.plug("bond0", MAC, real=False)
    wire.plug("eth0", "52:54:00:00:00:01")
    wire.plug("eth1", MAC)
    assert wire.bring_up(None) == "eth1"
    assert wire.asked == ["eth0", "eth1"] * 2


def test_an_interface_may_come_late(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "net", answers_at=1)

    def load_drivers() -> None:
        if len(wire.slept) == 2:
            wire.plug("usb0", MAC)

    assert wire.bring_up(MAC, load_drivers) == "usb0"
    assert "no interface with MAC address 52:54:00:12:34:56 (there are: none)" in wire.said[0]


def test_the_tries_are_bounded_and_the_reason_is_named(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "net", answers_at=1000)
    wire.plug("eth0", MAC)
    with pytest.raises(network.NoNetwork, match="no DHCP lease on eth0"):
        wire.bring_up(MAC)
    assert tuple(wire.slept) == network.DELAYS
    assert len(wire.asked) == len(network.DELAYS) + 1
    with pytest.raises(network.NoNetwork, match=r"52:54:00:00:00:09 \(there are: eth0 52:54:00:12:34:56\)"):
        wire.bring_up("52:54:00:00:00:09")
