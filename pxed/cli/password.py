"""`pxed password`: what is asked for at the boot loader before anything that needs it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_advertisement, find_collection
from pxed.cli.output import print_rows, say
from pxed.cli.session import Session
from pxed.errors import PxedError, UsageError
from pxed.policy.password import unattended
from pxed.site.model import PasswordScope

if TYPE_CHECKING:
    from pxed.site.model import Password
    from pxed.site.store import Tx

_COLUMNS = {"guards": "Guards", "person": "Person", "changed_by": "Changed by", "changed_at": "Changed at"}
_EVERYTHING = "everything"


def _what_it_guards(verb: Callable[..., None]) -> Callable[..., None]:
    """The options that say which password is meant."""
    options = (
        click.option("--site", is_flag=True, help="The password of the whole site. [default]"),
        click.option("--collection", metavar="NAME", help="The password of what is advertised to a collection."),
        click.option("--advertisement", metavar="NAME|ID", help="The password of one advertisement."),
        click.option(
            "--person", default="", metavar="USER", help="The password of one person. [default: a shared one]"
        ),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


@click.group(cls=VerbGroup)
def command() -> None:
    """Set, unset and list the passwords that are asked for at the boot loader.

    The most exact one counts: that of an advertisement, else that of its collection, else that of the site. Who
    has a password uses that; everybody else uses the shared one, if there is one.

    \b
    Example:
      pxed password set --collection Lab
    """


@command.command("set")
@_what_it_guards
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="FILE", help="Read it from the first line of FILE; - is stdin."
)
@click.pass_obj
def set_(
    session: Session, site: bool, collection: str | None, advertisement: str | None, person: str, file: Path | None
) -> None:
    """Set or change a password; it is typed twice, or comes from a file.

    Only an Argon2id hash of it is kept. A boot loader's console has the keys of printable ASCII and no others.

    \b
    Example:
      pxed password set --advertisement install --person jane
    """
    from pxed.passwords.hashing import best_cost, check_new, hashed

    person = unicodedata.normalize("NFC", person)
    if collection is not None or advertisement is not None:
        with session.reading() as tx:
            _lock(tx, site, collection, advertisement)  # nobody types a password for what is not there
    password = check_new(_typed() if file is None else _read(file))
    kept = hashed(password, best_cost())
    with session.writing() as tx:
        scope, scope_id, title = _lock(tx, site, collection, advertisement)
        changed = tx.put_password(scope, scope_id, person, kept)
        alone = unattended(tx.advertisements(), tx.passwords(), tx.collections())
    if not (password.isascii() and person.isascii()):
        say("a boot loader's console has only the keys of ASCII: this cannot be typed there")
    for each in alone:
        say(f"{each.name} is mandatory and needs a password: it runs only where somebody types it")
    row = {"guards": title, "person": person, "changed": changed}
    session.report(row, f"password{_of(person)} for {title} is {'changed' if changed else 'set'}")


@command.command
@_what_it_guards
@click.pass_obj
def unset(session: Session, site: bool, collection: str | None, advertisement: str | None, person: str) -> None:
    """Remove a password.

    What no password guards any more is open to everybody.

    \b
    Example:
      pxed password unset --collection Lab
    """
    person = unicodedata.normalize("NFC", person)
    with session.writing() as tx:
        scope, scope_id, title = _lock(tx, site, collection, advertisement)
        tx.remove_password(scope, scope_id, person)
    session.report({"guards": title, "person": person}, f"password{_of(person)} for {title} is removed")


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List which passwords there are.

    The passwords themselves, and what is made from them, are never shown.

    \b
    Example:
      pxed password list --json
    """
    with session.reading() as tx:
        rows = [_row(tx, each) for each in tx.passwords()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no passwords")


def _row(tx: Tx, each: Password) -> dict[str, Any]:
    return asdict(each) | {"guards": _title(tx, each.scope, each.scope_id)}


def _title(tx: Tx, scope: PasswordScope, scope_id: int) -> str:
    if scope is PasswordScope.SITE:
        return _EVERYTHING
    things = tx.collections() if scope is PasswordScope.COLLECTION else tx.advertisements()
    name = next((thing.name for thing in things if thing.id == scope_id), "")
    return f"{scope} {name}" if scope is PasswordScope.COLLECTION else f"{scope} {name} ({scope_id})"


def _lock(tx: Tx, site: bool, collection: str | None, advertisement: str | None) -> tuple[PasswordScope, int, str]:
    """What the options mean: scope, id and title; UsageError if they mean several things, NotFound."""
    if (site, collection is not None, advertisement is not None).count(True) > 1:
        raise UsageError("say one of --site, --collection and --advertisement")
    if collection is not None:
        scope, scope_id = PasswordScope.COLLECTION, find_collection(tx, collection).id
    elif advertisement is not None:
        scope, scope_id = PasswordScope.ADVERTISEMENT, find_advertisement(tx, advertisement).id
    else:
        scope, scope_id = PasswordScope.SITE, 0
    return scope, scope_id, _title(tx, scope, scope_id)


def _typed() -> str:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to type a password at; --file reads it from a file, --file - from stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return password


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise PxedError(f"{file} cannot be read: {error.strerror}") from None
    try:
        line, _, rest = data.decode().partition("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text") from None
    if rest.strip():
        raise UsageError(f"{file} has more than one line; the password is the first, and the only one")
    return line.removesuffix("\r")


def _of(person: str) -> str:
    return f" of {person}" if person else ""
