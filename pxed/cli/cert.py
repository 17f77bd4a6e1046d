"""`pxed cert`: the certificate by which boot loaders know the service point, and the authority behind it."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.output import print_fields, say
from pxed.cli.session import Session
from pxed.errors import NotFound, PxedError, Refused, UsageError

if TYPE_CHECKING:
    from pxed.tls.identity import Identity
    from pxed.tls.shown import Shown

_REPLACE = click.option("--replace", is_flag=True, help="Put it in the place of the certificate that is there.")
_NAMES = click.option("--name", "names", multiple=True, help="One more host name or IP address; may be repeated.")


@click.group(cls=VerbGroup)
def command() -> None:
    """Make or import the certificate by which boot loaders know this service point.

    It names this host and the IPv4 addresses of the configured interfaces, since boot loaders are sent to an address.
    A running service uses a new one when it is reloaded.

    \b
    Example:
      pxed cert init
    """


@command.command
@_NAMES
@_REPLACE
@click.pass_obj
def init(session: Session, names: tuple[str, ...], replace: bool) -> None:
    """Make an authority and a certificate by it.

    The authority is good for ten years, the certificate for two. Where there is a certificate, `pxed cert renew` makes
    a new one by the same authority; `--replace` makes a new authority.

    \b
    Example:
      pxed cert init --name pxe.example.org
    """
    from pxed.tls.authority import found
    from pxed.tls.keeping import save

    if not replace:
        _refuse_a_second(session)
    identity = found(_names(session, names), _now())
    save(session.tls_dir, identity, replace=replace)
    _report(session, "made")


@command.command
@click.pass_obj
def show(session: Session) -> None:
    """Show the certificate and when it expires.

    The fingerprint of the authority is what boot loaders are told to trust: DHCP option 175, suboption 90.

    \b
    Example:
      pxed cert show --json
    """
    print_fields(_fields(_shown(session)), as_json=session.as_json)


@command.command
@_NAMES
@click.pass_obj
def renew(session: Session, names: tuple[str, ...]) -> None:
    """Make a new certificate by the same authority.

    It has a new key, and the names and addresses that this host has now.

    \b
    Example:
      pxed cert renew --name pxe.example.org
    """
    from pxed.tls import authority, identity
    from pxed.tls.keeping import directory_in, load, save

    directory = directory_in(session.config.service.state_dir)
    _shown(session)  # says what would make one
    before = load(directory)
    after = authority.renew(before, _names(session, names), _now())
    save(directory, after, replace=True)
    lost = [name for name in identity.names(before.certificate) if name not in identity.names(after.certificate)]
    if lost:
        say(f"names that it no longer has: {', '.join(lost)}; pxed cert renew --name would add one")
    _report(session, "renewed")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--passphrase-file", type=click.Path(path_type=Path), help="A file with the pass phrase as its first line."
)
@_REPLACE
@click.pass_obj
def import_(session: Session, file: Path, passphrase_file: Path | None, replace: bool) -> None:
    """Take certificate, key and chain from a PKCS#12 file.

    The pass phrase is asked for if there is one. Boot loaders are told to trust the last certificate of the chain.

    \b
    Example:
      pxed cert import pxe.p12 --passphrase-file pxe.pass
    """
    from pxed.tls.keeping import save

    if not replace:
        _refuse_a_second(session)
    save(session.tls_dir, _from_pkcs12(file, passphrase_file), replace=replace)
    _report(session, "imported")


@command.command("export-ca")
@click.option(
    "--der", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write DER to FILE instead."
)
@click.pass_obj
def export_ca(session: Session, der: Path | None) -> None:
    """Print the certificate of the authority as PEM.

    Browsers take it, and boot loaders that are built with it.

    \b
    Example:
      pxed cert export-ca > pxed-ca.pem
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from pxed.tls.identity import fingerprint

    anchor = _shown(session).chain[-1]
    if der is not None:
        try:
            der.write_bytes(anchor.public_bytes(Encoding.DER))
        except OSError as error:
            raise PxedError(f"{der} cannot be written: {error.strerror}") from None
        session.report({"file": der, "sha256": fingerprint(anchor).hex()}, f"the authority is written to {der}")
        return
    pem = anchor.public_bytes(Encoding.PEM).decode()
    if session.as_json:
        session.report({"pem": pem, "sha256": fingerprint(anchor).hex()})
    else:
        click.echo(pem, nl=False)


def _refuse_a_second(session: Session) -> None:
    """Before keys are made or a pass phrase is asked for."""
    from pxed.tls.identity import title
    from pxed.tls.keeping import directory_in
    from pxed.tls.shown import shown

    try:
        one = shown(session.config.service.state_dir)
    except NotFound:
        return
    leaf = one.chain[0]
    there = f"there is a certificate of {title(leaf.subject)} in {directory_in(session.config.service.state_dir)}"
    advice = "pxed cert renew makes a new one by the same authority, and --replace removes both"
    raise Refused(f"{there}, good until {leaf.not_valid_after_utc:%Y-%m-%d}; {advice}")


def _names(session: Session, more: tuple[str, ...]) -> list[str]:
    """The names of this host, the first being the one to call it by, and the addresses of the interfaces served."""
    from pxed.interfaces import scan, select

    present, missing = select(session.config.interfaces, scan())
    for text in missing:
        say(f"not named in the certificate: {text}")
    hosts = [name for name in (socket.getfqdn(), socket.gethostname()) if name.partition(".")[0] != "localhost"]
    addresses = [str(address.ip) for interface in present for address in interface.addresses]
    return list(dict.fromkeys([*hosts, *more, *addresses]))


def _from_pkcs12(file: Path, passphrase_file: Path | None) -> Identity:
    from pxed.tls import pkcs12

    data = pkcs12.read_file(file)
    try:
        if passphrase_file is not None:
            return pkcs12.identity(data, _first_line(passphrase_file), _now())
        try:
            return pkcs12.identity(data, "", _now())
        except pkcs12.WrongPassphrase:
            if not sys.stdin.isatty():
                raise UsageError(f"{file} has a pass phrase: give it with --passphrase-file") from None
            return pkcs12.identity(data, click.prompt(f"Pass phrase of {file}", hide_input=True, err=True), _now())
    except Refused as error:
        raise Refused(f"{file}: {error}") from None


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").split("\n", maxsplit=1)[0].removesuffix("\r")
    except (OSError, UnicodeError) as error:
        raise PxedError(f"{file} cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}") from None


def _shown(session: Session) -> Shown:
    from pxed.tls.shown import shown

    return shown(session.config.service.state_dir)


def _report(session: Session, done: str) -> None:
    """What is there now, and what is to be said of it."""
    from pxed.interfaces import scan, select
    from pxed.tls.shown import examine

    one = _shown(session)
    present, _ = select(session.config.interfaces, scan())
    for trouble in examine(one, [address.ip for interface in present for address in interface.addresses], _now()):
        say(f"pxed: {trouble.text}")
    fields = _fields(one)
    session.report(fields, f"the certificate of {fields['subject']} is {done}, for {', '.join(fields['names'])}")


def _fields(one: Shown) -> dict[str, Any]:
    from pxed.tls.identity import fingerprint, kind_of_key, names, title
    from pxed.tls.shown import days_left

    leaf, anchor = one.chain[0], one.chain[-1]
    return {
        "file": one.file,
        "source": one.source,
        "subject": title(leaf.subject),
        "issuer": title(leaf.issuer),
        "names": list(names(leaf)),
        "key": kind_of_key(leaf),
        "valid_from": leaf.not_valid_before_utc,
        "valid_until": leaf.not_valid_after_utc,
        "days_left": days_left(leaf, _now()),
        "authority": title(anchor.subject),
        "authority_valid_until": anchor.not_valid_after_utc,
        "authority_days_left": days_left(anchor, _now()),
        "authority_sha256": fingerprint(anchor).hex(),
    }


def _now() -> datetime:
    return datetime.now(UTC)
