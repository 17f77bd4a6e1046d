"""Verbs that are imported when they are used, and the options that every verb takes."""

from __future__ import annotations

import importlib
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from pxed.cli.session import Session


class VerbGroup(click.Group):
    """A group that lists its verbs in the order in which they were added, as one tells of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs."""
        return list(self.commands)


class LazyVerb(click.Command):
    """Stands in a group for a verb that is elsewhere, until somebody uses it: help and completion need the name and the
    line of help alone."""

    def __init__(self, name: str, place: str, short_help: str) -> None:
        """`place` is `module:attribute`."""
        super().__init__(name, short_help=short_help)
        self._place = place

    @cached_property
    def verb(self) -> click.Command:
        """The verb itself, imported."""
        module, _, attribute = self._place.partition(":")
        verb: click.Command = getattr(importlib.import_module(module), attribute)
        add_common_options(verb)
        return verb

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The verb's own context: from here on click deals with the verb and no longer with its stand-in."""
        return self.verb.make_context(info_name, args, parent, **extra)


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
            ["--json"], is_flag=True, expose_value=False, callback=_take_json, help="Print JSON instead of text."
        ),
    ]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            if not isinstance(inner, LazyVerb):
                add_common_options(inner)


def _take_config(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).config_path = value


def _take_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).as_json = True
