"""The `pxed` command: which verbs there are, and what becomes of their errors.

Starting it costs the import of click alone. A verb's module is imported when the verb is used, and imports what is
heavy (database, validation, tables) inside the functions that need it.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import click

from pxed import __version__
from pxed.cli.lazy import LazyVerb, VerbGroup, add_common_options
from pxed.cli.output import say
from pxed.cli.session import Session
from pxed.errors import PxedError

VERBS = (
    LazyVerb("serve", "pxed.cli.serve:command", "Answer computers that boot from the network."),
    LazyVerb("check", "pxed.cli.check:command", "Find all faults of the configuration."),
    LazyVerb("config", "pxed.cli.config:command", "Show the settings in effect."),
    LazyVerb("status", "pxed.cli.status:command", "Show what the running service does."),
    LazyVerb("cert", "pxed.cli.cert:command", "Make, import, show and renew the certificate."),
    LazyVerb("computer", "pxed.cli.computer:command", "Add, import, approve, list, show and remove computers."),
    LazyVerb("collection", "pxed.cli.collection:command", "Put computers into named sets."),
    LazyVerb("bootimage", "pxed.cli.bootimage:command", "Build, add, list, show, verify and remove boot images."),
    LazyVerb("sequence", "pxed.cli.sequence:command", "Add, list, show and remove task sequences."),
    LazyVerb("advertise", "pxed.cli.advertise:command", "Advertise a task sequence to a collection."),
    LazyVerb("advertisement", "pxed.cli.advertisement:command", "List, show, change, enable, disable, remove those."),
    LazyVerb("password", "pxed.cli.password:command", "Set, unset and list passwords that are asked for at boot."),
    LazyVerb("clear-last", "pxed.cli.clear_last:command", "Let the latest mandatory advertisement run again."),
    LazyVerb("stop-all", "pxed.cli.stopping:stop_all", "Hand out nothing mandatory any more."),
    LazyVerb("resume", "pxed.cli.stopping:resume", "Hand out what is mandatory again."),
    LazyVerb("wake", "pxed.cli.wake:command", "Switch computers on with magic packets."),
    LazyVerb("explain", "pxed.cli.explain:command", "Say what a computer would get now, and why."),
    LazyVerb("preview", "pxed.cli.preview:command", "Say what many computers would get, now or at another time."),
    LazyVerb("history", "pxed.cli.history:command", "Show what a computer did."),
    LazyVerb("log", "pxed.cli.log:command", "Show what happened, across all computers."),
    LazyVerb("report", "pxed.cli.report:command", "Show how deployments stand."),
    LazyVerb("sightings", "pxed.cli.sightings:command", "List computers that were seen and are not known."),
    LazyVerb("identity", "pxed.cli.identity:command", "Ignore and share identifiers, settle those that disagree."),
    LazyVerb("backup", "pxed.cli.backup:command", "Copy the site into a file, while the service runs."),
    LazyVerb("lab", "pxed.cli.lab:command", "Boot machines in a network of their own, to try pxed."),
    LazyVerb("manual", "pxed.cli.manual:command", "Print the manual page."),
    LazyVerb("completion", "pxed.cli.completion:command", "Print the completion script of a shell."),
)

_ALLOCATIONS = 100_000
"""objects that are made, and not given up, between two searches for garbage"""

EXIT_CODES = """\b
Exit status:
  0  done                          1  failed, or not found
  2  wrong use of the command      69  something needed is not there
  74  the database cannot be used  75  try again later
  77  permission denied            78  the configuration has faults
"""


@click.command(
    cls=VerbGroup,
    commands=VERBS,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def pxed(context: click.Context) -> None:
    """A PXE service point: decides what each computer boots from the network, serves it, and says why.

    \b
    Example:
      pxed computer add ws-01 --mac 52:54:00:12:34:56
    """
    context.ensure_object(Session)


add_common_options(pxed)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit status; every error that was expected is one sentence on stderr.

    SystemExit, without a word, if the reader of stdout has left (`pxed history ws-01 | head`): that is click's own way.
    """
    try:
        status = pxed.main(list(arguments), prog_name="pxed", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PxedError as error:
        say("\n".join(f"pxed: {line}" for line in str(error).splitlines()))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """The entry point of the `pxed` command.

    Imports make objects by the ten thousand and no garbage: looked through as often as Python does by itself, and taken
    apart one by one at the end, they take a good part of the time of a short command.
    """
    gc.set_threshold(_ALLOCATIONS)
    status = run(sys.argv[1:])
    if threading.active_count() == 1 and _is_flushed():
        os._exit(status)
    sys.exit(status)


def _is_flushed() -> bool:
    """Whether all that was printed is out; what hinders it Python says at its own end, with a status of its own."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed before the command began
                stream.flush()
    except OSError:
        return False
    return True
