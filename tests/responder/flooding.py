"""A site in a file, its responder, and the compiled thread beside it that is taught and asked over loopback."""

from __future__ import annotations

import functools
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import pytest

from pxed.config import Config
from pxed.datagrams import Address, Received
from pxed.records import Records
from pxed.responder import fastpath
from pxed.responder.answer import Responder
from pxed.responder.endpoint import Outcome
from pxed.responder.fastpath import FastPath
from pxed.responder.flows import Flow
from pxed.responder.place import Place
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.database import open_database
from pxed.site.sql import SqlReader, SqlTx, transaction
from pxed.site.sql.flows import FlowSite, flow_site
from pxed.site.store import Tx
from pxed.verdicts import Verdicts
from pxed.wire.dhcp import MessageType, Option, Packet
from pxed.wire.layout import NOWHERE, Layout
from tests.responder.test_answer import AT_67, LOADERS, discover
from tests.support import KEY, MAC, Clock

T = TypeVar("T")

URL = "sqlite:///pxed.db"
COLLECTIONS = 70
"""in each site, named c0, c1, ...; more than a computer may be in to be like others"""
PATIENCE = 30.0
"""seconds after which something that has to happen counts as not happening"""
_NEVER = 1e9
"""seconds between packets that take the long way in their turn: only the first one that has a flow does"""

needs_compiled = pytest.mark.skipif(not fastpath.is_compiled(), reason="the compiled module is not there")


class Forgetful:
    """A writer that writes nothing: what is asked of the site stays as it was made."""

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        return Future()

    def submit_droppable(self, job: Callable[[Tx], object]) -> None:
        pass


class Site:
    """A site in SQLite with `COLLECTIONS` and a task sequence, and a responder that reads it."""

    def __init__(self, directory: Path, config: Config | None = None, now: datetime | None = None) -> None:
        self.config = config or Config()
        self.clock = Clock(now or datetime.now(UTC))
        self.directory = directory
        (directory / "pxed.db").write_bytes(_prepared())
        self.database = open_database(URL, directory)
        self.reader = SqlReader(self.database)
        self.responder = self.another_responder()

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.close()

    def another_responder(self) -> Responder:
        """One that has heard nothing yet."""
        verdicts = Verdicts(self.reader, Records(Forgetful(), self.config, self.clock), self.config, self.clock)
        return Responder(verdicts, self.config, LOADERS, KEY, self.clock.unix, self.clock.unix)

    @contextmanager
    def edit(self) -> Iterator[SqlTx]:
        """An edit over a connection of its own, committed in the end."""
        with transaction(self.database, "operator", self.clock.now) as tx:
            yield tx

    def for_flows(self) -> FlowSite:
        """What the thread is given."""
        site = flow_site(URL, self.directory)
        assert site
        return site


@functools.cache
def _prepared() -> bytes:
    """The file of such a site."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with transaction(open_database(URL, directory, create=True), "") as tx:
            for number in range(COLLECTIONS):
                tx.add_collection(f"c{number}")
            image = tx.add_boot_image("debian")
            tx.add_variant(image.id, ImageVariant(Cpu.AMD64, ImageFile("vmlinuz", 4, "0" * 64), (), "quiet"))
            tx.put_sequence("install", "debian", "{}")
        return (directory / "pxed.db").read_bytes()


class Heard(NamedTuple):
    """What the thread did with packets, in their order."""

    whys: list[int | None]
    """of each, why it was passed up; None if it was not"""
    replies: list[bytes]
    counted: dict[str, int]


class Thread:
    """The thread on a socket of loopback, a teacher of it, and a client whose replies come back to it."""

    def __init__(self, site: Site, place: Place = AT_67, database: FlowSite | None = None) -> None:
        self.site = site
        self.place = place
        self.flows: list[Flow | None] = []
        """what was taught, with the destinations as they are on a network"""
        self.lost = 0
        self.counters: Counter[str] = Counter()
        with ExitStack() as failed:
            self.bound, self.client = failed.enter_context(udp_socket()), failed.enter_context(udp_socket())
            self.path = FastPath(self.bound, place, database or site.for_flows(), self)
            failed.pop_all()
        self.here: Address = self.client.getsockname()

    def __enter__(self) -> Thread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.close()
        self.bound.close()
        self.client.close()

    def is_flood(self) -> bool:
        """As a teacher."""
        return True

    def flow(self, received: Received, place: Place) -> Flow | None:
        """As a teacher: replies go back to where the packet came from."""
        flow = self.site.responder.flow(received, place)
        self.flows.append(flow)
        return flow._replace(destination=b"") if flow else None

    def count(self, counted: dict[str, int], lost: int) -> None:
        """As a teacher."""
        self.counters.update(counted)
        self.lost += lost

    def learn(self, data: bytes) -> Outcome:
        """Has a packet answered in the long way and learns from it; the answer."""
        (outcome,) = self.site.responder.answer([(data, self.here)], self.place)
        self.path.learn((data, self.here))
        return outcome

    def hear(self, packets: Sequence[bytes], between: float = _NEVER) -> Heard:
        """Has the thread run for these packets alone."""
        flows = self.path._flows
        counted: Counter[int] = Counter()
        heard = passed_up = lost = 0
        flows.start(between)
        for data in packets:
            self.client.sendto(data, self.bound.getsockname())
        deadline = time.monotonic() + PATIENCE
        while heard < len(packets):
            assert time.monotonic() < deadline, f"{heard} of {len(packets)} packets were heard"
            more, up, gone, unsent, each = flows.count()
            heard, passed_up, lost = heard + more, passed_up + up, lost + gone
            counted.update({index: number for index, number in enumerate(each) if number})
            assert not unsent
        flows.stop()
        messages = list(received(self.path.upward))
        replies = list(received(self.client))
        assert (heard, passed_up, lost) == (len(packets), len(messages), 0)
        assert heard == passed_up + counted.total()
        whys: list[int | None] = []
        for data in packets:
            is_up = bool(messages) and messages[0][7:] == data[:4097]
            if is_up:
                assert messages[0][1:7] == socket.inet_aton(self.here[0]) + self.here[1].to_bytes(2)
            whys.append(messages.pop(0)[0] if is_up else None)
        assert not messages
        assert whys.count(None) == counted.total()
        return Heard(whys, replies, {self.path._counters[index]: number for index, number in counted.items()})

    def hear_as_the_long_way(self, packets: Sequence[bytes]) -> list[int | None]:
        """Has the thread hear them, and holds what it did against a responder that knows nothing yet."""
        heard = self.hear(packets)
        fresh = self.site.another_responder()
        handled = [data for data, why in zip(packets, heard.whys, strict=True) if why is None]
        outcomes = [fresh.answer([(data, self.here)], self.place)[0] for data in handled]
        assert heard.replies == [outcome.data for outcome in outcomes if outcome is not None]  # type: ignore[union-attr]
        assert heard.counted == fresh.counters
        return heard.whys

    def fate(self, data: bytes) -> tuple[int | None, list[bytes]]:
        """Why a packet is passed up, and the replies to it; of two that are the same the first may have its turn in
        the long way."""
        heard = self.hear([data, data])
        return heard.whys[1], heard.replies


def received(sock: socket.socket) -> Iterator[bytes]:
    """What waits to be received on a socket that does not block."""
    while True:
        try:
            yield sock.recv(8192)
        except BlockingIOError:
            return


def udp_socket() -> socket.socket:
    """On loopback; it does not block."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def packet(place: Place = AT_67, base: Packet | None = None, **header: int | str | bytes | None) -> bytes:
    """A packet for `place` like `base`; `header` has fields of the header by name, and options: None leaves one out."""
    kind = MessageType.DISCOVER if place is AT_67 else MessageType.REQUEST
    made = base or discover()
    options = {**made.options, Option.DHCP_MESSAGE_TYPE: bytes((kind,))}
    for name, value in header.items():
        if name in Option.__members__:
            options.pop(Option[name], None)
            if isinstance(value, bytes):
                options[Option[name]] = value
    mac = str(header.get("mac", MAC))
    return replace(
        made,
        xid=int(header.get("xid") or 0),
        secs=int(header.get("secs") or 0),
        flags=int(header.get("flags") or 0),
        ciaddr=IPv4Address(header.get("ciaddr") or 0),
        giaddr=IPv4Address(header.get("giaddr") or 0),
        chaddr=bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0"),
        options=options,
    ).encode(1472)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


TAUGHT: dict[str, Any] = {
    "packet": None,
    "common": None,
    "guid_at": None,
    "relay": None,
    "to": b"",
    "likeness": b"",
    "reply": b"",
    "places": (-1, -1, -1, -1, -1),
    "counter": 0,
}


def teach(flows: Any, **more: Any) -> bool:
    """Teaches what `more` says; what it does not say is made to fit."""
    given = {**TAUGHT, "packet": packet(), **more}
    layout = Layout.of(more.get("packet", packet()))
    assert layout
    guid, relay = layout.own["guid"], layout.own["relay"]
    defaults = {
        "common": layout.common,
        "guid_at": -1 if guid == NOWHERE else guid[0],
        "relay": (-1, -1) if relay == NOWHERE else relay,
    }
    for name, value in defaults.items():
        if given[name] is None:
            given[name] = value
    return bool(flows.teach(*given.values()))


def octets(address: tuple[str, int]) -> bytes:
    return socket.inet_aton(address[0]) + address[1].to_bytes(2)


@contextmanager
def running(thread: Thread) -> Iterator[Callable[[bytes], list[int | None]]]:
    """The thread goes on between what is asked with the result: why a packet sent twice was passed up."""
    flows = thread.path._flows
    flows.start(1e9)

    def ask(data: bytes) -> list[int | None]:
        whys: list[int | None] = []
        for _ in range(2):
            thread.client.sendto(data, thread.bound.getsockname())
            deadline = time.monotonic() + PATIENCE
            while not (counts := flows.count())[0]:
                assert time.monotonic() < deadline
            messages = list(received(thread.path.upward))
            assert counts[1] == len(messages)
            whys.append(messages[0][0] if messages else None)
        return whys

    try:
        yield ask
    finally:
        flows.stop()
        list(received(thread.client))
