"""`pxed manual`: the manual page, made of what --help says of every verb."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from pxed import __version__
from pxed.cli.lazy import LazyVerb

_COMMON = {"--config", "--json", "--help"}
"""options that every verb has: told of once"""
_FILES = (
    ("/etc/pxed/pxed.toml", "The configuration, in which every setting stands with its default."),
    ("/var/lib/pxed", "What is kept: database, key, certificate, boot images, boot loaders."),
    ("/run/pxed/control.sock", "Where the service tells `pxed status` how it is."),
)


@click.command
@click.pass_context
def command(context: click.Context) -> None:
    """Print the manual page: everything that --help says, of all verbs.

    \b
    Example:
      pxed manual | man --local-file -
    """
    root = context.find_root().command
    click.echo("\n".join(_page(root)))


def _page(root: click.Command) -> Iterator[str]:
    top = click.Context(root, info_name="pxed")
    yield f'.TH PXED 1 "" "pxed {__version__}" "PXE service point"'
    yield from (".SH NAME", r"pxed \- a PXE service point for Linux", ".SH SYNOPSIS", ".B pxed")
    yield _text("[OPTIONS] VERB [ARGS]...")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(root.help or "")
    yield ".SH OPTIONS"
    yield from _options(top, set())
    yield ".SH VERBS"
    yield from _verbs(top)
    yield ".SH EXIT STATUS"
    yield from _paragraphs(root.epilog or "")
    yield ".SH FILES"
    for path, what in _FILES:
        yield from (".TP", f".I {_text(path)}", _text(what))


def _verbs(above: click.Context) -> Iterator[str]:
    """Each verb below a group, and what is below it."""
    group = above.command
    assert isinstance(group, click.Group)  # noqa: S101 - the callers have looked
    for name in group.list_commands(above):
        found = group.commands[name]
        verb = found.verb if isinstance(found, LazyVerb) else found
        context = click.Context(verb, info_name=name, parent=above)
        words = [piece for piece in verb.collect_usage_pieces(context) if piece != "[OPTIONS]"]
        yield f'.SS "{_text(" ".join([context.command_path, *words]))}"'
        yield from _paragraphs(verb.help or "")
        yield from _options(context, _COMMON)
        if isinstance(verb, click.Group):
            yield from _verbs(context)


def _paragraphs(text: str) -> Iterator[str]:
    r"""Paragraphs of a help text; those after \b keep their lines."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.splitlines()
        yield ".PP"
        if lines[0].strip() == "\b":
            yield from (".nf", *map(_text, lines[1:]), ".fi")
        else:
            yield from map(_text, lines)


def _options(context: click.Context, told: set[str]) -> Iterator[str]:
    for option in context.command.get_params(context):
        record = option.get_help_record(context)
        if record is not None and told.isdisjoint(option.opts):
            names, what = record
            breakable = _text(names).replace("|", r"|\:")
            yield from (".TP", f'.B "{breakable}"', _text(what))


def _text(line: str) -> str:
    """A line of ordinary text, in which nothing is a request to the formatter."""
    escaped = line.rstrip().replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
