"""What the compiled thread can be taught: as much as there is room for, and nothing that does not fit together."""

from __future__ import annotations

import struct
import time
from functools import partial
from typing import Any

import pytest

from pxed.responder import fastpath
from pxed.site.sql.flows import likeness_of
from pxed.wire.pxe import encode_client_guid
from tests.responder.flooding import PATIENCE, TAUGHT, Site, Thread, needs_compiled, packet, received, teach
from tests.responder.sites import MACS, ONE, STRANGER, add

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]


def test_there_is_room_for_4096_flows(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    assert teach(flows, reply=b"first")
    for number in range(1, 4096):
        assert teach(flows, likeness=number.to_bytes(2), reply=b"another")
    assert not teach(flows, likeness=b"one more", reply=b"another")
    assert not teach(flows, packet=packet(flags=0x8000), reply=b"another")
    assert thread.fate(packet()) == (None, [b"first"])


def test_a_later_lesson_takes_the_place_of_an_earlier_one(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    for word in (b"first", b"second", b"third"):
        assert teach(flows, reply=word)
        assert teach(flows, likeness=b"other", reply=b"of others")
        assert thread.fate(packet()) == (None, [word])


def test_likenesses_of_the_same_hash_are_two(site: Site) -> None:
    """FNV-1a has as many such pairs as one likes to look for; this one is of a computer in c0, and of nobody."""
    with site.edit() as tx:
        add(tx, 0)
    one, other = struct.pack("<BBI", 1, 0, 1), bytes.fromhex("de96de94d945")
    plan, evidence = site.reader.look_up(MACS[0], [])
    assert likeness_of(evidence) == one
    with Thread(site) as thread:
        thread.path._counters[:] = ["any"]
        thread.path._flows.begin(plan.change, 0, float("inf"), b"", b"")
        said = packet(mac=MACS[0])
        teach(thread.path._flows, packet=said, likeness=other, reply=b"wrong")
        assert thread.fate(said) == (_flows.UNTAUGHT, [])
        teach(thread.path._flows, packet=said, likeness=one, reply=b"right")
        assert thread.fate(said) == (None, [b"right"])


def test_what_is_the_senders_own_goes_to_its_places(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    guid = encode_client_guid(ONE)
    said = packet(
        mac=STRANGER,
        xid=0x01020304,
        ciaddr=0x05060708,
        RELAY_AGENT_INFORMATION=b"relay",
        CLIENT_MACHINE_IDENTIFIER=guid,
        flags=1,
    )
    teach(flows, packet=said, reply=b"." * 40, places=(1, 6, 11, 18, 35))
    reply = b".\1\2\3\4.\5\6\7\x08." + bytes.fromhex(STRANGER.replace(":", "")) + b"." + guid[1:] + b".relay"
    assert thread.fate(said) == (None, [reply])


def test_each_counter_counts_its_own(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    said = [packet(flags=number) for number in (1, 2)]
    teach(flows, packet=said[0], counter=63)
    teach(flows, packet=said[1], counter=0, reply=b"x")
    heard = thread.hear([said[0], said[0], said[1], said[0], packet(flags=3), b"", b"\0" * 4097])
    assert heard.counted == {"counter 63": 2, "counter 0": 1}
    assert heard.whys == [_flows.IN_TURN, None, None, None, *[_flows.UNTAUGHT] * 3]
    assert heard.replies == [b"x"]


def test_what_finds_no_room_on_the_way_up_is_counted_as_lost(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    flows.start(0)
    sent = heard = passed_up = lost = 0
    deadline = time.monotonic() + PATIENCE
    while not lost:
        assert time.monotonic() < deadline
        thread.client.sendto(b"x" * 400, thread.bound.getsockname())
        sent += 1
        while heard < sent:
            more, up, gone, _, _ = flows.count()
            heard, passed_up, lost = heard + more, passed_up + up, lost + gone
    flows.stop()
    assert heard == passed_up + lost == sent
    assert len(list(received(thread.path.upward))) == passed_up > 64


# Misuse


def spans(count: int) -> tuple[tuple[int, int], ...]:
    return ((0, 1),) * count


SIZE = len(packet())


@pytest.mark.parametrize(
    "wrong",
    [
        {"packet": b"short", "common": ()},
        {"packet": bytes(239), "common": ()},
        {"packet": bytes(4097), "common": ()},
        {"common": ((0, SIZE + 1),)},
        {"common": ((-1, 4),)},
        {"common": ((5, 4),)},
        {"common": ((0, 1 << 30),)},
        {"common": ((65536, 65537),)},
        {"common": spans(33)},
        {"guid_at": -2},
        {"guid_at": SIZE - 15},
        {"guid_at": 1 << 30},
        {"relay": (0, SIZE + 1)},
        {"relay": (SIZE, SIZE + 1)},
        {"relay": (-5, 4)},
        {"relay": (8, 4)},
        {"relay": (65536, 65540)},
        {"relay": (0, 65540)},
        {"to": b"12345"},
        {"to": b"1234567"},
        {"likeness": bytes(259)},
        {"reply": bytes(1473)},
        {"reply": b"123", "places": (0, -1, -1, -1, -1)},
        {"reply": bytes(9), "places": (6, -1, -1, -1, -1)},
        {"reply": bytes(9), "places": (-1, 6, -1, -1, -1)},
        {"reply": bytes(9), "places": (-1, -1, 4, -1, -1)},
        {"reply": bytes(20), "places": (-1, -1, -1, 5, -1)},
        {"reply": bytes(20), "places": (-1, -1, -1, -1, 14), "relay": (240, 247)},
        {"reply": bytes(20), "places": (-2, -1, -1, -1, -1)},
        {"reply": bytes(20), "places": (1 << 20, -1, -1, -1, -1)},
        {"counter": -1},
        {"counter": 64},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(raw: tuple[Thread, Any], wrong: dict[str, Any]) -> None:
    thread, flows = raw
    teaches = flows.teach if "packet" in wrong else partial(teach, flows)
    given = {**TAUGHT, "guid_at": -1, "relay": (-1, -1), **wrong}.values() if "packet" in wrong else ()
    with pytest.raises(ValueError, match="packet"):
        teaches(*given, **({} if given else wrong))
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])
    teach(flows, reply=b"right")
    assert thread.fate(packet()) == (None, [b"right"])


def test_a_lesson_that_has_another_form_of_the_same_packet_is_refused(raw: tuple[Thread, Any]) -> None:
    """The first lesson said where option 82 is; what the second one says of its reply goes by its own word only."""
    thread, flows = raw
    assert teach(flows, relay=(0, SIZE), likeness=b"other")
    with pytest.raises(ValueError, match="packet"):
        teach(flows, relay=(-1, -1), reply=bytes(1472), places=(-1, -1, -1, -1, 1472))
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])


@pytest.mark.parametrize("wrong", [None, ((1,),), ((1, 2, 3),), (5,), (("a", "b"),)], ids=str)
def test_spans_of_other_kinds_are_refused(raw: tuple[Thread, Any], wrong: Any) -> None:
    thread, flows = raw
    with pytest.raises((TypeError, ValueError)):
        flows.teach(packet(), wrong, -1, (-1, -1), b"", b"", b"", (-1,) * 5, 0)
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])


def test_it_is_made_whole_and_once(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    with pytest.raises(TypeError):
        _flows.Flows.__new__(_flows.Flows)
    flows.__init__(0, 0, "", "", "", "")
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])
