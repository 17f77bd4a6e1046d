"""What packets of one make have in common, and what each says of its sender alone.

Thousands of machines of one model send the same octets but for transaction, addresses and identifiers. A `Layout` knows
where those stand in one such packet, takes packets apart and puts them together, so that what was understood of one
packet, and the reply that was made for it, serve all others with the same common octets. It reads nothing else of them:
`pxed.wire.dhcp.decode` did that for the first.
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import NamedTuple

from pxed.wire.dhcp import HEADER_SIZE, Option, Packet
from pxed.wire.options import instances

Common = tuple[bytes, ...]
"""The octets between those that differ."""

NOT_READ = frozenset({Option.HOST_NAME, Option.REQUESTED_IP_ADDRESS, Option.CLIENT_IDENTIFIER})
"""Options whose values differ from machine to machine and that a service point neither reads nor sends back."""


class Own(NamedTuple):
    """What a packet says of its sender alone, as it stands in the packet."""

    xid: bytes
    """4 octets"""
    ciaddr: bytes
    """4 octets"""
    mac: bytes
    """the first 6 octets of `chaddr`"""
    guid: bytes
    """option 97 behind its type 0, 16 octets; empty if there is none or it is of another form"""
    relay: bytes
    """option 82; empty if there is none"""

    @classmethod
    def of(cls, packet: Packet) -> Own:
        """What `packet` says."""
        guid = packet.options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
        return cls(
            packet.xid.to_bytes(4),
            packet.ciaddr.packed,
            packet.chaddr[:6],
            guid[1:] if _is_guid(guid) else b"",
            packet.options.get(Option.RELAY_AGENT_INFORMATION, b""),
        )


_XID, _SECS, _CIADDR, _MAC = (4, 8), (8, 10), (12, 16), (28, 34)
"""Where they stand in every packet (RFC 2131 figure 1)."""
NOWHERE = (0, 0)
Span = tuple[int, int]
"""From and to which octet something stands."""


class Layout:
    """Where in a packet of one make stands what is its sender's own."""

    def __init__(
        self, size: int, guid: tuple[int, int], relay: tuple[int, int], not_read: list[tuple[int, int]]
    ) -> None:
        """Use `of`. Each is from and to which octet it stands; `NOWHERE` if it does not."""
        own = dict(zip(Own._fields, (_XID, _CIADDR, _MAC, guid, relay), strict=True))
        places = sorted([(span, name) for name, span in own.items()] + [(span, "") for span in (_SECS, *not_read)])
        parts: list[str] = []
        names: list[str] = []
        spans: list[Span] = []
        at = 0
        for (begin, end), name in places:
            if begin > at:
                parts.append(f"{begin - at}s")
                names.append("common")
                spans.append((at, begin))
            parts.append(f"{end - begin}{'s' if name else 'x'}")
            names += [name] if name else []
            at = max(at, end)
        parts.append(f"{size - at}s")
        names.append("common")
        self.common = (*spans, (at, size))
        """where the common octets stand"""
        self.own = own
        """where what is the sender's own stands, by the names of `Own`; `NOWHERE` if it does not"""
        self._struct = struct.Struct("".join(parts))
        self._places = places
        common = [index for index, name in enumerate(names) if name == "common"]
        self._common = itemgetter(*common)
        self._own = itemgetter(*(names.index(name) for name in Own._fields))
        sources = [*common, *(names.index(name) for name in Own._fields)]
        self._order = itemgetter(*(sources.index(index) for index in range(len(names))))

    @classmethod
    def of(cls, data: bytes) -> Layout | None:
        """The layout of a well-formed packet; None if it says something twice or in header fields (RFC 3396, option
        52): such packets are rare, and each is read whole."""
        guid = relay = NOWHERE
        not_read: list[Span] = []
        seen: set[int] = set()
        for code, value_at, end in instances(data, HEADER_SIZE):
            if code in seen or code == Option.OPTION_OVERLOAD:
                return None
            seen.add(code)
            if code == Option.CLIENT_MACHINE_IDENTIFIER and _is_guid(data[value_at:end]):
                guid = value_at + 1, end
            elif code == Option.RELAY_AGENT_INFORMATION:
                relay = value_at, end
            elif code in NOT_READ:
                not_read.append((value_at, end))
        return cls(len(data), guid, relay, not_read)

    def __eq__(self, other: object) -> bool:
        """Whether the same octets are the sender's own."""
        return isinstance(other, Layout) and (other._struct.size, other._places) == (self._struct.size, self._places)

    __hash__ = None  # type: ignore[assignment]

    def split(self, data: bytes) -> tuple[Common, Own]:
        """Takes apart a packet of the same length; the halves mean something if its `Common` was seen with this layout
        before."""
        fields = self._struct.unpack(data)
        return self._common(fields), Own._make(self._own(fields))

    def join(self, common: Common, own: Own) -> bytes:
        """The packet with these halves; `secs` and what nobody reads are zero."""
        return self._struct.pack(*self._order(common + own))


def asks_again(data: bytes) -> bool:
    """Whether `secs` of a packet is not zero. How many seconds it says nobody reads, so it is no part of `Common`."""
    return data[_SECS[0] : _SECS[1]] != b"\0\0"


def _is_guid(value: bytes) -> bool:
    """RFC 4578 section 2.3: type 0 and 16 octets."""
    return len(value) == 17 and value[0] == 0
