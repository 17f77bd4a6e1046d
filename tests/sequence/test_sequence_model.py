"""The task sequence document: what is taken, what is refused and with which words."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.sequence.model import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    MAX_NAME,
    MAX_RUN_BYTES,
    MAX_STEPS,
    CommandStep,
    Group,
    Sequence,
    Step,
    parse,
    parse_toml,
    to_json,
)

COMMAND: dict[str, Any] = {"kind": "command", "name": "Say", "run": "echo hello"}


def nested(depth: int) -> dict[str, Any]:
    step = COMMAND
    for _ in range(depth):
        step = {"kind": "group", "name": "Box", "steps": [step]}
    return {"steps": [step]}


def test_a_document_is_read_as_it_stands() -> None:
    text = json.dumps(
        {
            "steps": [
                {**COMMAND, "continue_on_error": True},
                {"kind": "group", "name": "Box", "steps": [COMMAND], "continue_on_error": False},
            ]
        }
    )
    say = CommandStep("Say", "echo hello")
    expected = Sequence((CommandStep("Say", "echo hello", continue_on_error=True), Group("Box", (say,))))
    assert parse(text) == parse(text.encode()) == parse(json.loads(text)) == expected


def test_toml_is_the_same_document() -> None:
    text = """
        [[steps]]
        kind = "group"
        name = "Box"
        [[steps.steps]]
        kind = "command"
        name = "Say"
        run = "echo hello"
    """
    assert parse_toml(text) == parse(nested(1))


def test_the_bounds_themselves_are_allowed() -> None:
    assert parse(nested(MAX_DEPTH)).steps
    assert len(parse({"steps": [COMMAND] * MAX_STEPS}).steps) == MAX_STEPS
    assert parse({"steps": [{**COMMAND, "run": "x" * MAX_RUN_BYTES, "name": "n" * MAX_NAME}]}).steps


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "not JSON"),
        ("[]", "a table is needed, not list"),
        ("{}", "steps is missing"),
        ('{"steps": []}', "steps: a list of at least one step"),
        ('{"steps": {}}', "steps: a list of at least one step"),
        ('{"steps": [1]}', r'steps[0]: a table with kind "command" or "group" is needed, not int'),
        ('{"steps": [{"name": "x"}]}', "steps[0]: .* not one without a kind"),
        ('{"steps": [{"kind": "reboot"}]}', "steps[0]: .* not kind 'reboot'"),
        ('{"steps": [{"kind": ["command"]}]}', "steps[0]: .* not kind"),
        ('{"steps": [], "version": 2}', "unknown key 'version'"),
        ('{"steps": [], "steps": []}', "the key 'steps' appears twice"),
        ({"steps": [{"kind": "command", "name": "x"}]}, "steps[0]: run is missing"),
        ({"steps": [{**COMMAND, "when": "x"}]}, "steps[0]: unknown key 'when'"),
        ({"steps": [{**COMMAND, "name": "two\nlines"}]}, "steps[0].name: one printable line"),
        ({"steps": [{**COMMAND, "name": " "}]}, "steps[0].name: "),
        ({"steps": [{**COMMAND, "name": "n" * (MAX_NAME + 1)}]}, "steps[0].name: "),
        ({"steps": [COMMAND, {**COMMAND, "run": ""}]}, "steps[1].run: a command line"),
        ({"steps": [{**COMMAND, "run": 5}]}, "steps[0].run: a command line"),
        ({"steps": [{**COMMAND, "run": "a\0b"}]}, "steps[0].run: .*NUL"),
        ({"steps": [{**COMMAND, "run": "\ud800"}]}, "steps[0].run: .*surrogate"),
        ({"steps": [{**COMMAND, "run": "x" * (MAX_RUN_BYTES + 1)}]}, "steps[0].run: 120001 bytes"),
        ({"steps": [{**COMMAND, "continue_on_error": 1}]}, "steps[0].continue_on_error: true or false"),
        (
            {"steps": [{"kind": "group", "name": "Box", "steps": [COMMAND, {**COMMAND, "run": None}]}]},
            "steps[0].steps[1].run: ",
        ),
        (nested(MAX_DEPTH + 1), f"groups are nested deeper than {MAX_DEPTH}"),
        ({"steps": [COMMAND] * (MAX_STEPS + 1)}, f"steps[{MAX_STEPS}]: more than {MAX_STEPS} steps"),
        (" " * (MAX_DOCUMENT + 1), "larger than"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\xfd", "not JSON"),
        ({"steps": [{**COMMAND, "run": "x" * MAX_RUN_BYTES}] * 9}, "larger than"),
    ],
)
def test_a_faulty_document_is_refused_with_its_place(document: Any, words: str) -> None:
    pattern = re.escape(words).replace(r"\.\*", ".*")
    with pytest.raises(ValueError, match=pattern):
        parse(document)


def test_toml_has_the_same_limits() -> None:
    with pytest.raises(ValueError, match="larger than"):
        parse_toml("#" * (MAX_DOCUMENT + 1))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml("steps = " + "[" * 100_000)


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=MAX_NAME)
runs = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
commands = st.builds(CommandStep, names, runs, st.booleans())
steps: st.SearchStrategy[Step] = commands
for _ in range(3):
    steps = commands | st.builds(Group, names, st.lists(steps, min_size=1, max_size=3).map(tuple), st.booleans())
sequences = st.builds(Sequence, st.lists(steps, min_size=1, max_size=5).map(tuple))


@given(sequences)
def test_what_is_written_is_read_again(sequence: Sequence) -> None:
    assert parse(to_json(sequence)) == sequence


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["command", "group"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["steps", "kind", "name", "run", "continue_on_error"]) | st.text(), inner)
    ),
)


@given(st.binary() | st.text() | st.dictionaries(st.sampled_from(["steps", "x"]), json_values))
def test_any_input_gives_a_sequence_or_a_value_error(document: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse(document), Sequence)
