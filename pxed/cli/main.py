"""The `pxed` command: which verbs there are, and what becomes of their errors.

Starting it costs the import of click alone. A verb's module is imported when the verb is used, and imports what is
heavy (database, validation, tables) inside the functions that need it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from pxed import __version__
from pxed.cli.lazy import LazyGroup, add_common_options
from pxed.cli.session import Session
from pxed.errors import PxedError

VERBS = {
    "serve": ("pxed.cli.serve", "Answer computers that boot from the network."),
    "check": ("pxed.cli.check", "Find all faults of the configuration, and more with --deep."),
    "config": ("pxed.cli.config", "Show the settings in effect."),
    "status": ("pxed.cli.status", "Show what the running service does."),
    "computer": ("pxed.cli.computer", "Add, import, list, show and remove computers."),
    "collection": ("pxed.cli.collection", "Put computers into named sets."),
    "bootimage": ("pxed.cli.bootimage", "Build, add, list, verify and remove boot images."),
    "sequence": ("pxed.cli.sequence", "Add, list, show and remove task sequences."),
    "advertise": ("pxed.cli.advertise", "Advertise a task sequence to a collection."),
    "advertisement": ("pxed.cli.advertisement", "List, show, enable, disable and remove advertisements."),
    "clear-last": ("pxed.cli.clear_last", "Let the latest mandatory advertisement run again."),
    "explain": ("pxed.cli.explain", "Say what a computer would get now, and why."),
    "history": ("pxed.cli.history", "Show what a computer did."),
    "sightings": ("pxed.cli.sightings", "List computers that were seen and are not known."),
    "lab": ("pxed.cli.lab", "Boot machines in a network of their own, to try pxed."),
    "completion": ("pxed.cli.completion", "Print the completion script of a shell."),
}

EXIT_CODES = """\b
Exit status:
  0  done                          1  failed, or not found
  2  wrong use of the command      69  something needed is not there
  74  the database cannot be used  75  try again later
  77  permission denied            78  the configuration has faults
"""


@click.command(
    cls=LazyGroup,
    verbs=VERBS,
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
    """Runs one command line and returns its exit status; every error that was expected is one sentence on stderr."""
    try:
        status = pxed.main(list(arguments), prog_name="pxed", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PxedError as error:
        click.echo("\n".join(f"pxed: {line}" for line in str(error).splitlines()), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # the reader has seen enough (`pxed history | head`); what Python flushes at its end must go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """The entry point of the `pxed` command."""
    sys.exit(run(sys.argv[1:]))
