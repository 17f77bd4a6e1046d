"""Statements on as many things as there happen to be: a place for each, and what goes there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pxed.site.sql.core import BindParameter, bindparam


def places(name: str, count: int) -> list[BindParameter[Any]]:
    """So many bind parameters: `name` with a number from 0 on."""
    return [bindparam(f"{name}{index}") for index in range(count)]


def placed(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """`values` by the names of their `places`."""
    return {f"{name}{index}": value for index, value in enumerate(values)}
