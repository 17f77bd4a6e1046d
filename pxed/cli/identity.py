"""`pxed identity`: the lists of identifiers that are ignored or shared."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click

from pxed.cli.conflicts import conflicts, settle
from pxed.cli.lazy import VerbGroup
from pxed.cli.names import Identifier, IdentifierType
from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.errors import NotFound
from pxed.site.identity import IdentifierList

_COLUMNS = {"kind": "Kind", "value": "Identifier", "comment": "Comment", "user": "By", "at": "Since"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Say which identifiers are ignored or shared, and settle those that disagree.

    \b
    Example:
      pxed identity ignore list
    """


@dataclass(frozen=True, slots=True)
class _Words:
    """What the help of one list's verbs says."""

    verb: str
    keep: str
    add: str
    remove: str
    shown: str
    why: str
    """of --comment"""
    sample: str
    """a comment"""

    def help(self, text: str, example: str) -> str:
        """`text` and an example, as click wants them."""
        return f"{text}\n\n\b\nExample:\n  pxed identity {self.verb} {example}"


_IGNORE = _Words(
    "ignore",
    "Keep the list of those who get no answer.\n\n"
    "Whoever shows one of these identifiers gets none, whatever else is true.",
    "Ignore whoever shows one of these.",
    "Ignore them no longer.",
    "List what is ignored.",
    "Why.",
    "a printer",
)
_SHARE = _Words(
    "share",
    "Keep the list of what several computers show.\n\n"
    "These identifiers are no evidence of who somebody is. Docks and network adapters that travel are on it, and GUIDs"
    " that firmware comes with.",
    "Take these as evidence no longer.\n\nA computer that has one of them is known by its others alone.",
    "Take these as evidence again.",
    "List what is shared, with what every site begins with.",
    "What it is.",
    "dock of room 214",
)
_SAMPLE = "52:54:00:12:34:56"


def _verbs(which: IdentifierList, words: _Words) -> click.Group:
    """The verbs that keep one list."""
    group = VerbGroup(words.verb, help=words.help(words.keep, "list"))
    several = click.argument("identifiers", nargs=-1, required=True, type=IdentifierType(), metavar="MAC|GUID...")

    @group.command("add", help=words.help(words.add, f'add {_SAMPLE} --comment "{words.sample}"'))
    @several
    @click.option("--comment", default="", help=words.why)
    @click.pass_obj
    def add(session: Session, identifiers: tuple[Identifier, ...], comment: str) -> None:
        _add(session, which, identifiers, comment)

    @group.command("remove", help=words.help(words.remove, f"remove {_SAMPLE}"))
    @several
    @click.pass_obj
    def remove(session: Session, identifiers: tuple[Identifier, ...]) -> None:
        _remove(session, which, identifiers)

    @group.command("list", help=words.help(words.shown, "list --json"))
    @click.pass_obj
    def show(session: Session) -> None:
        _list(session, which)

    return group


def _add(session: Session, which: IdentifierList, identifiers: tuple[Identifier, ...], comment: str) -> None:
    messages = []
    with session.writing() as tx:
        for kind, value in identifiers:
            new = tx.list_identifier(which, kind, value, comment)
            owner = tx.find_computer(value)
            messages.append(
                f"{kind.label} {value} is {'put' if new else 'already'} on the {which.label} list"
                + (f"; computer {owner.name} has it" if owner else "")
            )
        rows = [asdict(listed) for listed in tx.listed(which) if (listed.kind, listed.value) in identifiers]
    session.report(rows, *messages)


def _remove(session: Session, which: IdentifierList, identifiers: tuple[Identifier, ...]) -> None:
    with session.writing() as tx:
        for kind, value in identifiers:
            if not tx.unlist_identifier(which, kind, value):
                raise NotFound(f"the {kind.label} {value} is not on the {which.label} list; nothing was changed")
    values = [value for _, value in identifiers]
    session.report(
        values, *(f"{kind.label} {value} is taken off the {which.label} list" for kind, value in identifiers)
    )


def _list(session: Session, which: IdentifierList) -> None:
    with session.reading() as tx:
        rows = [asdict(listed) for listed in tx.listed(which)]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty=f"no identifier is on the {which.label} list")


command.add_command(_verbs(IdentifierList.IGNORED, _IGNORE))
command.add_command(_verbs(IdentifierList.SHARED, _SHARE))
command.add_command(conflicts)
command.add_command(settle)
