"""When there is a flood, and what is told of it."""

from __future__ import annotations

import logging

import pytest

from tests.responder.test_answer import AT_67, Bench, discover
from tests.support import add_computer


def test_a_flood_is_more_than_is_told_of() -> None:
    bench = Bench()
    add_computer(bench.site)
    batch = [(discover().encode(), ("0.0.0.0", 68))] * 64
    asked = 0
    while not bench.responder.is_flood():
        bench.responder.answer(batch, AT_67)
        asked += 64
    assert 4500 < asked <= 4500 + 64
    bench.clock.advance(1)
    bench.responder.answer(batch, AT_67)
    assert not bench.responder.is_flood()
    bench.responder.answer(batch * 3, AT_67)
    assert bench.responder.is_flood()
    bench.responder.answer([(b"garbage", ("0.0.0.0", 68))], AT_67)
    assert not bench.responder.is_flood()  # nobody was decided about
    bench.responder.answer(batch * 3, AT_67)
    assert bench.responder.is_flood()
    bench.clock.advance(3600)
    bench.responder.answer(batch[:1], AT_67)
    assert not bench.responder.is_flood()


def test_what_flows_answered_is_counted_and_told_in_numbers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pxed")
    bench = Bench()
    add_computer(bench.site)
    bench.responder.count({"answered: local-boot-menu": 7, "ignored: unknown-support": 5}, 0)
    assert bench.responder.counters == {"answered: local-boot-menu": 7, "ignored: unknown-support": 5}
    bench.responder.count({}, 3)
    assert bench.responder.counters["too many at once"] == 3
    bench.clock.advance(60)
    bench.ask(discover())
    assert any("12" in record.getMessage() for record in caplog.records)
