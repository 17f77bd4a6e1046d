"""Options: what is granted, what is left out, what is refused."""

from __future__ import annotations

import pytest

from pxed.tftp.negotiation import Limits, Refusal, Terms, negotiate
from pxed.wire.tftp import ErrorCode, OptionAck, ReadRequest

LIMITS = Limits(max_block_size=1468, mtu=1500, max_window=16, timeout=1.0)


def terms(*options: tuple[str, str], mode: str = "octet", limits: Limits = LIMITS) -> Terms:
    return negotiate(ReadRequest(b"file", mode, options), limits)


def test_without_options_there_is_no_oack_and_blocks_have_512_octets() -> None:
    agreed = terms()
    assert (agreed.block_size, agreed.window, agreed.timeout, agreed.accepted) == (512, 1, 1.0, ())


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (("blksize", "8"), "8"),
        (("blksize", "512"), "512"),
        (("blksize", "1432"), "1432"),
        (("blksize", "65464"), "1468"),
        (("windowsize", "1"), "1"),
        (("windowsize", "65535"), "16"),
        (("timeout", "1"), "1"),
        (("timeout", "255"), "255"),
        (("tsize", "0"), "4711"),
        (("tsize", "99"), "4711"),
    ],
)
def test_each_option_is_granted_as_far_as_the_limits_go(asked: tuple[str, str], granted: str) -> None:
    assert terms(asked).reply(4711) == OptionAck(((asked[0], granted),))


def test_the_answer_has_what_was_asked_for_in_that_order_and_nothing_else() -> None:
    agreed = terms(("tsize", "0"), ("msftwindow", "31416"), ("blksize", "1468"), ("multicast", ""), ("windowsize", "4"))
    assert agreed.reply(7).options == (("tsize", "7"), ("blksize", "1468"), ("windowsize", "4"))
    assert (agreed.block_size, agreed.window) == (1468, 4)


def test_only_unknown_options_means_no_oack() -> None:
    assert terms(("utimeout", "100000"), ("x", "")).accepted == ()


def test_the_mtu_of_the_route_limits_the_block() -> None:
    narrow = Limits(max_block_size=65464, mtu=1400, max_window=1, timeout=1.0)
    assert terms(("blksize", "1468"), limits=narrow).block_size == 1368


def test_the_window_never_exceeds_half_of_the_block_numbers() -> None:
    wide = Limits(max_block_size=1468, mtu=1500, max_window=65535, timeout=1.0)
    assert terms(("windowsize", "65535"), limits=wide).window == 32767


def test_netascii_does_not_tell_a_size() -> None:
    agreed = terms(("tsize", "0"), ("blksize", "1024"), mode="netascii")
    assert agreed.netascii
    assert agreed.accepted == (("blksize", "1024"),)


@pytest.mark.parametrize("mode", ["mail", "binary", "", "octet "])
def test_other_modes_are_illegal(mode: str) -> None:
    with pytest.raises(Refusal) as refusal:
        terms(mode=mode)
    assert refusal.value.code is ErrorCode.ILLEGAL_OPERATION


@pytest.mark.parametrize(
    "option",
    [
        *[("blksize", value) for value in ("0", "7", "65465", "-1", "", "abc", "1e3", "+512", "\xb2", "9" * 400)],
        *[("windowsize", value) for value in ("0", "65536", "x")],
        *[("timeout", value) for value in ("0", "256", "1.5")],
        *[("tsize", value) for value in ("", "-1", "big")],
    ],
)
def test_a_value_that_the_rfc_rules_out_is_refused(option: tuple[str, str]) -> None:
    with pytest.raises(Refusal) as refusal:
        terms(option)
    assert refusal.value.code is ErrorCode.OPTION_REFUSED


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(Refusal):
        terms(("blksize", "512"), ("blksize", "1024"))
