"""How often a worker stays awake after a packet."""

from __future__ import annotations

import pytest

from pxed.tftp.vigil import Vigil


def vigils(vigil: Vigil, gap: float, packets: int, start: float) -> list[bool]:
    """Whether the worker stays awake after each of so many packets with `gap` seconds between them."""
    kept = []
    for number in range(packets):
        now = start + number * gap
        vigil.heard(now)
        kept.append(vigil.until > now)
    return kept


def test_a_fast_client_is_always_waited_for() -> None:
    assert all(vigils(Vigil(), 20e-6, 1000, 1.0))


def test_slow_clients_are_waited_for_ever_more_rarely() -> None:
    kept = vigils(Vigil(), 0.001, 2000, 1.0)
    assert kept[0]
    assert sum(kept[:100]) < 10
    assert sum(kept[1000:]) in {31, 32}


def test_a_client_that_has_become_fast_is_waited_for_soon() -> None:
    vigil = Vigil()
    vigils(vigil, 0.001, 2000, 1.0)
    kept = vigils(vigil, 20e-6, 100, 10.0)
    assert all(kept[33:])


def test_who_stays_awake_itself_says_whether_it_paid_off() -> None:
    vigil = Vigil()
    vigil.heard(1.0)
    assert vigil.seconds == pytest.approx(50e-6)
    vigil.kept(1.001)
    assert vigil.until == pytest.approx(1.001 + 50e-6)
    for number in range(2, 40):
        vigil.heard(float(number))
    assert vigil.seconds == 0, "nothing ever followed"
    vigil.kept(41.0)
    assert vigil.seconds > 0
