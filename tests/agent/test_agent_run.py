"""Commands: exit codes, output, what is left running."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pxed.agent.run import TAIL_CHARACTERS, TAIL_LINES, Result, run_command, tail

PATH = {"PATH": os.environ["PATH"]}


def run(command: str, **environment: str) -> tuple[Result, bytes]:
    shown: list[bytes] = []
    result = run_command(command, PATH | environment, shown.append)
    return result, b"".join(shown)


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("no-such", 127)])
def test_the_exit_code_is_the_shell_s(command: str, code: int) -> None:
    assert run(command)[0].exit_code == code


def test_both_outputs_are_shown_and_kept_in_their_order() -> None:
    result, shown = run("echo one; echo two >&2; printf three")
    assert (shown, result.tail) == (b"one\ntwo\nthree", "one\ntwo\nthree")


def test_the_environment_is_the_one_given_and_the_input_is_empty() -> None:
    assert run("echo $PXED_STEP; cat; env | grep -c .", PXED_STEP="Write")[0].tail.startswith("Write\n")


def test_much_output_is_shown_whole_and_kept_at_its_end() -> None:
    result, shown = run("seq 100000")
    assert shown.count(b"\n") == 100000
    assert result.tail.split("\n") == [str(number) for number in range(100001 - TAIL_LINES, 100001)]


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    assert run("exec >&- 2>&-; sleep 0.05; exit 5")[0].exit_code == 5


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    # It writes without end into the pipe that it inherited, and it is there until this test ends it.
    number = tmp_path / "pid"
    result, shown = run(f"yes & echo $! > {number}; exit 4")
    os.kill(int(number.read_text()), signal.SIGKILL)
    assert result.exit_code == 4
    assert set(shown) <= set(b"y\n")


def test_a_tail_is_plain_text() -> None:
    assert tail(b"\x1b[31mred\x1b[0m\r\n\0\n10%\r20%\xff\n") == "[31mred[0m\n10%\n20%\ufffd"
    assert len(tail(b"x" * 5000)) == TAIL_CHARACTERS
