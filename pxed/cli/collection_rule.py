"""`pxed collection rule`: members by what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_collection
from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.errors import NotFound, UsageError

if TYPE_CHECKING:
    from pxed.site.model import CollectionRule, RuleKind

_COLUMNS = {"kind": "Kind", "value": "Value"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Have members because of what they are.

    They are members as long as they are that.

    A computer that fits one of the rules is a member. Unknown computers fit none.

    \b
    Example:
      pxed collection rule add Lab --name 'ws-*'
    """


def _rule_options(verb: Callable[..., None]) -> Callable[..., None]:
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--name", {"metavar": "PATTERN", "help": "Its name fits: * is any text, ? one character, [ab] one of these."}),
        ("--mac", {"metavar": "PREFIX", "help": "A MAC address begins with these bytes."}),
        ("--arch", {"metavar": "FIRMWARE", "help": "It asked with this firmware last, such as uefi-amd64."}),
        ("--guid", {"metavar": "GUID", "help": "It has this SMBIOS GUID, in either byte order."}),
    )
    for name, settings in reversed(options):
        verb = click.option(name, f"{name.removeprefix('--')}s", multiple=True, **settings)(verb)
    return verb


@command.command
@click.argument("collection", metavar="NAME")
@_rule_options
@click.option(
    "--guid-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A GUID a line; empty lines and those that begin with # are passed over.",
)
@click.pass_obj
def add(session: Session, /, collection: str, guid_file: Path | None, **values: tuple[str, ...]) -> None:
    """Add rules; each option may be repeated.

    \b
    Example:
      pxed collection rule add Lab --name 'ws-*' --mac 52:54:00 --arch uefi-amd64
    """
    from pxed.site.model import RuleKind
    from pxed.site.rules import make_rule

    rules = _rules(values)
    if guid_file is not None:
        lines = guid_file.read_bytes().decode(errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if text := line.partition("#")[0].strip():
                try:
                    rules.append(make_rule(RuleKind.GUID, text))
                except UsageError as error:
                    raise UsageError(f"{guid_file}: line {number}: {error}") from None
    if not rules:
        raise UsageError("no rule is given: say --name, --mac, --arch, --guid or --guid-file")
    with session.writing() as tx:
        home = find_collection(tx, collection)
        added = tx.add_rules(home.id, rules)
        members = tx.count_members(home.id)
    there = len(set(rules)) - added
    text = f"{added} rules are added to {collection}" if added != 1 else f"a rule is added to {collection}"
    session.report(
        [asdict(rule) for rule in rules],
        f"{text}{f', {there} were there' if there else ''}; it has {members} members now",
    )


@command.command("list")
@click.argument("collection", metavar="NAME")
@click.pass_obj
def list_(session: Session, collection: str) -> None:
    """List the rules of a collection.

    \b
    Example:
      pxed collection rule list Lab
    """
    with session.reading() as tx:
        rows = [asdict(rule) for rule in find_collection(tx, collection).rules]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty=f"collection {collection} has no rules")


@command.command
@click.argument("collection", metavar="NAME")
@_rule_options
@click.pass_obj
def remove(session: Session, /, collection: str, **values: tuple[str, ...]) -> None:
    """Remove rules; all of those given, or none.

    \b
    Example:
      pxed collection rule remove Lab --mac 52:54:00
    """
    rules = _rules(values)
    if not rules:
        raise UsageError("no rule is given: say --name, --mac, --arch or --guid")
    with session.writing() as tx:
        home = find_collection(tx, collection)
        for rule in rules:
            if not tx.remove_rule(home.id, rule):
                raise NotFound(f"collection {collection} has no rule {rule.kind} {rule.value}")
        members = tx.count_members(home.id)
    gone = ", ".join(f"{rule.kind} {rule.value}" for rule in rules)
    session.report([asdict(rule) for rule in rules], f"removed: {gone}; {collection} has {members} members now")


def _rules(values: dict[str, tuple[str, ...]]) -> list[CollectionRule]:
    """The rules that the options of `_rule_options` ask for."""
    from pxed.site.model import RuleKind
    from pxed.site.rules import make_rule

    kinds: dict[str, RuleKind] = {
        "names": RuleKind.NAME,
        "macs": RuleKind.MAC,
        "archs": RuleKind.ARCHITECTURE,
        "guids": RuleKind.GUID,
    }
    return [make_rule(kind, text) for key, kind in kinds.items() for text in values[key]]
