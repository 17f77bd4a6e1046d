"""The agent and a service point: the sequence is fetched, carried out, reported; and all that may go wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pxed.agent.run import Result, run_command
from pxed.agent.server import MAX_REPLY, NotWanted, Refused, Server, Unreachable, retry_delays
from pxed.agent.task import FINAL_PATIENCE, STEP_PATIENCE, End, carry_out
from tests.agent.service_point import CUT_SHORT, ServicePoint, command, serving

FETCH = ("/agent/tok/sequence?boot=boot-1234", None)


@pytest.fixture
def point() -> Iterator[ServicePoint]:
    with serving(command("Say", "echo hello $PXED_COMPUTER $PXED_TRY $PXED_STEP")) as point:
        yield point


def execute(command_line: str, environment: Mapping[str, str]) -> Result:
    return run_command(command_line, environment, lambda _output: None)


def forbidden(_command: str, _environment: Mapping[str, str]) -> Result:
    raise AssertionError("nothing may be run")


def carried_out(point: ServicePoint, run: Any = execute) -> End:
    return carry_out(point.client(), run, {"PATH": os.environ["PATH"]}, point.said.append)


def test_a_sequence_is_carried_out_and_every_step_reported(point: ServicePoint) -> None:
    point.reply["document"]["steps"].append(command("Fail a little", "exit 3", continue_on_error=True))
    assert carried_out(point) is End.SUCCEEDED
    assert point.asked[0] == FETCH
    bodies = [body for _, body in point.asked[1:]]
    assert bodies == [
        {"boot": "boot-1234", "number": number, "state": state, "step": step, "exit_code": code, "message": message}
        for number, state, step, code, message in [
            (1, "step", "Say", 0, "hello ws-01 1 Say"),
            (2, "step", "Fail a little", 3, ""),
            (3, "succeeded", "", None, ""),
        ]
    ]
    assert {path for path, _ in point.asked[1:]} == {"/agent/tok/status"}


def test_a_failure_ends_the_sequence_and_is_explained(point: ServicePoint) -> None:
    point.reply["document"]["steps"][:0] = [command("Break", "echo no disk; exit 9")]
    assert carried_out(point) is End.FAILED
    assert point.reports == [("step", "Break", 9), ("failed", "", None)]
    assert point.asked[-1][1]["message"] == "Break: exit code 9\nno disk"


@pytest.mark.parametrize("status", [403, 404, 409, 410])
def test_a_refusal_changes_nothing_and_is_shown(point: ServicePoint, status: int) -> None:
    point.answers = [(status, b"cleared meanwhile")]
    assert carried_out(point, forbidden) is End.REFUSED
    assert point.asked == [FETCH]
    assert any(f"{status} cleared meanwhile" in line for line in point.said)


def test_a_service_that_is_busy_or_breaks_off_is_asked_again(point: ServicePoint) -> None:
    point.answers = [(503, b"database is locked"), (500, b""), (429, b""), (CUT_SHORT, b'{"comp'), (CUT_SHORT, b"x")]
    assert carried_out(point) is End.SUCCEEDED
    assert [path for path, _ in point.asked].count(FETCH[0]) == 6
    assert point.slept == [1, 2, 4, 8, 16]


def test_a_service_that_is_away_is_given_up_after_a_bounded_time() -> None:
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        slept: list[float] = []
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        server = Server(url, "tok", "boot", sleep=slept.append, say=lambda _text: None)
        with pytest.raises(Unreachable, match="refused"):
            server.fetch(patience=100)
    assert slept == [1, 2, 4, 8, 16, 30, 30]


def test_the_pauses_grow_and_stay_within_the_patience() -> None:
    assert list(retry_delays(0.5)) == []
    assert list(retry_delays(7)) == [1, 2, 4]
    assert sum(retry_delays(FINAL_PATIENCE)) <= FINAL_PATIENCE
    assert max(retry_delays(FINAL_PATIENCE)) == 30


def test_an_answer_without_end_is_not_taken(point: ServicePoint) -> None:
    point.answers = [(200, b" " * (MAX_REPLY + 1))]
    with pytest.raises(Unreachable, match="larger than"):
        point.client().fetch(patience=0)


def test_a_lost_step_report_does_not_stop_an_installation(point: ServicePoint) -> None:
    tries = len(list(retry_delays(STEP_PATIENCE))) + 1

    def run(command_line: str, environment: Mapping[str, str]) -> Result:
        point.answers = [(503, b"away")] * tries
        return execute(command_line, environment)

    assert carried_out(point, run) is End.SUCCEEDED
    assert point.reports == [("step", "Say", 0)] * tries + [("succeeded", "", None)]
    assert any("report is lost: 503 away" in line for line in point.said)


def test_an_expired_token_does_not_stop_it_either(point: ServicePoint) -> None:
    def run(command_line: str, environment: Mapping[str, str]) -> Result:
        point.answers = [(403, b"the token has expired")] * 2
        return execute(command_line, environment)

    assert carried_out(point, run) is End.SUCCEEDED
    assert point.said[-1].endswith("did not take this report: 403 the token has expired")


def test_a_boot_that_is_no_longer_wanted_ends_between_two_steps(point: ServicePoint) -> None:
    point.reply["document"]["steps"].append(command("Never", "exit 1"))
    ran: list[str] = []

    def run(command_line: str, _environment: Mapping[str, str]) -> Result:
        ran.append(command_line)
        point.answers = [(409, b"another boot took its place")]
        return Result(0, "")

    assert carried_out(point, run) is End.REFUSED
    assert len(ran) == 1
    assert point.reports == [("step", "Say", 0)]


def test_a_command_that_cannot_be_started_has_failed(point: ServicePoint) -> None:
    def run(_command: str, _environment: Mapping[str, str]) -> Result:
        raise OSError(12, "Cannot allocate memory")

    assert carried_out(point, run) is End.FAILED
    assert point.reports[0] == ("step", "Say", 126)
    assert "Cannot allocate memory" in point.asked[-1][1]["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"document": {"steps": [{"kind": "reboot", "name": "x"}]}}, "steps[0]"),
        ({"document": "steps"}, "lacks the document"),
        ({"computer": None}, "lacks the names"),
        ({"computer": "a\0b"}, "value of a variable"),
        ({"variables": ["A"]}, "no JSON object"),
        ({"variables": {"A=B": "c"}}, "no name for a variable"),
        ({"variables": {"A": 5}}, "value of a variable"),
        ({"variables": {"A": "\ud800"}}, "surrogates"),
    ],
)
def test_an_assignment_that_cannot_be_is_reported_as_failed(
    point: ServicePoint, change: dict[str, Any], words: str
) -> None:
    point.reply |= change
    assert carried_out(point, forbidden) is End.FAILED
    assert point.reports == [("failed", "", None)]
    assert words in point.asked[-1][1]["message"]


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_assignment_is_an_error_with_words(point: ServicePoint, content: bytes) -> None:
    point.answers = [(200, content)]
    with pytest.raises(ValueError, match=r".+"):
        point.client().fetch()


def test_a_refused_message_keeps_the_two_reasons_apart(point: ServicePoint) -> None:
    point.answers = [(409, b"cleared"), (403, b"expired")]
    with pytest.raises(NotWanted):
        point.client().report("step", patience=0)
    with pytest.raises(Refused) as caught:
        point.client().report("step", patience=0)
    assert not isinstance(caught.value, NotWanted)


def test_a_server_below_a_path_is_asked_there(point: ServicePoint) -> None:
    server = Server(f"{point.url}/pxe", "a/b", "boot", sleep=point.slept.append, say=point.said.append)
    server.fetch()
    assert point.asked == [("/pxe/agent/a%2Fb/sequence?boot=boot", None)]
