"""Tokens: what was sealed comes back, and nothing else is taken."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.boot.token import Grant, Ticket, TokenError, seal, unseal_grant, unseal_ticket
from pxed.site.boot_image import Cpu

KEY = bytes(range(32))
LAST = 2**32 - 1

grants = st.builds(
    Grant,
    st.integers(1, LAST),
    st.integers(1, 0xFFFF),
    st.integers(1, LAST),
    st.sampled_from(Cpu),
    st.integers(1000, LAST),
)
tickets = st.builds(
    Ticket,
    st.binary(min_size=6, max_size=6),
    st.none() | st.uuids(),
    st.integers(0, 0xFFFF),
    st.booleans(),
    st.integers(1000, LAST),
)


@given(grants)
def test_a_grant_comes_back(grant: Grant) -> None:
    assert unseal_grant(seal(grant, KEY), KEY, grant.expires) == grant


@given(tickets)
def test_a_ticket_comes_back(ticket: Ticket) -> None:
    assert unseal_ticket(seal(ticket, KEY), KEY, ticket.expires) == ticket


@given(tickets)
def test_a_ticket_fits_into_a_boot_file_name(ticket: Ticket) -> None:
    """The header field `file` holds 127 octets (RFC 2131 figure 1) and the URL around the token takes up to 47."""
    assert len(seal(ticket, KEY)) <= 80


def test_every_changed_bit_is_noticed() -> None:
    text = seal(Grant(1, 1, 1, Cpu.AMD64, 5000), KEY)
    raw = text.encode()
    for at in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            with pytest.raises(TokenError):
                unseal_grant(changed.decode("latin-1"), KEY, 1000)


def test_the_end_is_the_end() -> None:
    text = seal(Grant(1, 1, 1, Cpu.AMD64, 5000), KEY)
    with pytest.raises(TokenError, match="expired"):
        unseal_grant(text, KEY, 5000.5)


def test_one_kind_is_never_taken_for_the_other() -> None:
    ticket = seal(Ticket(b"abcdef", uuid.UUID(int=5), 7, True, 5000), KEY)
    with pytest.raises(TokenError, match="kind"):
        unseal_grant(ticket, KEY, 0)
    with pytest.raises(TokenError, match="kind"):
        unseal_ticket(seal(Grant(1, 1, 1, Cpu.AMD64, 5000), KEY), KEY, 0)


def test_another_service_points_token_is_refused() -> None:
    with pytest.raises(TokenError, match="not of this service point"):
        unseal_grant(seal(Grant(1, 1, 1, Cpu.AMD64, 5000), bytes(32)), KEY, 0)


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_a_token_error(text: str) -> None:
    with pytest.raises(TokenError):
        unseal_grant(text, KEY, 0)
