"""Names that carry a grant: what a verdict allows, sealed into one URL component.

A token is the packed fields below and the first 16 bytes of their HMAC-SHA256 under the service point's key, as
URL-safe base64 without padding. It says nothing secret; it cannot be made or changed without the key, and any process
that has the key can check it without a database. Three kinds exist, and one is never taken for the other:

* a `Ticket` holds the facts of one packet, so that a boot script is decided from what the firmware itself said;
* a `Pass` says that somebody knew the password: one try of one advertisement may be started with it, once;
* a `Grant` holds what a verdict granted: one try of one advertisement, the files of one boot image variant.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar

from pxed.site.boot_image import Cpu

KEY_BYTES = 32
_SEAL_BYTES = 16
_CPUS = tuple(Cpu)
_Sealed = TypeVar("_Sealed", "Grant", "Pass", "Ticket")


class TokenError(Exception):
    """The token was not sealed by this service point, was changed, or has expired; the text says which."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One try of one computer at one advertisement, and the boot image files that go with it."""

    record_id: int
    """the PXE record, which is one computer and one advertisement; 32 bits"""
    try_number: int
    """16 bits"""
    image_id: int
    """the boot image revision; 32 bits"""
    cpu: Cpu
    expires: int
    """Unix time in seconds; 32 bits"""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!cIHIBI")
    TAG: ClassVar[bytes] = b"g"

    def pack(self) -> bytes:
        """The fields as they are sealed."""
        return self.LAYOUT.pack(
            self.TAG, self.record_id, self.try_number, self.image_id, _CPUS.index(self.cpu), self.expires
        )

    @classmethod
    def unpack(cls, data: bytes) -> Grant:
        """The reverse of `pack`; struct.error or IndexError if it is none."""
        _, record_id, try_number, image_id, cpu, expires = cls.LAYOUT.unpack(data)
        return cls(record_id, try_number, image_id, _CPUS[cpu], expires)


@dataclass(frozen=True, slots=True)
class Pass:
    """Somebody at this computer knew the password. It is used up when its try leaves the state `offered`: in the same
    transaction that claims the try, so that there is no second use, whatever fails."""

    mac: bytes
    """6 bytes, of the ticket that goes with it"""
    record_id: int
    """the PXE record, which is one computer and one advertisement; 32 bits"""
    try_number: int
    """16 bits"""
    expires: int
    """Unix time in seconds; 32 bits"""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!c6sIHI")
    TAG: ClassVar[bytes] = b"p"

    def pack(self) -> bytes:
        """The fields as they are sealed."""
        return self.LAYOUT.pack(self.TAG, self.mac, self.record_id, self.try_number, self.expires)

    @classmethod
    def unpack(cls, data: bytes) -> Pass:
        """The reverse of `pack`; struct.error if it is none."""
        _, mac, record_id, try_number, expires = cls.LAYOUT.unpack(data)
        return cls(mac, record_id, try_number, expires)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who asked for a boot script, as its DHCP packet said."""

    mac: bytes
    """6 bytes"""
    guid: uuid.UUID | None
    """as read from option 97 in SMBIOS order"""
    architecture: int
    """option 93 of the boot loader; 16 bits"""
    https: bool
    """the boot loader says that it can speak HTTPS"""
    expires: int
    """Unix time in seconds; 32 bits"""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!c6s?16sH?I")
    TAG: ClassVar[bytes] = b"t"

    def pack(self) -> bytes:
        """The fields as they are sealed."""
        guid = self.guid.bytes if self.guid else bytes(16)
        return self.LAYOUT.pack(
            self.TAG, self.mac, self.guid is not None, guid, self.architecture, self.https, self.expires
        )

    @classmethod
    def unpack(cls, data: bytes) -> Ticket:
        """The reverse of `pack`; struct.error if it is none."""
        _, mac, has_guid, guid, architecture, https, expires = cls.LAYOUT.unpack(data)
        return cls(mac, uuid.UUID(bytes=guid) if has_guid else None, architecture, https, expires)


def seal(content: Grant | Pass | Ticket, key: bytes) -> str:
    """`content` as a URL component (43 characters for a Grant, 44 for a Pass, 63 for a Ticket), valid under `key`."""
    data = content.pack()
    return base64.urlsafe_b64encode(data + _mac(data, key)).rstrip(b"=").decode("ascii")


def unseal_grant(text: str, key: bytes, now: float) -> Grant:
    """The grant in `text`; TokenError if it is not one of ours or `now` (Unix seconds) is past its end."""
    grant = _unsealed_grant(text, key)
    if now > grant.expires:
        raise TokenError("the token has expired")
    return grant


@lru_cache(maxsize=1024)
def _unsealed_grant(text: str, key: bytes) -> Grant:
    """A boot loader comes with the same one for each file, or each part of a file. What fails is not kept."""
    return _unseal(Grant, text, key)


def unseal_pass(text: str, key: bytes, now: float) -> Pass:
    """The pass in `text`; TokenError if it is not one of ours or `now` (Unix seconds) is past its end."""
    found = _unseal(Pass, text, key)
    if now > found.expires:
        raise TokenError("the password was given too long ago")
    return found


def unseal_ticket(text: str, key: bytes, now: float) -> Ticket:
    """The ticket in `text`; TokenError if it is not one of ours or `now` (Unix seconds) is past its end."""
    ticket = _unseal(Ticket, text, key)
    if now > ticket.expires:
        raise TokenError("the ticket has expired")
    return ticket


def _unseal(kind: type[_Sealed], text: str, key: bytes) -> _Sealed:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenError("not a token") from None
    data, seal_bytes = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    if len(data) != kind.LAYOUT.size or not data.startswith(kind.TAG):
        raise TokenError("not a token of this kind")
    if not hmac.compare_digest(seal_bytes, _mac(data, key)):
        raise TokenError("the token is not of this service point, or was changed")
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise TokenError("the token is not in its own spelling")
    return kind.unpack(data)


def _mac(data: bytes, key: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)[:_SEAL_BYTES]
