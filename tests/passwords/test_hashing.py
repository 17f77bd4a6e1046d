"""Passwords as they are kept."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pxed.errors import PxedError, UsageError
from pxed.passwords import hashing
from pxed.passwords.hashing import (
    Argon2Cost,
    Cost,
    ScryptCost,
    best_cost,
    check_new,
    hashed,
    is_aged,
    match_nobody,
    matches,
    normalized,
)

CHEAP = Argon2Cost(memory=8, passes=1)
CHEAP_SCRYPT = ScryptCost(log_n=2)
costs = pytest.mark.parametrize("cost", [CHEAP, CHEAP_SCRYPT])


@costs
@given(password=st.text(min_size=1), other=st.text())
@example(password="pässwörd", other="passwort")
def test_any_unicode_matches_itself_alone(cost: Cost, password: str, other: str) -> None:
    kept = hashed(password, cost)
    assert matches(password, kept)
    assert matches(other, kept) == (normalized(other) == normalized(password))


def test_an_accent_is_the_same_from_every_keyboard() -> None:
    assert matches("e\u0301tude", hashed("\u00e9tude", CHEAP))


@costs
def test_the_string_says_how_it_was_made_and_differs_each_time(cost: Cost) -> None:
    first, second = hashed("x", cost), hashed("x", cost)
    assert first != second
    assert re.fullmatch(re.escape(str(cost)) + r"\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", first)


def test_what_others_made_is_read() -> None:
    """A string of the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32."""
    made = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
    assert matches("password", made)
    assert not matches("Password", made)


def test_age_is_a_matter_of_parameters() -> None:
    kept = hashed("x", CHEAP)
    assert not is_aged(kept, CHEAP)
    assert is_aged(kept, Argon2Cost(memory=16, passes=1))
    assert is_aged(kept, CHEAP_SCRYPT)


def test_scrypt_where_the_library_lacks_argon2id(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = hashed("x", CHEAP)
    assert isinstance(best_cost(), Argon2Cost)
    monkeypatch.setattr(hashing, "Argon2id", None)
    assert best_cost() == ScryptCost()
    with pytest.raises(PxedError, match="argon2id is not available"):
        matches("x", kept)


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$!$!", "$2y$10$abc", "$scrypt$ln=2,r=8$a$b"])
def test_what_is_no_hash_is_said_to_be_none(kept: str) -> None:
    with pytest.raises(PxedError, match="set it again"):
        matches("x", kept)


def test_nobody_has_no_password() -> None:
    assert not match_nobody("", CHEAP)


@pytest.mark.parametrize("password", ["", "a\nb", "a\0", "\ud800", "x" * 513])
def test_passwords_that_cannot_be(password: str) -> None:
    with pytest.raises(UsageError):
        check_new(password)


@pytest.mark.parametrize("password", [" ", "x" * 512, "a&b=c%20 d+e#f", "пароль 密码 🔑"])
def test_passwords_that_can_be(password: str) -> None:
    assert check_new(password) == password
