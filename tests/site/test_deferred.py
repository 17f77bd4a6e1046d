"""Expressions that are written down: what is made of them is what Python would have made at once."""

from __future__ import annotations

import fractions
import operator
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.site.sql.deferred import Deferred, made, names_of, written

Fraction = names_of("fractions")("Fraction")

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """A number, deferred and at once."""
    over, under = draw(st.integers(-9, 9)), draw(st.integers(1, 9))
    return Fraction(over, denominator=under), fractions.Fraction(over, denominator=under)


def _sum(two: tuple[tuple[Any, Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    (one, same), (other, same_too) = two
    return one + other, same + same_too


@given(st.recursive(pairs(), lambda inner: st.tuples(inner, inner).map(_sum)))
def test_what_is_made_is_what_python_makes_and_so_is_what_is_written(pair: tuple[Any, Any]) -> None:
    deferred, number = pair
    assert made(deferred) == number
    assert eval(written(deferred), {"Fraction": fractions.Fraction}) == number  # noqa: S307 - our own text


@given(pairs(), pairs(), st.sampled_from(list(SIGNS)))
def test_operations(one: tuple[Any, Any], other: tuple[Any, Any], sign: str) -> None:
    operate = SIGNS[sign]
    deferred = operate(one[0], other[0])
    assert isinstance(deferred, Deferred)
    assert made(deferred) == operate(one[1], other[1])
    assert eval(written(deferred), {"Fraction": fractions.Fraction}) == made(deferred)  # noqa: S307


def test_operations_on_sets_items_and_attributes() -> None:
    set_of, list_of = names_of("builtins")("set"), names_of("builtins")("list")
    for deferred, value in (
        (set_of([1, 2]) & set_of([2]), {2}),
        (set_of([1]) | set_of((2,)), {1, 2}),
        (list_of([{"a": Fraction(1)}])[0]["a"].numerator, 1),
        (~Fraction(7).numerator, -8),
    ):
        assert made(deferred) == value
        assert eval(written(deferred), {"Fraction": fractions.Fraction, "set": set, "list": list}) == value  # noqa: S307


def test_what_is_deferred_in_containers_is_made() -> None:
    one = Fraction(1)
    assert made([one, (one, "x"), {"key": one}]) == [1, (1, "x"), {"key": 1}]
    assert written([one, (one,), {"key": one}]) == "[Fraction(1), (Fraction(1), ), {'key': Fraction(1)}]"


def test_what_is_one_thing_in_two_places_is_made_once() -> None:
    thing = names_of("builtins")("object")()
    first, second = made([thing, (thing,)])
    assert first is second[0]


def test_nothing_is_imported_before_something_is_made() -> None:
    code = (
        "import sys\n"
        "from pxed.site.sql.deferred import made, names_of, written\n"
        "number = names_of('fractions')('Fraction')(1) + 1\n"
        "print(written(number), 'fractions' in sys.modules)\n"
        "print(made(number), 'fractions' in sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "(Fraction(1) + 1) False\n2 True\n"


def test_what_python_asks_by_itself_is_not_taken_for_an_expression() -> None:
    with pytest.raises(TypeError, match=r"whether \(Fraction\(1\) == 1\) is true is not known"):
        assert Fraction(1) == 1
    with pytest.raises(TypeError, match="iterable"):
        iter(Fraction)
    assert not hasattr(Fraction, "__length_hint__")
    assert len({Fraction, Fraction}) == 1
    with pytest.raises(AttributeError):
        names_of("fractions")("__path__")
