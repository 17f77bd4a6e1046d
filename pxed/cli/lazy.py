"""Click groups whose verbs are imported when they are used, and the options that every verb takes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pxed.cli.session import Session


class LazyGroup(click.Group):
    """A group that knows its verbs' modules and one line of help of each; the module's `command` is the verb."""

    def __init__(self, *, verbs: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        """`verbs`: name -> (module, one line of help)."""
        super().__init__(**settings)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The lazy verbs in the order of their table, then those that are there."""
        return [*self._verbs, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now if need be."""
        if cmd_name in self._verbs and cmd_name not in self.commands:
            module, _ = self._verbs[cmd_name]
            command: click.Command = importlib.import_module(module).command
            add_common_options(command)
            self.commands[cmd_name] = command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, from the table alone where that is enough."""
        rows = [(name, text) for name, (_, text) in self._verbs.items()]
        here = (name for name in super().list_commands(ctx) if name not in self._verbs)
        rows += [(name, self.commands[name].get_short_help_str(limit=90)) for name in here]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def add_common_options(command: click.Command) -> None:
    """Gives `command`, and all below it, the options --config and --json.

    They may stand before or after any verb: each place writes into the one Session, and the last one wins.
    """
    command.params += [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_take_config,
            help="Configuration file. [env: PXED_CONFIG; default: /etc/pxed/pxed.toml]",
        ),
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_take_json, help="Print JSON instead of a table."
        ),
    ]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_common_options(inner)


def _take_config(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).config_path = value


def _take_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).as_json = True
