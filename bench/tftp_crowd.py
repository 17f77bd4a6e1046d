"""Many clients at once: a thousand of them, unequal ones, and what they cost in memory."""

from __future__ import annotations

from dataclasses import replace

from bench.result import SUBJECT, Result
from bench.serving import resident
from bench.tftp_bench import AREA, bench
from bench.tftp_content import blocks_of

_CROWD = 1000
_SHARE, _PEERS_SHARE, _QUICK_SHARE = 16, 4, 0.5
"""megabytes for each of them"""
_SECONDS, _PEERS_SECONDS, _QUICK_SECONDS = 90, 30, 10
"""after which those that are not through are left"""
_GREEDY = 64
"""the window of a client that asks for all there is"""
_FAIR = 0.9
"""blocks of a client in lock step for each window of that one: nobody is served more often"""
_SLOW, _PAUSE = 500, 0.05
"""clients, and the seconds that one takes for a block"""


def thousand(quick: bool) -> list[Result]:
    """A thousand clients at once, each with the whole file: how many get it, how fast, and how fair."""
    title = f"{_CROWD:,} clients at window 4 at once, {_QUICK_SHARE if quick else _SHARE} MB each"
    through = Result(AREA, f"{title}: have the whole file, every octet right", "clients", limit=_CROWD)
    rate = Result(AREA, f"{title}: throughput", "blocks/s")
    fair = Result(AREA, f"{title}: slowest / median client", "", better="lower", limit=1.5)
    if not quick:
        through.note(
            f"peers: {_PEERS_SHARE} MB for each client, and {_PEERS_SECONDS} s at most, since they take longer"
        )
    with bench(quick) as there:
        for server in there.fast:
            measured = server.name == SUBJECT
            megabytes = _QUICK_SHARE if quick else _SHARE if measured else _PEERS_SHARE
            seconds = _QUICK_SECONDS if quick else _SECONDS if measured else _PEERS_SECONDS
            order = there.order(_CROWD, 4, blocks_of(megabytes), seconds)
            taken = there.tried(server, order, through, again=False)
            if taken is None:
                continue
            outcome = taken.outcome
            through.add(server.name, outcome.complete)
            rate.add(server.name, outcome.blocks / outcome.seconds)
            if outcome.complete == _CROWD:
                fair.add(server.name, outcome.slowest_time / outcome.median_time)
    return [through, rate, fair]


def memory(quick: bool) -> list[Result]:
    """Resident memory of the service and its workers while a thousand clients are in the midst of one image."""
    megabytes, stop_after = (100, 200) if quick else (500, 2000)
    title = f"{_CROWD:,} transfers of one {megabytes} MB image: memory"
    result = Result(AREA, title, "MB", better="lower", limit=200)

    def look(pid: int) -> None:
        private, files = resident(pid)
        result.add(SUBJECT, private)
        result.note(f"beside it {files:.0f} MB of pages of files, which all processes share with the page cache")

    with bench(quick) as there:
        order = there.order(_CROWD, 4, blocks_of(megabytes), 30)
        taken = there.take(there.servers[0], replace(order, stop_after=stop_after), look=look)
    result.note(f"service and one worker, {taken.outcome.blocks:,} blocks sent by then")
    return [result]


def fairness(quick: bool) -> list[Result]:
    """What a client in lock step gets while one at window 64 reads beside it."""
    if quick:
        return []
    title = f"a client in lock step beside one at window {_GREEDY}"
    turns = Result(AREA, f"{title}: its turns for each of the other's", "", limit=_FAIR)
    share = Result(AREA, f"{title}: share of its rate alone", "")
    both = Result(AREA, f"{title}: blocks of both", "blocks/s")
    with bench(quick) as there:
        for _ in range(3):
            for server in there.fast:
                alone = there.order(1, 1, blocks_of(20), 5)
                first = there.tried(server, alone, turns)
                second = there.tried(server, replace(alone, neighbours=1, neighbours_window=_GREEDY), turns)
                if first is None or second is None:
                    continue
                outcome = second.outcome
                window = outcome.neighbours_window
                if window != _GREEDY:
                    turns.note(f"{server.name} agrees on window {window} only")
                if window == 1:
                    continue
                rates = [taken.outcome.blocks / taken.outcome.seconds for taken in (first, second)]
                turns.add(server.name, outcome.blocks / (outcome.neighbour_blocks / window))
                share.add(server.name, rates[1] / rates[0])
                both.add(server.name, (outcome.blocks + outcome.neighbour_blocks) / outcome.seconds)
    return [turns, share, both]


def slow(quick: bool) -> list[Result]:
    """What clients cost that take a while for each window: by themselves, and others beside them."""
    if quick:
        return []
    them = f"{_SLOW} clients at window 4 that take {_PAUSE:g} s for each block"
    load = Result(AREA, f"{them}: processor of the server", "%", better="lower")
    share = Result(AREA, f"49 clients in lock step beside {them}: share of their rate alone", "")
    with bench(quick) as there:
        for _ in range(3):
            for server in there.fast:
                long = there.order(_SLOW, 4, blocks_of(20), 3)
                slow_ones = there.tried(server, replace(long, pause=_PAUSE), load)
                if slow_ones is not None:
                    load.add(server.name, 100 * slow_ones.cpu_seconds / slow_ones.outcome.seconds)
                alone = there.order(49, 1, blocks_of(8), 8)
                first = there.tried(server, alone, share)
                beside = replace(alone, neighbours=_SLOW, neighbours_window=4, neighbours_pause=_PAUSE)
                second = there.tried(server, beside, share)
                if first is not None and second is not None:
                    share.add(server.name, first.outcome.seconds / second.outcome.seconds)
    return [load, share]
