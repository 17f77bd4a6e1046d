"""Who a machine is, on real firmware: one that nobody knows yet, and one whose identifiers disagree."""

import pytest

from pxed.lab import disk, wording
from pxed.lab.machine import Firmware
from pxed.lab.scenario import MANDATORY, OWN_SYSTEM, Scenario

pytestmark = [pytest.mark.firmware, pytest.mark.netns, pytest.mark.timeout(300)]


@pytest.mark.parametrize("settings", ['[responder]\nunknown_computers = "approval"'])
async def test_an_unknown_machine_waits_and_goes_on_without_a_reboot_once_it_is_approved(scenario: Scenario) -> None:
    pc = scenario.hardware("NEWCOMER", Firmware.UEFI, 4)
    point = scenario.lab.point
    await scenario.advertise(MANDATORY, "Install", "mandatory")

    async with scenario.lab.switched_on(pc) as machine:
        line = await machine.serial.wait_for(wording.WAITS, 150, unless=wording.BOOTS)
        await machine.serial.wait_for(wording.WAITS, 30, unless=wording.BOOTS)  # it asks again
        (seen,) = await point.ask("sightings")
        assert (seen["mac"], line.text.rsplit(" ", 1)[1]) == (pc.mac, str(seen["id"]))
        assert seen["waiting_since"] is not None
        await point.pxed("computer", "approve", str(seen["id"]), "--name", pc.name, "--collection", "Install")
        await machine.serial.wait_for(wording.BOOTS + MANDATORY, 30, unless=wording.LOCAL_BOOT)
        await machine.serial.wait_for(wording.RUNS, 120, unless=wording.TROUBLE)
        assert machine.resets == 0


async def test_a_machine_whose_identifiers_disagree_goes_to_its_disk_and_is_queued(scenario: Scenario) -> None:
    pc = scenario.hardware("MIXED", Firmware.BIOS, 5, OWN_SYSTEM)
    await scenario.advertise(MANDATORY, "Install", "mandatory")
    await scenario.import_computers([f"BY-MAC,,{pc.mac}", f"BY-GUID,{pc.guid},"], "Install")

    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(disk.MARK + OWN_SYSTEM, 150, unless=wording.BOOTS)
    (conflict,) = await scenario.lab.point.ask("identity", "conflicts")
    assert (conflict["macs"], conflict["guids"]) == ([pc.mac], [str(pc.guid)])
    assert (conflict["computers"], conflict["kind"]) == (["BY-MAC", "BY-GUID"], "twice")

    await scenario.lab.point.pxed("identity", "settle", str(conflict["id"]), "--merge", "BY-MAC")
    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(wording.BOOTS + MANDATORY, 150, unless=disk.MARK)
