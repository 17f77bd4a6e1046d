"""The lab's network: namespaces, one switch, an ordinary DHCP server that knows nothing of network boot.

    pxed-<lab>-switch   a bridge without spanning tree; a tap device for each machine
    pxed-<lab>-dhcp     eth0 10.77.0.1: dnsmasq, addresses only
    pxed-<lab>-point    eth0 10.77.0.2: the service point

Nothing touches the namespace that the lab is started from: no interface, no route, no packet. The names hold the lab's
id, so that several labs run side by side and the remains of one are known by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pxed.errors import Unavailable
from pxed.lab.process import Program, running
from pxed.lab.transcript import Transcript

DHCP_ADDRESS = "10.77.0.1"
ROUTER_ADDRESS = "fd77::1"
POINT_ADDRESS = "10.77.0.2"
INTERFACE = "eth0"
"""the name of the interface inside the namespaces `dhcp` and `point`"""

_PREFIX = "pxed-"
_ROLES = ("switch", "dhcp", "point")
_NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Network:
    """The names of a lab's network."""

    lab: str

    @property
    def switch(self) -> str:
        """The namespace of the bridge and the machines."""
        return f"{_PREFIX}{self.lab}-switch"

    @property
    def dhcp(self) -> str:
        """The namespace of the DHCP server."""
        return f"{_PREFIX}{self.lab}-dhcp"

    @property
    def point(self) -> str:
        """The namespace of the service point."""
        return f"{_PREFIX}{self.lab}-point"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All of them."""
        return (self.switch, self.dhcp, self.point)

    @contextmanager
    def tap(self, name: str) -> Iterator[str]:
        """A port of the switch for one machine, for as long as the block lasts."""
        _ip("-n", self.switch, "tuntap", "add", "dev", name, "mode", "tap")
        try:
            _ip("-n", self.switch, "link", "set", name, "master", "bridge", "up")
            yield name
        finally:
            _ip("-n", self.switch, "link", "delete", name, check=False)


@contextmanager
def network(lab: str) -> Iterator[Network]:
    """Builds the namespaces, the bridge and the cables; takes all down at the end, with every process left inside."""
    net = Network(lab)
    try:
        for namespace in net.namespaces:
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", net.switch, "link", "add", "bridge", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        _ip("-n", net.switch, "link", "set", "bridge", "up")
        for role, namespace, address in (("dhcp", net.dhcp, DHCP_ADDRESS), ("point", net.point, POINT_ADDRESS)):
            _ip("-n", net.switch, "link", "add", role, "type", "veth", "peer", "name", INTERFACE, "netns", namespace)
            _ip("-n", net.switch, "link", "set", role, "master", "bridge", "up")
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", INTERFACE)
            _ip("-n", namespace, "link", "set", INTERFACE, "up")
        _ip("-n", net.dhcp, "address", "add", f"{ROUTER_ADDRESS}/64", "dev", INTERFACE, "nodad")
        yield net
    finally:
        tear_down(lab)


@asynccontextmanager
async def dhcp_server(net: Network, directory: Path, transcript: Transcript) -> AsyncIterator[Program]:
    """Runs dnsmasq with a pool of addresses and nothing else: no DNS, no TFTP, no boot file, no PXE."""
    arguments = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--log-dhcp",
        "--user=root",
        "--port=0",
        "--bind-interfaces",
        f"--interface={INTERFACE}",
        "--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h",
        "--dhcp-authoritative",
        "--enable-ra",  # iPXE looks for an IPv6 router at each start, and waits 13 s if there is none
        "--dhcp-range=fd77::,ra-only",
        "--no-ping",  # its look for a rival address takes three seconds a machine
        f"--dhcp-leasefile={directory / 'leases'}",
        "--pid-file=",
    ]
    async with running(transcript, inside(net.dhcp, arguments)) as server:
        await transcript.wait_for("sockets bound", 20)
        yield server


def inside(namespace: str, arguments: list[str]) -> list[str]:
    """The command line that runs `arguments` in a namespace; the process that results is the program itself."""
    return ["ip", "netns", "exec", namespace, *arguments]


def tear_down(lab: str) -> None:
    """Ends every process inside a lab's namespaces and deletes them; what is not there is no error.

    A process is one of ours because it lives in a namespace that bears our name. That is checked on a descriptor of
    the process, so a process id which has been given to somebody else meanwhile is never hit.
    """
    for namespace in Network(lab).namespaces:
        path = _NAMESPACES / namespace
        if not path.exists():
            continue
        for pid in _ip("netns", "pids", namespace, check=False).split():
            _kill_inside(int(pid), path)
        _ip("netns", "delete", namespace, check=False)


def labs_with_namespaces() -> frozenset[str]:
    """The ids of all labs of which a namespace exists."""
    names = [path.name for path in _NAMESPACES.glob(f"{_PREFIX}*")]
    parts = [name.removeprefix(_PREFIX).rsplit("-", 1) for name in names]
    return frozenset(part[0] for part in parts if len(part) == 2 and part[1] in _ROLES)


def _kill_inside(pid: int, namespace: Path) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if Path(f"/proc/{pid}/ns/net").stat().st_ino == namespace.stat().st_ino:
            signal.pidfd_send_signal(process, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended by itself
    finally:
        os.close(process)


def _ip(*arguments: str, check: bool = True) -> str:
    try:
        # in a session of its own: Ctrl-C at the terminal must not cut a tear-down in two
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, start_new_session=True)
    except FileNotFoundError:
        raise Unavailable("the lab needs the program ip: apt-get install iproute2") from None
    if check and done.returncode != 0:
        raise Unavailable(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
