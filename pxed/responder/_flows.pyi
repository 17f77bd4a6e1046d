"""The compiled part; `_flows.c` says what it does, and each method's own words how."""

IN_TURN: int
UNTAUGHT: int
ALONE: int

class Flows:
    def __init__(self, socket: int, up: int, library: str, database: str, who: str, of_one: str) -> None: ...
    def start(self, between: float, /) -> None: ...
    def stop(self) -> None: ...
    def begin(self, change: int, since: float, until: float, macs: bytes, guids: bytes, /) -> None: ...
    def teach(
        self,
        packet: bytes,
        common: tuple[tuple[int, int], ...],
        guid_at: int,
        relay: tuple[int, int],
        to: bytes,
        likeness: bytes,
        reply: bytes,
        places: tuple[int, int, int, int, int],
        counter: int,
        /,
    ) -> bool: ...
    def count(self) -> tuple[int, int, int, int, tuple[int, ...]]: ...
