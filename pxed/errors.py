"""Every error that pxed raises on purpose.

    PxedError                     something an operator should read; one sentence, with what would be right
    |-- UsageError                the command line asks for something that cannot be (exit 2)
    |-- NotFound                  what was named does not exist (exit 1)
    |-- Refused                   it exists, but this may not be done to it now (exit 1)
    |-- ConfigError               the configuration has faults: all of them (exit 78)
    |-- StoreError                the database cannot be used: locked, newer, full (exit 74; busy: 75)
    |   |-- StoreMissing          there is none yet
    |   `-- StoreDenied           it is kept from this user (exit 77)
    |-- Unavailable               a port, interface or program that is needed is not there (exit 69)
    `-- NotPermitted              needs privileges that this process lacks (exit 77)
    WireError                     a stranger's bytes that are no packet: dropped and counted, never shown to an operator

A WireError is the stranger's fault and is debug at most; a PxedError is for the operator; anything else is our own bug
and is loud. Exit codes are those of sysexits(3).
"""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that are not the packet they claim to be; the text says what and where, for a debug line."""


class PxedError(Exception):
    """Base of the errors meant for an operator: `str(error)` is one clear sentence."""

    exit_code = 1


class UsageError(PxedError):
    """Input on the command line that cannot be taken as it is."""

    exit_code = 2


class NotFound(PxedError):
    """A computer, collection, boot image, ... of that name does not exist."""


class Refused(PxedError):
    """The thing exists, and doing this to it now would break something, which the text names."""


class ConfigError(PxedError):
    """The configuration has faults.

    `faults` holds one (key path, what is wrong and what would be right) a fault.
    """

    exit_code = 78

    def __init__(self, source: str, faults: tuple[tuple[str, str], ...]) -> None:
        self.source = source
        self.faults = faults
        super().__init__("\n".join(f"{source}: {key}: {text}" if key else f"{source}: {text}" for key, text in faults))


class StoreError(PxedError):
    """The database cannot be used now; `temporary` is true if another try may succeed (locked, busy)."""

    exit_code = 74

    def __init__(self, text: str, *, temporary: bool = False) -> None:
        super().__init__(text)
        self.temporary = temporary
        if temporary:
            self.exit_code = 75


class StoreMissing(StoreError):
    """There is no database yet: nothing was ever written, and the service never ran."""


class StoreDenied(StoreError):
    """The database is there, or may be: this user cannot look."""

    exit_code = 77


class Unavailable(PxedError):
    """Something outside that is needed is not there: a port, an interface, a program, a mirror."""

    exit_code = 69


class NotPermitted(PxedError):
    """The process lacks a privilege that this needs."""

    exit_code = 77
