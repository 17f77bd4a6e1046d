"""The compiled part; `_acks.c` says what it does, `pxed.tftp.fields` what the fields mean."""

from collections.abc import Mapping

class SessionFields:
    acked: int
    sent: int
    last: int
    awaited: int
    window: int
    sent_at: float
    deadline: float
    wait: float

class LaneFields:
    name: int
    control: int
    iovecs: int
    first: int
    beyond: int
    segments: int

class DeliveryFields:
    session: SessionFields
    lane: LaneFields

def exchange(
    socket: int,
    deliveries: Mapping[bytes, DeliveryFields],
    received: bytearray,
    records: bytearray,
    messages: bytearray,
    now: float,
    longest: int,
    /,
) -> tuple[int, list[int], int, int]: ...
