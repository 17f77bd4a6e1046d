"""What the policy does to a machine that boots: menus, the guard, schedules."""

from __future__ import annotations

import re

import pytest

from pxed.lab import wording
from pxed.lab.machine import Firmware
from pxed.lab.scenario import Scenario

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
