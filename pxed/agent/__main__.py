"""`python3 -m pxed.agent`, started by the boot image's /init: puts the parts together and ends; /init restarts.

On a failure it waits with its message on the screen first, so that a person can read it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from pxed.agent import cmdline, network
from pxed.agent.console import Console, open_consoles
from pxed.agent.drivers import Drivers
from pxed.agent.run import Result, run_command
from pxed.agent.server import Server, Unreachable
from pxed.agent.task import End, carry_out


def main() -> None:
    """Does the whole work of one boot."""
    with open_consoles() as console:
        wait = cmdline.DEFAULT_WAIT
        try:
            options = cmdline.parse(Path("/proc/cmdline").read_text())
            wait = options.wait
            end = _work(options, console)
        except (ValueError, network.NoNetwork, Unreachable) as error:
            console.say(str(error))
            end = End.FAILED
        if end is End.FAILED:
            console.say(f"this computer restarts in {wait} s")
            time.sleep(wait)


def _work(options: cmdline.Options, console: Console) -> End:
    drivers = Drivers(_modprobe)
    interface = network.bring_up(
        options.boot_mac, lease=_lease, load_drivers=drivers.load, sleep=time.sleep, say=console.say
    )
    console.say(f"network is up on {interface}; asking {options.server}")
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    server = Server(options.server, options.token, boot_id, sleep=time.sleep, say=console.say)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "TERM": "linux",
        "PXED_SERVER": options.server,
        "PXED_INTERFACE": interface,
    }

    def execute(command: str, variables: Mapping[str, str]) -> Result:
        drivers.load()  # what a step before this one plugged in or brought to light
        return run_command(command, variables, console.write)

    return carry_out(server, execute, environment, console.say)


def _modprobe(names: list[str]) -> None:
    # -q: most devices need no driver, or none that this image has.
    subprocess.run(["modprobe", "-a", "-q", *names], stderr=subprocess.DEVNULL, check=False)


def _lease(interface: str) -> bool:
    """Asks for a lease about ten seconds long; when there is one, udhcpc stays in the background and renews it."""
    subprocess.run(["ip", "link", "set", interface, "up"], check=False)
    client = ["udhcpc", "-i", interface, "-n", "-t", "5", "-T", "2", "-S", "-s", "/etc/udhcpc.script"]
    return subprocess.run(client, stdin=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    main()
