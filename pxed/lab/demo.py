"""The main job, shown on real firmware: computers boot from the network and are installed exactly once.

Seven steps, and each counts only if it was observed.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from pxed.lab.loaders import Loaders
from pxed.lab.machine import Firmware
from pxed.lab.opening import opened
from pxed.lab.scenario import MANDATORY, OPTIONAL, OWN_SYSTEM, Scenario
from pxed.lab.timeline import Timeline

STEPS = [
    "a boot image is built",
    "computers are imported, a mandatory and an optional advertisement are made",
    "the BIOS machine is installed from the network without a question",
    "it starts again: nothing to do, it goes on to its disk",
    "clear-last: it is installed again",
    "the UEFI machine asks for F12: installed if pressed, on to its disk if not",
    "an unknown machine is not answered and is listed; after its import it is installed",
]


async def demo(cache: Path, loaders: Loaders, timeline: Timeline, logs: Path | None) -> None:
    """Brings up a lab and shows the steps in it; a PxedError at the first that does not come about.

    The logs of all machines and of the service go with the lab, unless there is a directory `logs` to keep them in.
    """
    async with opened("demo", loaders, timeline.event, logs) as lab:
        scenario = Scenario(lab, cache)
        bios = scenario.hardware("NEWCOMP1", Firmware.BIOS, 1)
        uefi = scenario.hardware("NEWCOMP2", Firmware.UEFI, 2)
        stranger = scenario.hardware("STRANGER", Firmware.BIOS, 3, OWN_SYSTEM)
        with timeline.step(1):
            await scenario.build_boot_image(shown=True)
        with timeline.step(2):
            await scenario.add_sequence()
            await scenario.advertise(MANDATORY, "Install", "mandatory")
            await scenario.advertise(OPTIONAL, "Ask", "optional")
            await scenario.import_computers([f"{bios.name},,{bios.mac}"], "Install")
            await scenario.import_computers([f"{uefi.name},{uefi.guid},"], "Ask")
        async with AsyncExitStack() as power:
            with timeline.step(3):
                machine = await power.enter_async_context(lab.switched_on(bios))
                await scenario.installs(machine, MANDATORY)
            with timeline.step(4):
                await scenario.starts_from_disk(machine, MANDATORY)
        with timeline.step(5):
            await scenario.clear_last(bios)
            async with lab.switched_on(bios) as machine:
                await scenario.installs(machine, MANDATORY)
                await scenario.starts_from_disk(machine, MANDATORY)
        with timeline.step(6):
            async with lab.switched_on(uefi) as machine:
                await scenario.asks_for_f12(machine, OPTIONAL, pressed=True)
                await scenario.asks_for_f12(machine, OPTIONAL, pressed=False)
        with timeline.step(7):
            await scenario.is_not_answered(stranger)
            await scenario.import_computers([f"{stranger.name},{stranger.guid},{stranger.mac}"], "Install")
            async with lab.switched_on(stranger) as machine:
                await scenario.installs(machine, MANDATORY)
                await scenario.starts_from_disk(machine, MANDATORY)
