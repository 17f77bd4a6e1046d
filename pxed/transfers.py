"""What is done when a file was sent, whichever way it went: one log line, history, and the record of its try."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from pxed.boot.token import Grant
from pxed.errors import StoreError
from pxed.records import Records
from pxed.site.model import Plan
from pxed.tftp.messages import Transfer as TftpTransfer
from pxed.tftp.session import Outcome
from pxed.wire.tftp import ErrorCode

log = logging.getLogger("pxed.transfer")


class Transfer(NamedTuple):
    """One file, sent or not."""

    protocol: str
    """TFTP or HTTP"""
    peer: str
    """address and port of the client"""
    interface: str
    name: str
    """as asked for, made printable"""
    grant: Grant | None
    """for a file of a boot image: what allowed it"""
    complete: bool
    """every byte was sent and, where the protocol says so, acknowledged"""
    sent: int
    """octets"""
    seconds: float
    outcome: str
    """in words: complete, size asked, refused: not found, ..."""
    quiet: bool = False
    """normal traffic that is no news (a size probe, a file that boot loaders look for in vain): debug level"""
    details: str = ""
    """protocol figures: block size, window, retransmissions"""


def from_tftp(transfer: TftpTransfer) -> Transfer:
    """What a TFTP worker reported, in the form that is common to both ways."""
    missing = transfer.error is ErrorCode.NOT_FOUND
    return Transfer(
        protocol="TFTP",
        peer=transfer.peer,
        interface=transfer.interface,
        name=transfer.name,
        grant=transfer.grant,
        complete=transfer.outcome in {Outcome.COMPLETE, Outcome.UNCONFIRMED},
        sent=transfer.sent,
        seconds=transfer.seconds,
        outcome=f"{transfer.outcome}: {transfer.reason}" if transfer.reason else str(transfer.outcome),
        quiet=missing or transfer.outcome is Outcome.SIZE_PROBE,
        details=f"block size {transfer.block_size}, window {transfer.window}, "
        f"{transfer.retransmissions} blocks repeated",
    )


class Transfers:
    """Takes note of finished transfers."""

    def __init__(self, records: Records, plan: Callable[[], Plan]) -> None:
        self._records = records
        self._plan = plan

    def finished(self, transfer: Transfer) -> None:
        """`transfer` has ended."""
        log.log(
            logging.DEBUG if transfer.quiet else logging.INFO,
            "%s %s to %s: %s, %d bytes in %.3f s%s",
            transfer.protocol,
            _short(transfer.name),
            transfer.peer,
            transfer.outcome,
            transfer.sent,
            transfer.seconds,
            f", {transfer.details}" if transfer.details else "",
            extra={"iface": transfer.interface},
        )
        if transfer.grant is None or not transfer.complete:
            return
        name = transfer.name.rsplit("/", 1)[-1]
        text = f"{transfer.protocol} {name}: {transfer.sent} bytes in {transfer.seconds:.1f} s to {transfer.peer}"
        self._records.note_transfer(transfer.grant, text)
        wanted = self._files_of(transfer.grant)
        if wanted:
            self._records.fetched(transfer.grant, name, wanted)

    def _files_of(self, grant: Grant) -> frozenset[str]:
        """Names of all files that a boot loader fetches with `grant`; empty if the image is gone meanwhile."""
        try:
            images = self._plan().boot_images.values()
        except StoreError:
            return frozenset()
        image = next((image for image in images if image.id == grant.image_id), None)
        variant = image.variant_for((grant.cpu,)) if image else None
        return frozenset(file.name for file in variant.files) if variant else frozenset()


def _short(name: str) -> str:
    """`b/<token>/vmlinuz` as `b/.../vmlinuz`: the token is a key and does not belong in a log."""
    head, _, rest = name.partition("/")
    return f"b/.../{rest.rpartition('/')[2]}" if head == "b" and "/" in rest else name
