"""A password at the boot loader: over HTTPS with the service point's own authority, and where a loader has no HTTPS."""

import pytest

from pxed.config import PLAIN_HTTP
from pxed.lab import wording
from pxed.lab.machine import Firmware
from pxed.lab.scenario import OPTIONAL, Scenario

pytestmark = [pytest.mark.firmware, pytest.mark.netns, pytest.mark.timeout(600)]

PASSWORD = "Aa1 &%+=@:/?#${b}\\"
"""everything that a URL or a boot loader's script minds"""


async def password_events(scenario: Scenario, name: str) -> list[str]:
    return [event["text"] for event in await scenario.lab.point.ask("history", name) if event["kind"] == "password"]


async def test_a_wrong_password_is_refused_in_words_and_a_right_one_installs(scenario: Scenario) -> None:
    pc = scenario.hardware("PC", Firmware.UEFI, 5)
    await scenario.set_password("jane", PASSWORD)
    await scenario.advertise(OPTIONAL, "Ask", "optional")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Ask")

    async with scenario.lab.switched_on(pc) as machine:
        await scenario.asks_for_password(machine, "jane", PASSWORD.lower(), PASSWORD)
        await scenario.installs(machine, OPTIONAL)
        screen = "\n".join(line.text for line in machine.serial.lines)
    assert PASSWORD not in screen
    assert PASSWORD.encode().hex() not in screen
    said = await password_events(scenario, pc.name)
    assert said == [f"{OPTIONAL!r}: wrong password of jane", f"{OPTIONAL!r}: right password of jane"]


async def test_a_loader_without_https_is_refused_in_words(scenario: Scenario) -> None:
    """As iPXE's ROM in network cards, and every iPXE for BIOS."""
    pc = scenario.hardware("OLD", Firmware.BIOS, 6)
    await scenario.set_password("jane", PASSWORD)
    await scenario.advertise(OPTIONAL, "Ask", "optional")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Ask")

    async with scenario.lab.switched_on(pc) as machine:
        await scenario.presses_f12(machine)
        await machine.serial.wait_for(wording.LOGIN_IMPOSSIBLE, 30, unless=wording.LOGIN)
        await machine.serial.wait_for(wording.LOCAL_BOOT, 30, unless=wording.BOOTS)
    assert await password_events(scenario, pc.name) == []


@pytest.mark.parametrize("settings", [f'[password]\nplain_http = "{PLAIN_HTTP}"'])
async def test_it_may_send_the_password_in_the_clear_if_the_operator_says_so(scenario: Scenario) -> None:
    pc = scenario.hardware("OLD", Firmware.BIOS, 7)
    await scenario.set_password("jane", PASSWORD)
    await scenario.advertise(OPTIONAL, "Ask", "optional")
    await scenario.import_computers([f"{pc.name},,{pc.mac}"], "Ask")

    async with scenario.lab.switched_on(pc) as machine:
        await scenario.asks_for_password(machine, "jane", PASSWORD)
        await machine.serial.wait_for(wording.BOOTS, 30)
    assert await password_events(scenario, pc.name) == [f"{OPTIONAL!r}: right password of jane"]
