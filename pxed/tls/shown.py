"""The certificate that computers are shown, and what is wrong with it or soon will be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pxed.errors import NotFound
from pxed.tls.identity import kind_of_key, names, title
from pxed.tls.keeping import AUTHORITY_KEY, CERTIFICATE, KEY, directory_in, read_chain

WARN_DAYS = 30
"""an expiry is told of from this many days before"""


class Source(StrEnum):
    """Where a certificate came from, which says how it is renewed."""

    OWN = "own"
    IMPORTED = "imported"
    CONFIGURED = "configured"


_REMEDIES = {
    Source.OWN: "pxed cert renew makes a new one",
    Source.IMPORTED: "pxed cert import --replace takes a new one",
    Source.CONFIGURED: "the configuration names the file",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate in use, as far as everyone may know it."""

    source: Source
    file: Path
    keys: tuple[Path, ...]
    """files of private keys that belong to it; some may be missing"""
    chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing to tell the operator."""

    text: str
    fatal: bool
    """boot loaders refuse the certificate, or a secret is open"""


def shown(state_dir: Path, configured: tuple[Path, Path] | None = None) -> Shown:
    """The certificate of the service point with that state directory, or the `configured` one (certificate, key).

    NotFound if there is none; NotPermitted or PxedError if it cannot be read.
    """
    if configured is not None:
        file, key = configured
        return Shown(Source.CONFIGURED, file, (key,), read_chain(file))
    directory = directory_in(state_dir)
    try:
        chain = read_chain(directory / CERTIFICATE)
    except NotFound:
        raise NotFound(f"there is no certificate in {directory}; pxed cert init makes one") from None
    source = Source.OWN if (directory / AUTHORITY_KEY).exists() else Source.IMPORTED
    return Shown(source, directory / CERTIFICATE, (directory / KEY, directory / AUTHORITY_KEY), chain)


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until it expires; less than 0 if it has."""
    return (certificate.not_valid_after_utc - now) // timedelta(days=1)


def expiring(one: Shown, now: datetime) -> Iterator[Trouble]:
    """Which certificates of the chain have expired, or will within 30 days."""
    for certificate in one.chain:
        remedy = _REMEDIES[one.source]
        if one.source is Source.OWN and certificate is one.chain[-1]:
            remedy = "pxed cert init --replace makes a new authority"
        who = f"the certificate of {title(certificate.subject)}"
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        days = days_left(certificate, now)
        if days < 0:
            yield Trouble(f"{who} expired on {until}; {remedy}", fatal=True)
        elif days < WARN_DAYS:
            left = f"{days} day{'' if days == 1 else 's'}"
            yield Trouble(f"{who} expires in {left}, on {until}; {remedy}", fatal=False)


def examine(one: Shown, addresses: Iterable[IPv4Address], now: datetime) -> Iterator[Trouble]:
    """Everything that is wrong: expiry, `addresses` of the service point that are not named, keys that boot loaders do
    not know, files of keys that others can read."""
    yield from expiring(one, now)
    named = names(one.chain[0])
    missing = [str(address) for address in addresses if str(address) not in named]
    if missing:
        text = f"the certificate does not name {', '.join(missing)}, so boot loaders that are sent there refuse it"
        yield Trouble(f"{text}; {_REMEDIES[one.source]}", fatal=False)
    for certificate in one.chain:
        if not isinstance(certificate.public_key(), RSAPublicKey):
            text = f"the key of {title(certificate.subject)} is {kind_of_key(certificate)}"
            yield Trouble(f"{text}, which iPXE of before 2026 does not know; RSA works with every one", fatal=False)
    for key in one.keys:
        if key.exists() and key.stat().st_mode & 0o077:
            text = f"{key} can be read by others, who could then pass for this service point"
            yield Trouble(f"{text}; chmod 600 {key} ends that", fatal=True)
