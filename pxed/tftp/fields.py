"""The fields that Python and the compiled part (`_acks.c`) both work on; without that part, Python's own.

A transfer in which all goes well is moved by nothing but ACKs that were awaited. What those read and write stands in
these classes, of which `Session`, `Lane` and `Delivery` are made, and nowhere else.

    SessionFields   acked       the highest block that the client has
                    sent        the highest block that was sent
                    last        number of the last block
                    window      blocks, as agreed
                    awaited     the 16-bit number of the ACK after which the next full window follows, none of whose
                                blocks is the last one; -1 while there is none
                    sent_at     when something was sent last, in seconds
                    wait        seconds of silence after which something is done, as long as `awaited` is set
                    deadline    when that is
    LaneFields      name        address of the client's sockaddr_in
                    control     address of the control message that has the kernel cut a message up into blocks
                    segments    blocks that one message holds at most
                    first       the first block whose iovecs are prepared
                    beyond      the block behind the last of those
                    iovecs      address at which those of block 0 would lie
    DeliveryFields  session     SessionFields of a transfer
                    lane        its LaneFields
"""

from __future__ import annotations

try:
    from pxed.tftp._acks import DeliveryFields, LaneFields, SessionFields, exchange

    COMPILED = True
except ImportError:
    COMPILED = False

    class SessionFields:  # type: ignore[no-redef]
        """As above."""

        __slots__ = ("acked", "awaited", "deadline", "last", "sent", "sent_at", "wait", "window")

    class LaneFields:  # type: ignore[no-redef]
        """As above."""

        __slots__ = ("beyond", "control", "first", "iovecs", "name", "segments")

    class DeliveryFields:  # type: ignore[no-redef]
        """As above."""

        __slots__ = ("lane", "session")


__all__ = ["COMPILED", "DeliveryFields", "LaneFields", "SessionFields", "exchange"]
