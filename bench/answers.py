"""Answers on port 67: DISCOVERs of computers of a site, pxed beside dnsmasq as a PXE proxy with as many hosts.

Every server is first asked as fast as it answers; how long an answer takes is then measured at one rate for all. In one
load pxed hears computers that nobody knows and says nothing, as it is configured at first: it sights them. How
fast the load itself is shows a server that only sends packets back (`echo`).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.answers_load import Order, Outcome, guid_of, mac_of
from bench.network import INTERFACE, Network, network
from bench.network import run as run_program
from bench.result import SUBJECT, Result
from bench.serving import Silent, resident, running
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.database import open_database
from pxed.site.draft import Draft
from pxed.site.model import Kind
from pxed.site.sql import Database, transaction
from pxed.verdict_log import TOLD_AT_ONCE

_LOADER = "snponly.efi"
_COLLECTION = "lab"
_PAUSE = 0.05
"""seconds between two DISCOVERs of a computer that waits until the server is there: so few that none are left to it"""
_FEW = 10
_QUIET = 100.0
"""packets a second, fewer than in any flood"""
QUICK = "Answers: one round, a third of the packets; known computers are 100,000 and no other number"


@dataclass(frozen=True)
class Load:
    """A site and its bars."""

    name: str
    computers: int
    order: Order
    bar: float | None = None
    """ratio to dnsmasq's rate"""
    floor: float | None = None
    """answers a second"""
    unknown_computers: str = "ignore"
    hosts: int | None = None
    """of dnsmasq; None if it is not asked"""
    quick: bool = False
    """whether a quick run has it"""

    @property
    def latency_bar(self) -> float | None:
        """Ratio to dnsmasq's middle latency; where nobody is known it has nothing to look through."""
        return None if self.computers else 1.0

    @property
    def calm(self) -> str:
        """The rate at which latency is measured, the same for all servers."""
        return "half of the bar" if self.floor else "half of the slowest server's rate"


@dataclass(frozen=True)
class Server:
    """A server, and how it is asked for as much as it can do."""

    name: str
    command: list[str]
    order: Order


def run(quick: bool) -> list[Result]:
    """Rate and latency of every load."""
    packets, rounds = (20_000, 1) if quick else (60_000, 5)
    loads = [
        Load("no known computers", 0, Order(1_000_000, packets), 0.5, None, _COLLECTION, hosts=0, quick=True),
        Load("few known computers", _FEW, Order(_FEW, packets), 0.5, hosts=0),
        Load("unknown computers, ignored", _FEW, Order(_FEW, packets // 20, window=4, unknown=19), quick=True),
        Load("10,000 known computers", 10_000, Order(10_000, packets), 1.0, hosts=10_000),
        Load("100,000 known computers", 100_000, Order(100_000, packets), None, 20_000.0, hosts=100_000, quick=True),
        Load("1,000,000 known computers", 1_000_000, Order(1_000_000, packets), None, 15_000.0),
    ]
    with tempfile.TemporaryDirectory(prefix="pxed-bench-answers-") as name, network() as net:
        directory = Path(name)
        results = [_ceiling(net, directory, packets, rounds)]
        for load in loads:
            if quick and not load.quick:
                continue
            results += _measured(net, load, directory, rounds)
    return results


def _ceiling(net: Network, directory: Path, packets: int, rounds: int) -> Result:
    """What the load itself can do."""
    rate = Result("Answers", "ceiling of the load generator: rate", "packets/s", "higher")
    command = [sys.executable, "-m", "bench.answers_load", json.dumps(asdict(Order(0, 0, echo=True)))]
    order = Order(1_000_000, packets)
    for _ in range(rounds):
        with running(net, net.on_server(command), directory / "echo.log"):
            _wait_for_answer(net)
            rate.add("echo", _send(net, order).rate)
    rate.note("this server sends packets back and does nothing else: the load limits none that is slower")
    return rate


def _measured(net: Network, load: Load, directory: Path, rounds: int) -> list[Result]:
    rate = Result("Answers", f"{load.name}: rate", "packets/s", "higher", load.bar, load.floor)
    half = Result("Answers", f"{load.name}: p50 at {load.calm}", "ms", "lower", load.latency_bar)
    slow = Result("Answers", f"{load.name}: p99 at {load.calm}", "ms", "lower", limit=5.0 if load.floor else None)
    memory = Result("Answers", f"{load.name}: resident memory of the service", "MB", "lower", limit=250.0)
    servers = [_pxed(load, directory)]
    if load.hosts is not None:
        servers.append(_dnsmasq(load, load.hosts, directory))
    for server, pid in _in_turn(net, servers, directory, rounds, rate):
        storm = _send(net, server.order)
        rate.add(server.name, storm.rate)
        memory.add(server.name, sum(resident(pid)))
        _note_failures(rate, server, storm)
    rate.note(f"in a flood of more than {TOLD_AT_ONCE:,} packets pxed answers what is alike on its fast path")
    rates = {name: rate.median(name) for name in rate.samples}
    if rates and not load.order.unknown:
        pace = load.floor / 2 if load.floor else min(rates.values()) / 2
        half.note(f"every server is sent {pace:,.0f} packets a second")
        able = [server for server in servers if server.name.startswith(SUBJECT) or rates.get(server.name, 0.0) >= pace]
        for server in servers:
            if server not in able:
                half.note(f"{server.name} is left out: it answers {rates.get(server.name, 0.0):,.0f} a second at most")
        for server, _ in _in_turn(net, able, directory, rounds, half):
            order = replace(server.order, packets=load.order.packets // 4)
            _send(net, order)  # one that has just started still has other things to do
            _add_latency(half, slow, server, _send(net, replace(order, rate=pace)))
    quiet = _quiet(net, load, servers, directory, rounds) if load.latency_bar else []
    return [result for result in (rate, half, slow, *quiet, memory) if result.samples]


def _quiet(net: Network, load: Load, servers: list[Server], directory: Path, rounds: int) -> list[Result]:
    """How long an answer takes on an ordinary day: pxed sends each on its long way, and tells of it."""
    half = Result("Answers", f"{load.name}: p50 at {_QUIET:g} packets a second", "ms", "lower")
    slow = Result("Answers", f"{load.name}: p99 at {_QUIET:g} packets a second", "ms", "lower")
    for server, _ in _in_turn(net, servers, directory, rounds, half):
        _add_latency(half, slow, server, _send(net, replace(server.order, packets=round(3 * _QUIET), rate=_QUIET)))
    half.note("no flood: pxed answers on its long way")
    return [half, slow]


def _add_latency(half: Result, slow: Result, server: Server, outcome: Outcome) -> None:
    half.add(server.name, outcome.p50 * 1000)
    slow.add(server.name, outcome.p99 * 1000)
    _note_failures(half, server, outcome)


def _note_failures(result: Result, server: Server, outcome: Outcome) -> None:
    if outcome.lost or outcome.wrong:
        result.note(f"{server.name}: {outcome.lost} not answered, {outcome.wrong} answered wrongly")


def _in_turn(
    net: Network, servers: list[Server], directory: Path, rounds: int, result: Result
) -> Iterator[tuple[Server, int]]:
    """Each server while it runs and answers, with its process id; one that does not answer has a note in `result`."""
    for _ in range(rounds):
        for server in servers:
            try:
                with running(net, net.on_server(server.command), directory / f"{server.name}.log") as pid:
                    _wait_for_answer(net)
                    yield server, pid
            except Silent as error:
                result.note(f"{server.name} {error}")


def _send(net: Network, order: Order) -> Outcome:
    command = net.on_load([sys.executable, "-m", "bench.answers_load", json.dumps(asdict(order))])
    return Outcome(**json.loads(run_program(command)))


def _wait_for_answer(net: Network) -> None:
    asking = net.on_load([sys.executable, "-m", "bench.start_load", str(_PAUSE)])
    if run_program(asking).split() == ["ready"]:
        raise Silent("did not answer")


def _pxed(load: Load, directory: Path) -> Server:
    state = directory / f"state{load.computers}"
    if not state.exists():
        make_site(state, load.computers)
    config = directory / "pxed.toml"
    config.write_text(
        f"""\
[service]
state_dir = "{state}"
run_dir = "{directory / "run"}"

[[interface]]
name = "{INTERFACE}"

[responder]
unknown_computers = "{load.unknown_computers}"

[tftp]
workers = 1
"""
    )
    return Server(SUBJECT, [sys.executable, "-m", "pxed", "serve", "--config", str(config)], load.order)


def make_site(state: Path, computers: int) -> None:
    """A site of so many computers in one collection, to which something optional is advertised."""
    (state / "tftp").mkdir(parents=True)
    (state / "tftp" / _LOADER).write_bytes(b"MZ")
    database = open_database("sqlite:///pxed.db", state, create=True)
    now = datetime.now(UTC)
    with transaction(database, "bench", now) as tx:
        home = tx.add_collection(_COLLECTION)
        image = tx.add_boot_image("linux")
        tx.add_variant(image.id, ImageVariant(Cpu.AMD64, ImageFile("vmlinuz", 1, "0" * 64), (), ""))
        tx.put_sequence("install", "linux", "{}")
        tx.advertise(Draft("Install", Kind.OPTIONAL, "install", _COLLECTION, now - timedelta(hours=1)))
    for text, rows in _rows(computers, home.id):
        _insert(database, text, rows)


def _rows(computers: int, collection: int) -> Iterator[tuple[str, Iterator[tuple[object, ...]]]]:
    """What an import writes, without its history: a million computers in seconds."""
    ids = range(1, computers + 1)
    yield "INSERT INTO computer (id, name, guid) VALUES (?, ?, ?)", ((i, f"pc{i}", str(guid_of(i - 1))) for i in ids)
    yield "INSERT INTO mac (address, computer_id) VALUES (?, ?)", ((mac_of(i - 1).hex(":"), i) for i in ids)
    yield "INSERT INTO membership (computer_id, collection_id) VALUES (?, ?)", ((i, collection) for i in ids)


def _insert(database: Database, text: str, rows: Iterator[tuple[object, ...]]) -> None:
    with closing(database.connect()) as driver:
        driver.execute("BEGIN")
        driver.execute_many(text, rows)
        driver.execute("COMMIT")


def _dnsmasq(load: Load, hosts: int, directory: Path) -> Server:
    """It offers no name: clients ask port 4011 for one. With many hosts, through all of which it looks at every packet,
    it is sent fewer."""
    listing = directory / f"hosts{hosts}"
    listing.write_text("".join(f"{mac_of(i).hex(':')},set:known\n" for i in range(hosts)))
    words = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]
    proxy = [f"--interface={INTERFACE}", "--bind-interfaces", "--dhcp-range=10.97.0.0,proxy"]
    boot = ["--pxe-service=x86-64_EFI,Boot,snponly.efi", "--enable-tftp", f"--tftp-root={directory}", "--quiet-dhcp"]
    fewer = 40 if hosts >= 10_000 else 1
    return Server(
        "dnsmasq",
        ["dnsmasq", *words, *proxy, *boot, f"--dhcp-hostsfile={listing}", "--log-facility=/dev/null"],
        replace(load.order, packets=load.order.packets // fewer, named=False),
    )
