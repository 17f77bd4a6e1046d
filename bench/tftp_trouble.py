"""TFTP where it is not easy: datagrams are lost, the way is long, files change while they are sent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.delay import delayed
from bench.result import SUBJECT, Result
from bench.serving import Silent
from bench.tftp_bench import AREA, Bench, Taken, bench
from bench.tftp_content import BLOCK_SIZE, blocks_of, write_file

_LOSS = 5
"""percent, of either direction"""
_LOSSY_CLIENTS = 100
_LOSSY_BLOCKS, _QUICK_LOSSY_BLOCKS = 50, 20
_WINDOWS = (1, 4, 16, 64)
_BLOCK_SIZES = (512, BLOCK_SIZE)
_LONG_WAY_SECONDS = 2.0
_CHANGING_CLIENTS, _CHANGING_MEGABYTES = 20, 10
_CHANGE_AFTER, _CHANGING_PAUSE = 0.3, 0.0003
"""Seconds, the second for a block: a file is changed before anybody is through."""


def loss(window: int, quick: bool) -> list[Result]:
    """Seconds until a hundred clients are through although datagrams are lost."""
    if quick and window != 4:
        return []
    blocks = _QUICK_LOSSY_BLOCKS if quick else _LOSSY_BLOCKS
    title = f"{_LOSSY_CLIENTS} clients, window {window}, {_LOSS} % lost each way, {blocks} blocks each: "
    result = Result(AREA, f"{title}time", "s", better="lower", bar=1.0)
    extra = Result(AREA, f"{title}blocks that came twice or too early", "%", better="lower")
    with bench(quick, quick_peer="atftpd") as there:
        there.net.take_together(False)
        order = there.order(_LOSSY_CLIENTS, window, blocks, 15 if quick else 30)
        servers = there.fast
        for _ in range(1 if quick else 3):
            for server in list(servers):
                taken = there.tried(server, order, result, loss=_LOSS)
                if taken is None:
                    continue
                outcome = taken.outcome
                if outcome.complete == _LOSSY_CLIENTS:
                    result.add(server.name, outcome.seconds)
                    if outcome.window == window:
                        extra.add(server.name, 100 * (outcome.repeated + outcome.ahead) / outcome.blocks)
                else:
                    through = f"{outcome.complete} of {_LOSSY_CLIENTS} clients through"
                    result.note(f"{server.name}: {through} after {order.seconds:g} s")
                    servers.remove(server)
    return [result, extra]


def delay(milliseconds: int, quick: bool) -> list[Result]:
    """What one client gets over a long way, by what was negotiated; and beside the peers at window 16."""
    if quick:
        return []
    way = f"one client, {milliseconds} ms there and back"
    terms = Result(AREA, f"{way}: throughput by window and block size", "kB/s")
    peers = Result(AREA, f"{way}, window 16: throughput", "kB/s")
    with bench(quick, cable=delayed(milliseconds / 2000)) as there:
        for block_size in _BLOCK_SIZES:
            for window in _WINDOWS:
                order = there.order(1, window, blocks_of(40, block_size), _LONG_WAY_SECONDS, block_size=block_size)
                taken = there.tried(there.servers[0], order, terms)
                if taken is not None:
                    terms.add(f"{SUBJECT}, window {window}, {block_size} octets", _kilobytes(taken, block_size))
        for server in there.fast:
            taken = there.tried(server, there.order(1, 16, blocks_of(40), _LONG_WAY_SECONDS), peers)
            if taken is not None:
                peers.add(server.name, _kilobytes(taken, BLOCK_SIZE))
    return [terms, peers]


def changes(quick: bool) -> list[Result]:
    """Files that are replaced, overwritten or cut off under their transfers: who gets a mixture?"""
    if quick:
        return []
    ways: dict[str, Callable[[Path, Path], object]] = {
        "replaced by another (rename)": lambda path, other: other.replace(path),
        "overwritten in its place": lambda path, other: path.write_bytes(other.read_bytes()),
        "cut off in the middle": lambda path, _: os.truncate(path, path.stat().st_size // 2),
    }
    with bench(quick) as there:
        return [_changed(there, name, change) for name, change in ways.items()]


def _changed(there: Bench, way: str, change: Callable[[Path, Path], object]) -> Result:
    blocks = blocks_of(_CHANGING_MEGABYTES)
    title = f"a file {way} under {_CHANGING_CLIENTS} transfers: clients that take a mixture for the whole file"
    result = Result(AREA, title, "", better="lower", limit=0)
    for server in there.fast:
        path, other = there.root / "changing", there.root / "other"
        write_file(path, blocks)
        write_file(other, blocks, shift=1)

        def meanwhile(path: Path = path, other: Path = other) -> None:
            time.sleep(_CHANGE_AFTER)
            change(path, other)

        order = there.order(_CHANGING_CLIENTS, 64, blocks, 12)
        order = replace(order, file=path.name, pause=_CHANGING_PAUSE, tolerant=True)
        try:
            outcome = there.take(server, order, meanwhile=meanwhile).outcome
        except Silent as error:
            result.note(f"{server.name}: {error}")
            continue
        result.add(server.name, outcome.mixed)
        said = f", which hear: {'; '.join(outcome.errors)}" if outcome.errors else ""
        whole = outcome.complete - outcome.mixed
        left = _CHANGING_CLIENTS - outcome.complete
        result.note(f"{server.name}: {whole} clients have the old file, {left} none{said if left else ''}")
    return result


def _kilobytes(taken: Taken, block_size: int) -> float:
    return taken.outcome.blocks * block_size / taken.outcome.seconds / 1000
