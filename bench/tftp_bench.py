"""What every load of TFTP is run on: the network, the files and the servers; `Bench.take` is one measurement."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.network import SERVER, Network, network
from bench.packages import CACHE
from bench.peers import Server, find_peers, pxed
from bench.processor import busy_seconds, cpu_seconds
from bench.result import Result
from bench.serving import Silent, running
from bench.tftp_client import Order, Outcome
from bench.tftp_content import BLOCK_SIZE, PROBE, write_file
from bench.tftp_loading import loading
from bench.tftp_turn import library

AREA = "TFTP"
_QUIET, _PATIENCE = 0.15, 1
"""Processors that others may use while something is measured, and how often it is measured again if they use more, in
a full run."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement."""

    outcome: Outcome
    cpu_seconds: float
    """of the server and its children"""
    others: float
    """processors that neither server nor load used but somebody else, on average"""


class Bench:
    """The network, the files, and the servers; pxed is the first of these."""

    def __init__(self, net: Network, directory: Path, servers: list[Server], patience: int) -> None:
        self.net = net
        self._patience = patience
        self._directory = directory
        self.root = directory / "files"
        self.root.mkdir()
        write_file(self.root / PROBE, 1)
        self.servers = servers

    @property
    def fast(self) -> list[Server]:
        """Those that are near the best."""
        return [server for server in self.servers if server.fast]

    def file(self, blocks: int, block_size: int = BLOCK_SIZE) -> str:
        """The name of a file of so many blocks."""
        path = self.root / f"file-{blocks}-{block_size}"
        if not path.exists():
            write_file(path, blocks, block_size=block_size)
        return path.name

    def order(self, clients: int, window: int, blocks: int, seconds: float, *, block_size: int = BLOCK_SIZE) -> Order:
        """A load on a file of so many blocks."""
        file = self.file(blocks, block_size)
        return Order(SERVER, file, blocks, clients, window, seconds, block_size=block_size)

    def take(
        self,
        server: Server,
        order: Order,
        *,
        loss: int = 0,
        meanwhile: Callable[[], None] | None = None,
        look: Callable[[int], None] | None = None,
    ) -> Taken:
        """Runs one load. `meanwhile` is called while it runs; `look` is shown the server's process id afterwards, while
        the transfers that did not come to their end are open. Silent if the server gave nothing, or wrong octets."""
        command = self.net.on_server(server.command(self.root), cpus=server.cpus)
        with running(self.net, command, self._directory / "words") as pid, loading(self.net, order) as load:
            self.net.lose(loss)
            try:
                before, busy = cpu_seconds(pid), busy_seconds()
                outcome = load.go(meanwhile)
                spent, busy = cpu_seconds(pid) - before, busy_seconds() - busy
                if look is not None:
                    look(pid)
            finally:
                self.net.lose(0)
        outcome.errors = [text.replace(f"{self.root}/", "") for text in outcome.errors]
        if not outcome.blocks:
            raise Silent("; ".join(outcome.errors) or "sent nothing")
        if outcome.wrong and not order.tolerant:
            raise Silent(f"{outcome.wrong} blocks had wrong octets")
        others = (busy - spent - outcome.cpu_seconds) / outcome.seconds
        return Taken(outcome, spent, max(0.0, others))

    def tried(self, server: Server, order: Order, result: Result, *, loss: int = 0, again: bool = True) -> Taken | None:
        """The same; if something else used the machine meanwhile, `again`, and the quietest counts.

        A server that cannot do it has a note in `result` that says why.
        """
        try:
            taken = self.take(server, order, loss=loss)
            for _ in range(self._patience if again and not loss else 0):  # under loss the time goes to waiting
                if taken.others <= _QUIET:
                    break
                taken = min(taken, self.take(server, order), key=lambda one: one.others)
        except Silent as error:
            result.note(f"{server.name}: {error}")
            return None
        if taken.outcome.window != order.window:
            result.note(f"{server.name} agrees on window {taken.outcome.window} only")
        if taken.outcome.errors:
            result.note(f"{server.name}: {'; '.join(taken.outcome.errors)}")
        return taken


@contextmanager
def bench(
    quick: bool,
    *,
    cable: Callable[[str, str], AbstractContextManager[None]] | None = None,
    two_workers: bool = False,
    quick_peer: str = "dnsmasq",
) -> Iterator[Bench]:
    """All of it, for as long as the block lasts. A quick run has those peers alone whose name begins so: the fastest of
    most loads."""
    library()  # without it no load begins
    with network(cable) as net, tempfile.TemporaryDirectory(prefix="pxed-bench-") as name:
        if cable is None:
            net.take_together(True)
        directory = Path(name)
        subject = directory / "pxed"
        subject.mkdir()
        peers = [peer for peer in find_peers(CACHE).peers if not quick or peer.name.startswith(quick_peer)]
        servers = [pxed(subject), *peers]
        if two_workers:
            servers.append(pxed(subject, workers=2))
        yield Bench(net, directory, servers, 0 if quick else _PATIENCE)


def missing() -> list[str]:
    """Why servers could not be had, a sentence each."""
    return find_peers(CACHE).notes
