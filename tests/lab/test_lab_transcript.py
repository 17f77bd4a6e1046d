"""Lines out of what firmware does to a terminal, and waiting for them."""

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.lab.transcript import Line, NotSeen, Transcript


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transcript(clock: Clock) -> Transcript:
    return Transcript("pc1", clock)


def texts(transcript: Transcript) -> list[str]:
    return [line.text for line in transcript.lines]


def test_a_line_has_the_time_at_which_it_began(transcript: Transcript, clock: Clock) -> None:
    clock.now = 1.0
    transcript.feed(b"first\r\nsec")
    clock.now = 2.0
    transcript.feed(b"ond\r\n")

    assert transcript.lines == [Line(1.0, "first"), Line(1.0, "second")]


def test_cursor_movements_end_lines_and_colours_do_not(transcript: Transcript) -> None:
    transcript.feed(b"\x1b[2J\x1b[01;01Hone\x1b[1;37;40m, still\x1b[0m one\x1b[05;01Htwo\n")

    assert texts(transcript) == ["one, still one", "two"]


@given(st.integers(0, 40))
def test_a_sequence_may_be_cut_anywhere(cut: int) -> None:
    data = b"\x1b[2J\x1b[01;01Hone\x1b[1;37m two\x1b(B\r\nthree\r\n"
    transcript = Transcript("pc1", lambda: 0.0)

    transcript.feed(data[:cut])
    transcript.feed(data[cut:])

    assert texts(transcript) == ["one two", "three"]


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_become_printable_lines(pieces: list[bytes]) -> None:
    transcript = Transcript("pc1", lambda: 0.0)

    for piece in pieces:
        transcript.feed(piece)
    transcript.end()

    assert all(line.text.isprintable() and line.text for line in transcript.lines)


def test_a_line_without_an_end_is_cut(transcript: Transcript) -> None:
    transcript.feed(b"x" * 100_000)

    assert len(transcript.lines) > 10
    assert max(len(text) for text in texts(transcript)) <= 4096


def test_lines_go_to_a_file_as_they_come(clock: Clock) -> None:
    file = io.StringIO()
    transcript = Transcript("pc1", clock, file=file)
    clock.now = 12.345

    transcript.feed(b"hello\n")

    assert file.getvalue() == "   12.35  hello\n" or file.getvalue() == "   12.34  hello\n"


async def test_waits_follow_the_order_of_the_lines(transcript: Transcript) -> None:
    transcript.feed(b"a 1\nb\na 2\n")

    assert (await transcript.wait_for("^a", 1)).text == "a 1"
    assert (await transcript.wait_for("^a", 1)).text == "a 2"


async def test_a_wait_sees_a_prompt_that_has_no_end(transcript: Transcript) -> None:
    transcript.feed(b"Press F12")
    assert (await transcript.wait_for("F12", 1)).text == "Press F12"

    transcript.feed(b" now\nPress F12 again\n")
    assert (await transcript.wait_for("F12", 1)).text == "Press F12 again"


async def test_an_unfinished_line_is_read_again_when_it_has_grown(transcript: Transcript) -> None:
    transcript.feed(b"Press")
    wait = asyncio.ensure_future(transcript.wait_for("Press F12", 5))
    await asyncio.sleep(0)

    transcript.feed(b" F12")

    assert (await wait).text == "Press F12"


async def test_what_must_not_come_ends_a_wait_at_once(transcript: Transcript) -> None:
    transcript.feed(b"panic\nready\n")

    with pytest.raises(NotSeen, match=r"pc1 said 'panic' instead: /ready/"):
        await transcript.wait_for("ready", 60, unless="panic")


async def test_the_end_of_the_source_ends_a_wait_at_once(transcript: Transcript) -> None:
    wait = asyncio.ensure_future(transcript.wait_for("ready", 60))
    await asyncio.sleep(0)

    transcript.feed(b"the last words")
    transcript.end()

    with pytest.raises(NotSeen, match=r"(?s)pc1 ended without it: /ready/.*the last words"):
        await wait


async def test_a_wait_in_vain_shows_the_end_of_the_log(transcript: Transcript) -> None:
    transcript.feed(b"something else\n")

    with pytest.raises(NotSeen, match=r"(?s)did not say so within 0 s.*something else"):
        await transcript.wait_for("ready", 0)
