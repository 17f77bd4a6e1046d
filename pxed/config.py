"""The configuration: what `/etc/pxed/pxed.toml` may say, each key with its type, unit and default.

The dataclasses are the schema. `load` reads a TOML file into them and reports every fault of the file at once; the rest
of the program is handed a `Config` and reads neither files nor the environment. Every default is also shown in
`config/pxed.toml`. Keys are named as in the file: `config.tftp.max_window` is `max_window` of `[tftp]`; only
`[[interface]]`, which may come several times, is `config.interfaces`.
"""

from __future__ import annotations

import functools
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pxed.errors import UsageError
from pxed.site.identifiers import parse_mac
from pxed.site.zones import machine_zone, zone_of


@dataclass(frozen=True, slots=True)
class Check:
    """An annotation: a value of the file must also pass `function`, which returns what it stands for or raises
    ValueError in its own words."""

    function: Callable[[Any], Any]


def _between(low: float, high: float) -> Check:
    def check(value: float) -> float:
        if not low <= value <= high:  # said this way round, NaN is outside
            raise ValueError(f"{value} is not between {low:g} and {high:g}")
        return value

    return Check(check)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is not an absolute path such as '/srv/pxed'")
    return path


def _collection_or_ignore(text: str) -> str:
    if not text.strip():
        raise ValueError("must be 'ignore', 'approval' or the name of a collection")
    return text


def _distinct(interfaces: tuple[InterfaceConfig, ...]) -> tuple[InterfaceConfig, ...]:
    if len(set(interfaces)) < len(interfaces):
        twice = next(one for one in interfaces if interfaces.count(one) > 1)
        raise ValueError(f"the interface {twice} is named twice")
    return interfaces


def _file_name(name: str) -> str:
    if not name or "/" in name or "\\" in name or name in {".", ".."} or not name.isprintable():
        raise ValueError(f"{name!r} is not a plain file name such as 'snponly.efi'")
    return name


def _name_of_a_point(name: str) -> str:
    if not name.isprintable() or name != name.strip() or len(name) > 255:
        raise ValueError(f"{name!r} is not a name such as 'pxe-1.example.org'")
    return name


def _time_zone(name: str) -> str:
    if name:
        try:
            zone_of(name)
        except UsageError as error:
            raise ValueError(str(error)) from None
    return name


def _interface_name(name: str) -> str:
    # IFNAMSIZ is 16 with the closing NUL; the kernel's dev_valid_name refuses the rest
    if not 0 < len(name.encode()) < 16 or re.search(r"[/:\s]", name) or name in {".", ".."}:
        raise ValueError(f"{name!r} is not the name of a network interface such as 'eth0'")
    return name


def _database_url(url: str) -> str:
    if not re.fullmatch(r"sqlite:///.+|postgresql(\+psycopg)?://.+", url):
        raise ValueError("not the URL of a database such as 'sqlite:///pxed.db' or 'postgresql://pxed@host/pxed'")
    return url


Port = Annotated[int, _between(1, 65535)]
AbsolutePath = Annotated[Path, Check(_absolute)]
FileName = Annotated[str, Check(_file_name)]

DEFAULT_LOADERS: dict[str, tuple[str, ...]] = {
    "bios": ("undionly.kpxe",),
    "uefi-i386": ("ipxe-i386.efi",),
    "uefi-amd64": ("snponly.efi", "ipxe-amd64.efi", "ipxe.efi"),
    "uefi-arm64": ("ipxe-arm64.efi",),
    "uefi-armhf": ("ipxe-armhf.efi",),
    "uefi-riscv64": ("ipxe-riscv64.efi",),
    "uefi-loong64": ("ipxe-loong64.efi",),
}


def _beside_defaults(loaders: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return DEFAULT_LOADERS | loaders


@dataclass(frozen=True, slots=True)
class Service:
    """`[service]`: the service point as a whole."""

    enabled: bool = True
    """false: nobody is answered; the service runs on and the site can be worked on"""
    name: Annotated[str, Check(_name_of_a_point)] = ""
    """what this service point is called; each of a site needs a name of its own; empty: the name of the host"""
    state_dir: AbsolutePath = Path("/var/lib/pxed")
    """absolute path of all that is kept: database, key, boot images, boot loaders"""
    run_dir: AbsolutePath = Path("/run/pxed")
    """absolute path of the control socket's directory"""
    time_zone: Annotated[str, Check(_time_zone)] = ""
    """IANA name of the zone in which schedules are meant unless they name another; empty: the machine's"""
    user: str = ""
    """user to become when the ports are bound, if started as root; empty: stay who we are"""


@dataclass(frozen=True, slots=True)
class InterfaceConfig:
    """`[[interface]]`: one network interface that is served, by name or by its own MAC address."""

    name: Annotated[str, Check(_interface_name)] | None = None
    """as the kernel calls it"""
    mac: Annotated[str, Check(parse_mac)] | None = None
    """for machines on which names move; lower-case pairs with colons"""

    def __post_init__(self) -> None:
        """ValueError unless exactly one of the two is given."""
        if (self.name is None) == (self.mac is None):
            raise ValueError("needs either name or mac, and not both")

    def __str__(self) -> str:
        """The interface as messages call it."""
        return self.name or f"with MAC address {self.mac}"


@dataclass(frozen=True, slots=True)
class Responder:
    """`[responder]`: who is answered on ports 67 and 4011, and how."""

    listen_dhcp: bool = True
    """false: port 4011 only, beside a DHCP server on the same host"""
    delay_seconds: Annotated[float, _between(0, 60)] = 0.0
    """wait this long before an answer on port 67, so that another PXE server may come first; default 0"""
    uefi_offer: Literal["boot-from-first-offer", "boot-server"] = "boot-from-first-offer"
    """form of the first offer to UEFI firmware that shall boot; "boot-server" has it ask port 4011, a second more"""
    unknown_computers: Annotated[str, Check(_collection_or_ignore)] = "ignore"
    """"ignore", "approval", or the name of the collection as whose members they are served"""
    approval_minutes: Annotated[float, _between(1, 10080)] = 60.0
    """how long an unknown computer waits for approval before it goes on to its next boot device; default 60"""
    site_name: str = ""
    """what a waiting computer says where it is; empty: the name of this host"""
    nothing_to_do: Literal["abort", "silent"] = "abort"
    """a known computer without a task: told to go on to its disk, or not answered"""
    consume: Literal["offered", "booting", "succeeded"] = "booting"
    """the state from which on a mandatory advertisement counts as run"""
    attempts: Annotated[int, _between(1, 1000)] = 3
    """tries of a mandatory advertisement before that state is reached; default 3"""
    prompt_seconds: Annotated[float, _between(1, 3600)] = 10.0
    """how long a computer waits for F12; default 10"""


@dataclass(frozen=True, slots=True)
class Guard:
    """`[guard]`: what holds mandatory advertisements back."""

    hand_outs_per_hour: Annotated[int, _between(0, 1_000_000)] = 0
    """at most so many mandatory hand-outs within any hour, all together; 0: no limit"""
    collection_size: Annotated[int, _between(0, 10_000_000)] = 0
    """a larger collection needs a confirmation of its size before anything mandatory reaches it; 0: none does"""
    second_person: bool = False
    """true: a mandatory advertisement waits until somebody other than its maker approves it"""


@dataclass(frozen=True, slots=True)
class Tftp:
    """`[tftp]`: the file server for firmware."""

    port: Port = 69
    """UDP; firmware asks nowhere else"""
    workers: Annotated[int, _between(0, 64)] = 0
    """processes; 0: one a core, at most 4"""
    public_dir: Path = Path("tftp")
    """directory readable by anyone, for boot loaders; relative to state_dir"""
    loader_dirs: tuple[AbsolutePath, ...] = (Path("/usr/lib/ipxe"),)
    """where boot loaders that are not in public_dir are looked for, in this order"""
    max_block_size: Annotated[int, _between(512, 65464)] = 1468
    """bytes, RFC 2348; a route with a smaller MTU lowers it further"""
    max_window: Annotated[int, _between(1, 65535)] = 64
    """blocks in flight, RFC 7440"""
    max_transfers: Annotated[int, _between(1, 100_000)] = 2000
    """at the same time, in all workers together"""
    max_transfers_per_client: Annotated[int, _between(1, 10_000)] = 16
    """at the same time, of one address"""
    timeout_seconds: Annotated[float, _between(0.05, 255)] = 1.0
    """wait for an acknowledgement before the first repetition, unless the client asks for another; default 1"""
    retries: Annotated[int, _between(1, 100)] = 6
    """repetitions of one block before a transfer is given up"""

    def __post_init__(self) -> None:
        """ValueError if a client may have more transfers than there are."""
        if self.max_transfers_per_client > self.max_transfers:
            raise ValueError("max_transfers_per_client is greater than max_transfers")


@dataclass(frozen=True, slots=True)
class Http:
    """`[http]`: boot scripts, boot images, the agent's requests."""

    port: Port = 8067
    """TCP"""


@dataclass(frozen=True, slots=True)
class Https:
    """`[https]`: the same over TLS, with the certificate that `pxed cert` keeps."""

    port: Annotated[int, _between(0, 65535)] = 0
    """TCP; 0: not at all"""


PLAIN_HTTP = "passwords may be read on the network"
"""what an operator has to write to have passwords sent over plain HTTP"""


def _plain_http(text: str) -> str:
    if text not in {"", PLAIN_HTTP}:
        raise ValueError(f"is either empty or, word for word, {PLAIN_HTTP!r}")
    return text


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """`[password]`: how passwords are asked for at the boot loader."""

    attempts: Annotated[int, _between(1, 1000)] = 5
    """wrong ones of one computer until it is locked"""
    interface_attempts: Annotated[int, _between(1, 100_000)] = 50
    """wrong ones on one interface until it is locked"""
    lock_minutes: Annotated[int, _between(1, 10_080)] = 15
    """how long a lock lasts, and a wrong one is remembered"""
    plain_http: Annotated[str, Check(_plain_http)] = ""
    """"passwords may be read on the network" lets boot loaders without HTTPS send them; otherwise they are refused"""


@dataclass(frozen=True, slots=True)
class Database:
    """`[database]`: where the site is kept."""

    url: Annotated[str, Check(_database_url)] = "sqlite:///pxed.db"
    """as SQLAlchemy reads it; a relative file is relative to state_dir"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`[tokens]`: the grants in file names."""

    grant_minutes: Annotated[int, _between(1, 10080)] = 240
    """how long a computer may fetch its boot image and report, from the verdict on"""


@dataclass(frozen=True, slots=True)
class History:
    """`[history]`: how much of what happened is remembered."""

    days: Annotated[int, _between(1, 36_500)] = 400
    """older events are forgotten"""
    events: Annotated[int, _between(1_000, 1_000_000)] = 1_000_000
    """and if there are more than these, the oldest"""


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`: what the service says."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """the least severe message that is written"""
    format: Literal["text", "json"] = "text"
    """how, on standard error"""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration."""

    service: Service = field(default_factory=Service)
    interfaces: Annotated[tuple[InterfaceConfig, ...], Check(_distinct)] = ()
    """one or more in every file; nothing is answered elsewhere"""
    responder: Responder = field(default_factory=Responder)
    guard: Guard = field(default_factory=Guard)
    tftp: Tftp = field(default_factory=Tftp)
    http: Http = field(default_factory=Http)
    https: Https = field(default_factory=Https)
    database: Database = field(default_factory=Database)
    loaders: Annotated[dict[str, tuple[FileName, ...]], Check(_beside_defaults)] = field(
        default_factory=lambda: dict(DEFAULT_LOADERS)
    )
    """`[loaders]`: boot loader files by kind of firmware, the best first; the first that exists is used"""
    password: PasswordConfig = field(default_factory=PasswordConfig)
    tokens: Tokens = field(default_factory=Tokens)
    history: History = field(default_factory=History)
    log: Log = field(default_factory=Log)

    @property
    def point(self) -> str:
        """The name of this service point."""
        return self.service.name or _host_name()

    @property
    def time_zone(self) -> str:
        """The name of the site's time zone."""
        return self.service.time_zone or machine_zone()

    @property
    def key_file(self) -> Path:
        """The key that seals tokens."""
        return self.service.state_dir / "key"

    @property
    def public_dir(self) -> Path:
        """The directory of public files, absolute."""
        return Path(os.path.normpath(self.service.state_dir / self.tftp.public_dir))

    @property
    def images_dir(self) -> Path:
        """The directory of boot images, absolute."""
        return self.service.state_dir / "images"

    @property
    def control_socket(self) -> Path:
        """Where the running service answers the command line."""
        return self.service.run_dir / "control.sock"


@functools.cache
def _host_name() -> str:
    return socket.gethostname()


def load(path: Path) -> Config:
    """The configuration in the TOML file `path`; ConfigError lists every fault of the file."""
    from pxed.config_schema import read

    return read(path)
