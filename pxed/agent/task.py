"""The whole task: ask, carry out step by step, report each, say how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from pxed.agent.run import Result
from pxed.agent.server import Assignment, NotWanted, Refused, Server, Unreachable
from pxed.sequence import engine

STEP_PATIENCE = 60.0
"""seconds for a step's report; the sequence goes on without it, for a restarting service is no reason to spoil an
installation"""
FINAL_PATIENCE = 600.0
"""seconds for the last word"""

Execute = Callable[[str, Mapping[str, str]], Result]


class End(Enum):
    """How the task ended."""

    SUCCEEDED = auto()
    FAILED = auto()
    REFUSED = auto()
    """the service point does not want it done (any more)"""


def carry_out(server: Server, execute: Execute, environment: Mapping[str, str], say: Callable[[str], None]) -> End:
    """Fetches the task sequence and carries it out. Unreachable if not even the sequence could be had.

    `environment` is what every command gets beside the variables of the reply.
    """
    try:
        assignment = server.fetch()
    except Refused as error:
        say(f"the service point refuses: {error}")
        say("nothing was changed on this computer")
        return End.REFUSED
    except ValueError as error:
        return _finish(server, "failed", f"the task sequence cannot be carried out: {error}", say)
    say(f"{assignment.computer}: task sequence {assignment.sequence_name} ({assignment.advertisement})")
    try:
        return _walk(server, assignment, execute, environment, say)
    except NotWanted as error:
        say(f"the service point ends this task sequence: {error}")
        return End.REFUSED


def _walk(
    server: Server,
    assignment: Assignment,
    execute: Execute,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> End:
    walk = engine.start(assignment.sequence)
    common = _variables(assignment, environment)
    last = ""
    while current := walk.current:
        say(f"step {walk.position + 1} of {len(walk.plan)}: {current.title}")
        result = _run(execute, current.step.run, {**common, "PXED_STEP": current.title})
        walk = walk.after(result.exit_code)
        last = f"{current.title}: exit code {result.exit_code}\n{result.tail}".rstrip()
        say(f"step {current.title}: exit code {result.exit_code}")
        try:
            server.report(
                "step",
                step=current.title,
                exit_code=result.exit_code,
                message=result.tail,
                patience=STEP_PATIENCE,
            )
        except NotWanted:
            raise
        except (Refused, Unreachable) as error:  # an expired token too: half an installation is worse than a lost line
            say(f"this step's report is lost: {error}")
    if walk.outcome is engine.Outcome.SUCCEEDED:
        return _finish(server, "succeeded", "", say)
    return _finish(server, "failed", last, say)


def _run(execute: Execute, command: str, environment: Mapping[str, str]) -> Result:
    try:
        return execute(command, environment)
    except OSError as error:  # no memory for another process, an environment that is too large
        return Result(126, f"the command could not be started: {error}")


def _variables(assignment: Assignment, environment: Mapping[str, str]) -> dict[str, str]:
    return {
        **environment,
        **assignment.variables,
        "PXED_COMPUTER": assignment.computer,
        "PXED_ADVERTISEMENT": assignment.advertisement,
        "PXED_SEQUENCE": assignment.sequence_name,
    }


def _finish(server: Server, state: str, message: str, say: Callable[[str], None]) -> End:
    say(f"the task sequence has {state}")
    if message:
        say(message)
    try:
        server.report(state, message=message, patience=FINAL_PATIENCE)
    except (Refused, Unreachable) as error:
        say(f"the service point did not take this report: {error}")
    return End.SUCCEEDED if state == "succeeded" else End.FAILED
