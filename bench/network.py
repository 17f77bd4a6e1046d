"""Two network namespaces with one cable between them: a server on one processor, the load on another.

The server's end hands one frame after the other to the cable, as a network card does that cannot cut messages up
(gso_max_segs): a batch of blocks is never one packet on the wire. `cut_by_card` makes it a card that can, as most of
servers are. Every address of CLIENTS is one of the load's.

What the kernel does to receive a frame at the load's end is work of the processor that sent it, the server's. On a
network it is the client's, so `take_together` makes it less: frames that come in one go are received as one (GRO).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

INTERFACE = "eth0"
SERVER = "10.97.0.1"
LOAD = "10.97.0.2"
CLIENTS = "10.98.0.0/16"
SERVER_CPU, LOAD_CPU = 0, 1
_CONGESTION = ("congctl", "cubic")
"""How TCP finds its pace: Linux's own default, whatever the machine's is. BBR takes a client that is short of processor
time for a slow network: single downloads of a storm crawled for a minute when all others were over."""


@dataclass(frozen=True, slots=True)
class Network:
    """The names of the two namespaces."""

    server: str
    load: str

    def on_server(self, arguments: Sequence[str], *, cpus: str = str(SERVER_CPU)) -> list[str]:
        """The command line that runs `arguments` beside the server, on `cpus`, a list as taskset(1) takes it."""
        return ["ip", "netns", "exec", self.server, "taskset", "--cpu-list", cpus, *arguments]

    def on_load(self, arguments: Sequence[str], *, cpus: str = str(LOAD_CPU)) -> list[str]:
        """The same on the other end."""
        return ["ip", "netns", "exec", self.load, "taskset", "--cpu-list", cpus, *arguments]

    def cut_by_card(self, cut: bool) -> None:
        """Whether the server's network card cuts messages up into frames by itself, or leaves it to the processor."""
        run(["ip", "-n", self.server, "link", "set", INTERFACE, "gso_max_segs", "65535" if cut else "1"])

    def take_together(self, together: bool) -> None:
        """Whether the load's end puts datagrams together that came in one go, as the drivers of most network cards do,
        or takes each by itself. Those are lost together, too."""
        state = "on" if together else "off"
        run(self.on_load(["ethtool", "-K", INTERFACE, "gro", state, "rx-udp-gro-forwarding", state]))

    def lose(self, percent: int) -> None:
        """From now on so many of a hundred UDP datagrams of either direction are lost; 0 for none."""
        rules = "flush ruleset\n"
        if percent:
            drop = f"meta l4proto udp numgen random mod 100 < {percent} counter drop"
            rules += f"""\
table ip loss {{
    chain in {{
        type filter hook input priority 0
        {drop}
    }}
    chain out {{
        type filter hook output priority 0
        {drop}
    }}
}}
"""
        run(["ip", "netns", "exec", self.load, "nft", "-f", "-"], given=rules)


@contextmanager
def network(cable: Callable[[str, str], AbstractContextManager[None]] | None = None) -> Iterator[Network]:
    """The namespaces, for as long as the block lasts; processes in them are to be ended before.

    `cable` makes an INTERFACE in each of two namespaces that lead to each other; if None, veth(4) does.
    """
    names = f"pxbench-{os.getpid()}-server", f"pxbench-{os.getpid()}-load"
    server, load = names
    stack = ExitStack()
    try:
        for name in names:
            run(["ip", "netns", "add", name])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
        stack.enter_context((cable or _veth)(server, load))
        for name, address in ((server, SERVER), (load, LOAD)):
            run(["ip", "-n", name, "address", "add", f"{address}/24", "dev", INTERFACE])
            run(["ip", "-n", name, "link", "set", INTERFACE, "up"])
        run(["ip", "-n", server, "route", "replace", f"{LOAD}/32", "dev", INTERFACE, *_CONGESTION])
        run(["ip", "-n", server, "route", "add", CLIENTS, "via", LOAD, *_CONGESTION])
        run(["ip", "-n", load, "route", "add", "local", CLIENTS, "dev", "lo"])
        yield Network(server, load)
    finally:
        stack.close()
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@contextmanager
def _veth(server: str, load: str) -> Iterator[None]:
    ends = ["netns", server, "type", "veth", "peer", "name", INTERFACE, "netns", load]
    run(["ip", "link", "add", INTERFACE, *ends])
    for name in (server, load):
        run(["ip", "-n", name, "link", "set", INTERFACE, "gso_max_segs", "1"])
    yield


def run(arguments: Sequence[str], *, given: str = "") -> str:
    """Runs a program to its end, with `given` as its input; its output, or RuntimeError with its words."""
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
