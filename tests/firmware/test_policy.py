"""What the policy does to a machine that boots: menus, the guard, schedules."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from pxed.lab import disk, wording
from pxed.lab.machine import Firmware
from pxed.lab.scenario import OWN_SYSTEM, Scenario

pytestmark = [pytest.mark.firmware, pytest.mark.netns, pytest.mark.timeout(300)]

_SECONDS = 120


async def test_several_optional_advertisements_are_a_menu(scenario: Scenario) -> None:
    pc = scenario.hardware("PC", Firmware.BIOS, 4)
    await scenario.advertise("older", "Choose", "optional")
    await scenario.lab.point.pxed("advertise", "write-disk", "--to", "Choose", "--optional", "--name", "newer")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Choose")

    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(wording.PROMPT + r" .* from the network", _SECONDS, unless=wording.BOOTS)
        await machine.press("f12")
        for item in ("newer", "older", "Start from the local disk"):
            await machine.serial.wait_for(re.escape(item), _SECONDS)
        await machine.press("down")
        await machine.press("ret")
        await machine.serial.wait_for(wording.BOOTS + "older", _SECONDS, unless=wording.BOOTS + "newer")


async def test_what_is_stopped_or_expired_leaves_a_machine_to_its_disk(scenario: Scenario) -> None:
    pc = scenario.hardware("PC", Firmware.BIOS, 5, OWN_SYSTEM)
    point = scenario.lab.point
    await scenario.advertise("Install", "Held", "mandatory")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Held")
    await point.pxed("stop-all", "--reason", "exams")
    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(wording.LOCAL_BOOT, _SECONDS, unless=wording.BOOTS)
        await machine.serial.wait_for(disk.MARK + OWN_SYSTEM, _SECONDS, unless=wording.BOOTS)
    (held,) = await point.ask("report", "deployment", "Install")
    assert (held["progress"], "(exams)" in held["message"]) == ("held back", True)

    await point.pxed("resume")
    await point.pxed("advertisement", "change", "Install", "--expires", f"{datetime.now(UTC) + timedelta(seconds=2)}")
    await asyncio.sleep(2)
    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(wording.LOCAL_BOOT, _SECONDS, unless=wording.BOOTS)
        await machine.serial.wait_for(disk.MARK + OWN_SYSTEM, _SECONDS, unless=wording.BOOTS)
    explained = await point.ask("explain", pc.name, "--arch", "bios")
    assert "'Install' (expired" in next(each["finding"] for each in explained["trail"] if each["rule"] == "candidates")
