"""Which requests are plain: one whole GET of a boot image's file or a boot script, and nothing that resembles one."""

import pytest

from pxed.web.plain import PlainGets

HEAD = b"GET /b/token/kernel HTTP/1.1\r\nHost: x\r\n"
PLAIN = HEAD + b"\r\n"


async def test_a_plain_get() -> None:
    asked = PlainGets().read(HEAD + b"range: bytes=1-2\r\n\r\n")
    assert asked is not None
    assert (asked.name, asked.headers["Range"], asked.last) == ("b/token/kernel", "bytes=1-2", False)
    assert asked.is_of_a_file


async def test_one_of_a_script() -> None:
    asked = PlainGets().read(PLAIN.replace(b"/b/", b"/boot/"))
    assert asked is not None
    assert not asked.is_of_a_file


async def test_one_that_is_the_last() -> None:
    asked = PlainGets().read(HEAD + b"Connection: close\r\n\r\n")
    assert asked is not None
    assert asked.last


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        PLAIN[:-1],
        PLAIN + PLAIN,
        PLAIN + PLAIN[:20],
        PLAIN + b"\r\n",
        b"\r\n" + PLAIN,
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"GET", b"HEAD"),
        PLAIN.replace(b"GET", b"get"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"/b/", b"/boots/"),
        PLAIN.replace(b"/b/", b"/api/"),
        PLAIN.replace(b"/b/", b"/B/"),
        PLAIN.replace(b"kernel", b"kern%65l"),
        PLAIN.replace(b"kernel", b"kernel?"),
        PLAIN.replace(b"kernel", b"kernel#a"),
        PLAIN.replace(b"kernel", b"k\xc3\xa4rnel"),
        PLAIN.replace(b"kernel", b"ker nel"),
        PLAIN.replace(b"kernel", b"k" * 5000),
        HEAD + b"Content-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        HEAD + b"X: a\r\n b\r\n\r\n",
        HEAD + b"X: a\0b\r\n\r\n",
        HEAD + b"X\r\n\r\n",
    ],
)
async def test_everything_else_is_not_plain(data: bytes) -> None:
    gets = PlainGets()
    assert gets.read(data) is None
    assert gets.read(PLAIN) is not None  # and what was wrong with one leaves no trace in the next
