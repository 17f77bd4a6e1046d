"""TFTP: the loads, each run on every server in turn, round after round."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.content import BLOCK_SIZE, PROBE, blocks_of, write_file
from bench.network import SERVER, Network, network
from bench.peers import Field, Server, find_peers, pxed
from bench.result import SUBJECT, Result
from bench.serving import Silent, cpu_seconds, loading, resident, running
from bench.tftp_load import Order, Outcome

AREA = "TFTP"
CACHE = Path.home() / ".cache" / "pxed" / "bench"
_ALL_CPUS = "0-1"


@dataclass(frozen=True, slots=True)
class Work:
    """A load of the table: so many clients, each of which fetches a file of its own size once."""

    clients: int
    window: int
    megabytes: int
    bar: float
    cpu_bar: float | None = None
    seconds: float = 8.0
    """after which a slow server is stopped; what it did by then is its rate"""

    @property
    def title(self) -> str:
        """As in the table."""
        many = "one client" if self.clients == 1 else f"{self.clients:,} clients"
        return f"{many}, window {self.window}"


_RATES = (
    Work(49, 1, 12, 1.05, 1.0),
    Work(200, 1, 3, 1.05),
    Work(49, 4, 12, 1.8, 0.6),
    Work(49, 16, 16, 2.0, 0.4),
    Work(1, 1, 16, 1.0),
    Work(1, 4, 32, 1.0),
    Work(1, 16, 64, 1.0),
    Work(1, 64, 64, 1.0),
)
_QUICK = (Work(49, 1, 4, 1.05, 1.0), Work(49, 4, 8, 1.8, 0.6), Work(49, 16, 12, 2.0, 0.4), Work(1, 1, 8, 1.0))
_QUICK_PEERS = 2
"""the newest dnsmasq and atftpd"""
_LOSS = 5
"""percent, of either direction"""
_LOSSY_BLOCKS = 50
"""of the file that goes through such loss"""


class Bench:
    """The network, the files, and the servers; `take` is one measurement."""

    def __init__(self, net: Network, directory: Path, servers: list[Server]) -> None:
        self._net = net
        self._directory = directory
        self._root = directory / "files"
        self._root.mkdir()
        write_file(self._root / PROBE, 1)
        self.servers = servers
        self.notes: dict[str, list[str]] = {}

    def file(self, blocks: int) -> str:
        """The name of a file of so many blocks."""
        path = self._root / f"file-{blocks}"
        if not path.exists():
            write_file(path, blocks)
        return path.name

    def take(
        self,
        server: Server,
        work: Work,
        *,
        stop_after: int = 0,
        loss: int = 0,
        look: Callable[[int], None] | None = None,
    ) -> tuple[Outcome, float]:
        """What the load was, and the server's processor seconds; `look` is shown the process while transfers are open.

        Silent if the server gave nothing.
        """
        blocks = blocks_of(work.megabytes) if work.megabytes else _LOSSY_BLOCKS
        order = Order(SERVER, self.file(blocks), blocks, work.clients, work.window, work.seconds, stop_after=stop_after)
        cpus = _ALL_CPUS if "workers" in server.name else "0"
        command = self._net.on_server(server.command(self._root), cpus=cpus)
        with running(self._net, command, self._directory / "words") as pid, loading(self._net, order) as load:
            self._net.lose(loss)
            try:
                before = cpu_seconds(pid)
                outcome = load.go()
                spent = cpu_seconds(pid) - before
                if look is not None:
                    look(pid)
            finally:
                self._net.lose(0)
        if not outcome.blocks:
            raise Silent("; ".join(outcome.errors) or "sent nothing")
        if outcome.wrong:
            raise Silent(f"{outcome.wrong} blocks had wrong octets")
        return outcome, spent


def run(quick: bool) -> list[Result]:
    """Every load of the table, or with `quick` the main ones on the fast servers."""
    field = find_peers(CACHE)
    with _bench(field, quick) as bench:
        results = [result for work in (_QUICK if quick else _RATES) for result in _rate(bench, work, 2 if quick else 3)]
        results += [_loss(bench, window, quick) for window in ((4,) if quick else (1, 4, 16))]
        results += _thousand(bench, quick)
        results.append(_memory(bench, quick))
    for result in results[:1]:
        result.notes += field.notes
    return results


@contextmanager
def _bench(field: Field, quick: bool) -> Iterator[Bench]:
    with network() as net, tempfile.TemporaryDirectory(prefix="pxed-bench-") as name:
        directory = Path(name)
        subject = directory / "pxed"
        subject.mkdir()
        peers = [peer for peer in field.peers if peer.fast or not quick]
        if quick and len(peers) > _QUICK_PEERS:
            peers = peers[-_QUICK_PEERS:]
        servers = [pxed(subject), *peers]
        if not quick:
            servers.append(pxed(subject, workers=2))
        yield Bench(net, directory, servers)


def _rate(bench: Bench, work: Work, rounds: int) -> list[Result]:
    """Blocks a second, and with a bar for it, the server's processor time for a gigabyte."""
    rate = Result(AREA, f"{work.title}: throughput", "blocks/s", bar=work.bar)
    cpu = Result(AREA, f"{work.title}: processor time", "CPU s/GB", better="lower", bar=work.cpu_bar)
    for turn in range(rounds):
        for server in bench.servers if turn == 0 else _fast(bench):
            try:
                outcome, spent = bench.take(server, work)
            except Silent as error:
                rate.note(f"{server.name}: {error}")
                continue
            rate.add(server.name, outcome.blocks / outcome.seconds)
            if spent < outcome.seconds / 20:
                cpu.note(f"{server.name}: its processes end without a trace of their time")
            elif outcome.window == work.window:
                cpu.add(server.name, spent / (outcome.blocks * BLOCK_SIZE / 1e9))
            else:
                rate.note(f"{server.name} agrees on window {outcome.window} only")
            if outcome.errors:
                rate.note(f"{server.name}: {'; '.join(outcome.errors)}")
    return [rate] if work.cpu_bar is None else [rate, cpu]


def _loss(bench: Bench, window: int, quick: bool) -> Result:
    """Seconds until 100 clients are through although datagrams are lost."""
    work = Work(100, window, 0, 1.0, seconds=15 if quick else 60)
    title = f"{work.title}, {_LOSS} % lost each way, {_LOSSY_BLOCKS} blocks each: time"
    result = Result(AREA, title, "s", better="lower", bar=1.0)
    for _ in range(1 if quick else 3):
        for server in _fast(bench):
            try:
                outcome, _cpu = bench.take(server, work, loss=_LOSS)
            except Silent as error:
                result.note(f"{server.name}: {error}")
                continue
            if outcome.complete == work.clients:
                result.add(server.name, outcome.seconds)
            else:
                result.note(f"{server.name}: {outcome.complete} of {work.clients} clients through")
            if outcome.window != window:
                result.note(f"{server.name} agrees on window {outcome.window} only")
    return result


def _thousand(bench: Bench, quick: bool) -> list[Result]:
    """1,000 clients at once, each with the whole file: how long, and how fair."""
    work = Work(1000, 4, 1 if quick else 16, 1.0, seconds=15 if quick else 90)
    title = f"{work.title} at once, {work.megabytes} MB each"
    took = Result(AREA, f"{title}: time", "s", better="lower")
    fair = Result(AREA, f"{title}: slowest / median client", "", better="lower", limit=1.5)
    for server in _fast(bench):
        try:
            outcome, _ = bench.take(server, work)
        except Silent as error:
            took.note(f"{server.name}: {error}")
            continue
        took.note(f"{server.name}: {outcome.complete:,} of {work.clients:,} clients through, every octet right")
        if outcome.complete == work.clients:
            took.add(server.name, outcome.seconds)
            fair.add(server.name, outcome.slowest_time / outcome.median_time)
    return [took, fair]


def _memory(bench: Bench, quick: bool) -> Result:
    """Resident memory of the service and its workers while 1,000 clients are in the midst of one image of 500 MB."""
    work = Work(1000, 4, 100 if quick else 500, 1.0, seconds=30)
    result = Result(AREA, f"1,000 transfers of one {work.megabytes} MB image: memory", "MB", better="lower", limit=200)

    def look(pid: int) -> None:
        private, files = resident(pid)
        result.add(SUBJECT, private)
        result.note(f"beside it {files:.0f} MB of pages of files, which all processes share with the page cache")

    outcome, _ = bench.take(bench.servers[0], work, stop_after=200, look=look)
    result.note(f"service and one worker, {outcome.blocks:,} blocks sent by then")
    return result


def _fast(bench: Bench) -> list[Server]:
    return [server for server in bench.servers if server.fast]
