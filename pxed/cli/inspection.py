"""A deep look: whether what a good configuration names is there, on this machine and in its database.

Each function looks at one thing and yields what is wrong. What the first start of the service makes by itself
(directories, key) may be missing.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pxed.boot.token import KEY_BYTES
from pxed.cli.session import Session
from pxed.cli.status import ask
from pxed.config import Config
from pxed.errors import NotFound, NotPermitted, PxedError, StoreError, StoreMissing, Unavailable
from pxed.image.library import verify
from pxed.interfaces import Interface, bind_udp, listen_tcp, scan, select
from pxed.loaders import find_loaders
from pxed.policy.password import unattended
from pxed.ports import boot_server_port, dhcp_port, http_port, https_port, refusal, tftp_port
from pxed.site.boot_image import BootImage, Cpu
from pxed.site.model import Advertisement, Password
from pxed.tls.shown import examine, shown

_SINCE_13 = "ipxe, from Debian 13 on"
_PACKAGES = {
    "undionly.kpxe": "ipxe",
    "snponly.efi": "ipxe",
    "ipxe.efi": "ipxe",
    "ipxe-amd64.efi": _SINCE_13,
    "ipxe-arm64.efi": _SINCE_13,
    "ipxe-riscv64.efi": _SINCE_13,
}
"""Debian's package of a boot loader; it puts the file into /usr/lib/ipxe"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    severity: Literal["fault", "warning"]
    key: str
    """the key of the configuration that leads to it"""
    text: str
    """what is wrong and what would be right"""


def inspect(session: Session) -> Iterator[Finding]:
    """Everything that is wrong."""
    config = session.config
    yield from _user(config)
    yield from _key(config)
    yield from _owners(config)
    images: list[BootImage] = []
    try:
        with session.reading() as tx:
            images = list(tx.boot_images())
            collections = {collection.name for collection in tx.collections()}
            passwords = tx.passwords()
            alone = unattended(tx.advertisements(), passwords, tx.collections())
    except StoreMissing as error:
        yield Finding("warning", "database.url", str(error))
    except StoreError as error:
        yield Finding("fault", "database.url", str(error))
    else:
        yield from _unknown_computers(config, collections)
        yield from _images(config, images)
        yield from _passwords(config, passwords, alone)
    yield from _loaders(config, {variant.cpu for image in images for variant in image.variants})
    present, missing = select(config.interfaces, scan())
    yield from (Finding("fault", "interface", text) for text in missing)
    yield from _certificate(config, present)
    if not _is_running(config):
        for interface in present:
            yield from _ports(config, interface)


def _user(config: Config) -> Iterator[Finding]:
    user = config.service.user
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError:
            yield Finding("fault", "service.user", f"there is no user {user}; useradd --system {user} would make it")


def _key(config: Config) -> Iterator[Finding]:
    path = config.key_file
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        yield Finding("fault", "service.state_dir", f"{path} cannot be looked at: {error.strerror}")
        return
    if status.st_size != KEY_BYTES:
        text = f"{path} has {status.st_size} bytes, not {KEY_BYTES}; remove it, and the service makes a new one"
        yield Finding("fault", "service.state_dir", text)
    if status.st_mode & 0o077:
        text = f"{path} can be read by others, who could then forge grants; chmod 600 {path} ends that"
        yield Finding("fault", "service.state_dir", text)


def _owners(config: Config) -> Iterator[Finding]:
    """What the service keeps belongs to whom the directory belongs to: a backup that root copied back would not."""
    directory = config.service.state_dir
    kept = {"key", "tls", "images", *(f"pxed.db{suffix}" for suffix in ("", "-wal", "-shm"))}
    try:
        owner = directory.stat().st_uid
        strange = sorted(path.name for path in directory.iterdir() if path.name in kept and path.stat().st_uid != owner)
    except OSError:
        return  # not there yet, or not for us to see: the key and the database say so
    for name in strange:
        text = f"{directory / name} belongs to another user than its directory, whose owner runs the service"
        advice = f"chown --recursive --no-dereference --reference={directory} {directory} would be right"
        yield Finding("fault", "service.state_dir", f"{text}; {advice}")


def _unknown_computers(config: Config, collections: set[str]) -> Iterator[Finding]:
    name = config.responder.unknown_computers
    if name not in {"ignore", "approval"} and name not in collections:
        text = f"there is no collection {name}, so unknown computers are ignored; pxed collection add would make it"
        yield Finding("fault", "responder.unknown_computers", text)
    if name == "all-computers":
        text = "all-computers has the known computers; unknown-computers would be the one for unknown ones"
        yield Finding("warning", "responder.unknown_computers", text)


def _images(config: Config, images: list[BootImage]) -> Iterator[Finding]:
    for image in images:
        for text in verify(image, config.images_dir):
            yield Finding("fault", "service.state_dir", f"boot image {image.name}: {text}")


def _passwords(config: Config, passwords: Sequence[Password], alone: Sequence[Advertisement]) -> Iterator[Finding]:
    """What is asked for and cannot be given: by nobody who is there, or over no safe way."""
    for each in alone:
        text = f"advertisement {each.name} is mandatory and needs a password: it runs only where somebody types it"
        yield Finding("warning", "database.url", text)
    if passwords and not config.https.port and not config.password.plain_http:
        text = "there are passwords and no HTTPS to send them by, so nobody can; pxed cert init, and port = 8443 here"
        yield Finding("fault", "https.port", text)
    if config.password.plain_http:
        yield Finding("warning", "password.plain_http", "passwords may be read by anybody on the network")


def _loaders(config: Config, cpus: set[Cpu]) -> Iterator[Finding]:
    """Kinds of firmware that could boot one of the site's images, were it not for their boot loader."""
    try:
        loaders = find_loaders(config)
    except OSError as error:
        yield Finding("warning", "loaders", f"{error.filename} cannot be looked at: {error.strerror}; root can")
        return
    for kind, names in loaders.missing.items():
        wanted = cpus & {Cpu.AMD64, Cpu.I386} if kind == "bios" else cpus & {kind.removeprefix("uefi-")}
        if not wanted and loaders.names:
            continue
        packages = {name: _PACKAGES[name] for name in names if name in _PACKAGES}
        advice = "; ".join(f"{name} is in Debian's package {package}" for name, package in packages.items())
        text = f"no boot loader, none of {', '.join(names)}; {advice or f'put one into {config.public_dir}'}"
        yield Finding("fault" if wanted else "warning", f"loaders.{kind}", text)


def _certificate(config: Config, present: list[Interface]) -> Iterator[Finding]:
    """Of the certificate, if there is one."""
    try:
        one = shown(config.service.state_dir)
    except NotFound:
        return
    except PxedError as error:
        yield Finding("fault", "service.state_dir", str(error))
        return
    addresses = [address.ip for interface in present for address in interface.addresses]
    for trouble in examine(one, addresses, datetime.now(UTC)):
        yield Finding("fault" if trouble.fatal else "warning", "service.state_dir", trouble.text)


def _is_running(config: Config) -> bool:
    """True if the ports are held by the service itself."""
    try:
        ask(config.control_socket)
    except Unavailable:
        return False
    except NotPermitted:
        return True  # it listens, though not to us
    return True


def _ports(config: Config, interface: Interface) -> Iterator[Finding]:
    """Ports that the service could not have, by taking each for a moment."""
    wanted = [boot_server_port(), tftp_port(config), http_port(config)]
    if config.https.port:
        wanted.append(https_port(config))
    for port in [dhcp_port(), *wanted] if config.responder.listen_dhcp else wanted:
        try:
            if port.protocol == "UDP":
                bind_udp(interface.name, "", port.number).close()
            else:
                listen_tcp(interface.name, port.number).close()
        except OSError as error:
            fault = refusal(error, port, interface.name)
            yield Finding("warning" if isinstance(fault, NotPermitted) else "fault", port.key, str(fault))
