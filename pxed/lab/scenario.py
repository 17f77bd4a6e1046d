"""What a service point is for, as scenes with real machines. Each is observed from outside (serial port, disk, the
answers of the command line) and raises NotSeen, with the end of the log, if it does not come about.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from pxed.lab import disk, wording
from pxed.lab.machine import Firmware, Hardware, Machine
from pxed.lab.opening import Lab
from pxed.lab.transcript import NotSeen

IMAGE = "install"
SEQUENCE = "write-disk"
MANDATORY = "install-now"
OPTIONAL = "install-on-f12"
OWN_SYSTEM = "its own system, never installed"
"""on the disk of a machine that nobody may touch"""

_FIRMWARE = 150
"""seconds for firmware and boot loader: OVMF alone may wait for a minute on a network that does not answer"""
_LOGIN = 60
"""seconds for a handshake of TLS on a machine that is emulated, and iPXE's form"""
_SYSTEM = 180
"""seconds for fetching the boot image, Linux and the agent, on a machine that is emulated and shares its cores"""


@dataclass(slots=True)
class Scenario:
    """Scenes in one lab."""

    lab: Lab
    cache: Path
    """packages of the boot image are kept here between labs"""
    runs: dict[str, int] = field(default_factory=dict)
    """how often each machine was installed so far"""

    def hardware(self, name: str, firmware: Firmware, number: int, own_system: str | None = None) -> Hardware:
        """The machine that ends in `number`, with a disk of its own: blank, or with a system that says `own_system`."""
        path = self.lab.directory / f"{name}.disk"
        disk.make(path, own_system)
        guid = uuid.UUID(f"70786564-6c61-4200-8000-{number:012x}")
        return Hardware(name, firmware, f"52:54:00:70:78:{number:02x}", guid, path)

    async def build_boot_image(self, *, shown: bool) -> None:
        """`pxed bootimage build`; with `shown` its progress is seen."""
        arguments = ["bootimage", "build", IMAGE, "--arch", "amd64", "--cache", str(self.cache / "packages")]
        await self.lab.point.pxed(*arguments, shown=shown)
        images = await self.lab.point.ask("bootimage", "list")
        self._require(any(image["name"] == IMAGE for image in images), f"no boot image {IMAGE} in: {images}")

    async def add_sequence(self) -> None:
        """The task sequence that installs the lab's disk."""
        path = self.lab.directory / "sequence.json"
        path.write_text(json.dumps(disk.installation("/dev/vda"), indent=2))
        await self.lab.point.pxed("sequence", "add", SEQUENCE, str(path), "--boot-image", IMAGE)

    async def import_computers(self, lines: list[str], collection: str) -> None:
        """`pxed computer import` of CSV lines into a collection."""
        path = self.lab.directory / "computers.csv"
        path.write_text("".join(f"{line}\n" for line in ("name,guid,mac", *lines)))
        await self.lab.point.pxed("computer", "import", str(path), "--header", "--collection", collection)

    async def advertise(self, name: str, collection: str, kind: str) -> None:
        """A collection, and an advertisement to it; `kind` is "mandatory" or "optional"."""
        await self.lab.point.pxed("collection", "add", collection)
        await self.lab.point.pxed("advertise", SEQUENCE, "--to", collection, f"--{kind}", "--name", name)

    async def installs(self, machine: Machine, advertisement: str) -> None:
        """The machine boots the image without a question, the agent writes the disk, the machine restarts."""
        serial, name = machine.serial, machine.hardware.name
        self.runs[name] = self.runs.get(name, 0) + 1
        await serial.wait_for(wording.BOOTS + re.escape(advertisement), _FIRMWARE, unless=wording.PROMPT)
        await serial.wait_for(wording.RUNS, _SYSTEM, unless=wording.TROUBLE)
        await serial.wait_for(wording.SUCCEEDED, _SYSTEM, unless=wording.TROUBLE)

    async def starts_from_disk(self, machine: Machine, advertisement: str) -> None:
        """The machine restarts, is told that there is nothing to do, and starts from what was installed."""
        text = f"installed by {advertisement}, run {self.runs[machine.hardware.name]}"
        await machine.serial.wait_for(wording.LOCAL_BOOT, _FIRMWARE, unless=wording.BOOTS)
        await machine.serial.wait_for(disk.MARK + text, _FIRMWARE)
        on_disk = disk.text_on(machine.hardware.disk)
        self._require(on_disk == text, f"the disk of {machine.hardware.name} holds {on_disk!r} instead of {text!r}")
        self._require(machine.resets > 0, f"{machine.hardware.name} never restarted")
        await self._history_agrees(machine.hardware)

    async def asks_for_f12(self, machine: Machine, advertisement: str, *, pressed: bool) -> None:
        """The machine asks; with F12 it is installed, without it goes on to its disk."""
        await machine.serial.wait_for(wording.PROMPT, _FIRMWARE, unless=wording.BOOTS)
        self.lab.tell(machine.uptime, machine.hardware.name, f"asks for F12: {'pressed' if pressed else 'not pressed'}")
        if pressed:
            await machine.press("f12")
            await self.installs(machine, advertisement)
        else:
            await self.starts_from_disk(machine, advertisement)

    async def set_password(self, person: str, password: str) -> None:
        """`pxed password set`, for the whole site."""
        path = self.lab.directory / "password"
        path.write_text(f"{password}\n")
        await self.lab.point.pxed("password", "set", "--person", person, "--file", str(path))

    async def asks_for_password(self, machine: Machine, person: str, *passwords: str) -> None:
        """After F12 the machine shows iPXE's form; all but the last of `passwords` are refused, in words."""
        await self.presses_f12(machine)
        *wrong, right = passwords
        for password in wrong:
            await self._types(machine, person, password)
            await machine.serial.wait_for(wording.LOGIN_REFUSED, _LOGIN, unless=wording.BOOTS)
            self.lab.tell(machine.uptime, machine.hardware.name, "the password is wrong")
        await self._types(machine, person, right)

    async def presses_f12(self, machine: Machine) -> None:
        """The machine asks for F12, and gets it."""
        await machine.serial.wait_for(wording.PROMPT, _FIRMWARE, unless=wording.BOOTS)
        await machine.press("f12")

    @staticmethod
    async def _types(machine: Machine, person: str, password: str) -> None:
        await machine.serial.wait_for(wording.LOGIN, _LOGIN, unless=wording.BOOTS)
        await machine.type(f"{person}\n{password}\n")

    async def is_not_answered(self, hardware: Hardware) -> None:
        """An unknown machine hears nothing and starts from its own disk; `pxed sightings` has it."""
        async with self.lab.switched_on(hardware) as machine:
            await machine.serial.wait_for(disk.MARK + OWN_SYSTEM, _FIRMWARE, unless=wording.ANSWERED)
        sightings = await self.lab.point.ask("sightings")
        seen = next((one for one in sightings if one["mac"] == hardware.mac), None)
        if seen is None:
            raise NotSeen(f"{hardware.mac} is not among the sightings: {sightings}")
        architecture = {Firmware.BIOS: 0, Firmware.UEFI: 7}[hardware.firmware]
        expected = {"guid": str(hardware.guid), "architecture": architecture, "interface": "eth0"}
        found = {key: seen[key] for key in expected}
        self._require(found == expected, f"the sighting of {hardware.name} says {found} instead of {expected}")
        self.lab.tell(None, "pxed", f"sighting: {hardware.mac}, {seen['guid']}, architecture {architecture}, eth0")

    async def clear_last(self, hardware: Hardware) -> None:
        """`pxed clear-last`, by MAC address."""
        await self.lab.point.pxed("clear-last", hardware.mac)
        self.lab.tell(None, "pxed", f"clear-last {hardware.mac}")

    async def _history_agrees(self, hardware: Hardware) -> None:
        """`pxed history` says of each installation that it ran, and that it succeeded: neither more nor less often."""
        rows = await self.lab.point.ask("history", hardware.name, "--limit", "1000")
        texts = [row["text"] for row in rows if row["kind"] == "state"]
        for state in ("running", "succeeded"):
            count = sum(re.search(rf"try \d+: {state}\b", text) is not None for text in texts)
            if count != self.runs[hardware.name]:
                all_texts = "\n".join(texts)
                raise NotSeen(f"{hardware.name} ran {self.runs[hardware.name]} times; {state!r} {count}:\n{all_texts}")

    @staticmethod
    def _require(holds: bool, otherwise: str) -> None:
        if not holds:
            raise NotSeen(otherwise)
