"""The main job on real firmware: what `pxed lab demo` shows, on both kinds of machine each."""

from dataclasses import replace

import pytest

from pxed.lab import wording
from pxed.lab.machine import Firmware
from pxed.lab.scenario import MANDATORY, OPTIONAL, OWN_SYSTEM, Scenario

pytestmark = [pytest.mark.firmware, pytest.mark.netns, pytest.mark.timeout(900)]

both = pytest.mark.parametrize("firmware", list(Firmware))


@both
async def test_a_mandatory_advertisement_runs_once_until_it_is_cleared(scenario: Scenario, firmware: Firmware) -> None:
    pc = scenario.hardware("PC", firmware, 1)
    await scenario.advertise(MANDATORY, "Install", "mandatory")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Install")

    async with scenario.lab.switched_on(pc) as machine:
        await scenario.installs(machine, MANDATORY)
        await scenario.starts_from_disk(machine, MANDATORY)

    await scenario.clear_last(pc)
    async with scenario.lab.switched_on(pc) as machine:
        await scenario.installs(machine, MANDATORY)
        await scenario.starts_from_disk(machine, MANDATORY)


@pytest.mark.parametrize(("firmware", "card"), [(Firmware.BIOS, "e1000e"), (Firmware.UEFI, "virtio-net-pci")])
async def test_an_optional_advertisement_asks_for_f12(scenario: Scenario, firmware: Firmware, card: str) -> None:
    pc = replace(scenario.hardware("PC", firmware, 2), card=card)
    await scenario.advertise(OPTIONAL, "Ask", "optional")
    await scenario.import_computers([f"{pc.name},{pc.guid},"], "Ask")

    async with scenario.lab.switched_on(pc) as machine:
        await scenario.asks_for_f12(machine, OPTIONAL, pressed=True)
        await scenario.asks_for_f12(machine, OPTIONAL, pressed=False)


@both
async def test_an_unknown_machine_is_left_alone_until_it_is_imported(scenario: Scenario, firmware: Firmware) -> None:
    pc = scenario.hardware("STRANGER", firmware, 3, OWN_SYSTEM)
    await scenario.advertise(MANDATORY, "Install", "mandatory")

    await scenario.is_not_answered(pc)

    await scenario.import_computers([f"{pc.name},{pc.guid},{pc.mac}"], "Install")
    async with scenario.lab.switched_on(pc) as machine:
        await scenario.installs(machine, MANDATORY)
        await scenario.starts_from_disk(machine, MANDATORY)


@pytest.mark.parametrize(
    ("settings", "form", "packets"),
    [
        ("", "boot-from-first-offer", 1),
        ('[responder]\nuefi_offer = "boot-server"', "boot-server", 2),  # the offer, and what port 4011 says
    ],
)
async def test_uefi_boots_by_the_form_of_offer_that_is_set(scenario: Scenario, form: str, packets: int) -> None:
    pc = scenario.hardware("PC", Firmware.UEFI, 4)
    await scenario.advertise(OPTIONAL, "Ask", "optional")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Ask")

    async with scenario.lab.switched_on(pc) as machine:
        await machine.serial.wait_for(wording.PROMPT, 150)
        answers = (await scenario.lab.point.ask("status"))["service"]["answers"]
    answered = {name: count for name, count in answers.items() if name.startswith("answered")}
    assert set(answered) == {f"answered: {form}", "answered: ipxe-script"}
    assert answered[f"answered: {form}"] >= packets
