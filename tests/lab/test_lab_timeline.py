"""The demo's account: what is shown, and when it counts as complete."""

import pytest

from pxed.lab import wording
from pxed.lab.timeline import Timeline


def test_events_have_time_machine_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline(["one"], None)

    timeline.event(12.34, "NEWCOMP1", "iPXE starts")
    timeline.event(None, "pxed", "a sighting")

    assert capsys.readouterr().out.splitlines() == [
        "   12.3 s  NEWCOMP1     iPXE starts",
        "           pxed         a sighting",
    ]


def test_it_is_complete_when_every_step_was_observed(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline(["one", "two"], None)

    with timeline.step(1):
        assert not timeline.complete
    assert not timeline.complete
    with timeline.step(2):
        pass

    assert timeline.complete


def test_a_step_that_fails_is_not_observed_and_the_rest_not_reached(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline(["one", "two", "three"], None)
    with timeline.step(1):
        pass
    with pytest.raises(RuntimeError), timeline.step(2):
        raise RuntimeError
    capsys.readouterr()

    timeline.table()

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1].strip() for line in lines if line] == ["observed", "NOT OBSERVED", "not reached"]
    assert not timeline.complete


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("SeaBIOS (version 1.16.2-debian-1.16.2-1)", "SeaBIOS starts"),
        ("net0: 10.77.0.158/255.255.255.0 gw 10.77.0.1", "has the address 10.77.0.158"),
        ("pxed: press F12 within 10 s to boot install", None),
        ("pxed: NEWCOMP1", None),
        ("pxed: NEWCOMP1 boots install-now", "NEWCOMP1 boots install-now"),
        ("pxed lab disk: installed by install-now, run 1", "starts from its disk: installed by install-now, run 1"),
        ("Booting from ROM...", None),
    ],
)
def test_events_of_serial_lines(line: str, event: str | None) -> None:
    assert wording.event_of(line) == event
