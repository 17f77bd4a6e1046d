"""Files in memory: copies, mappings, and files that change meanwhile."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pxed.tftp.batch import Lane, PlainBatch, SystemBatch, peer_of
from pxed.tftp.source import COPIED, Source, SourceError, Sources
from tests.descriptors import descriptors


def take(sources: Sources, path: Path, *, netascii: bool = False) -> Source:
    return sources.take(os.open(path, os.O_RDONLY), netascii=netascii)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_small_file_is_copied_and_shared(path: Path) -> None:
    path.write_bytes(b"old")
    sources = Sources()
    one, two = take(sources, path), take(sources, path)
    assert one is two
    assert not one.is_mapped
    path.write_bytes(b"new")
    three = take(sources, path)
    assert (bytes(one.view[:3]), bytes(three.view[:3])) == (b"old", b"new")
    for source in (one, two, three):
        sources.give_back(source)
    assert one.memory.closed
    assert three.memory.closed


def test_an_empty_file_has_an_empty_source(path: Path) -> None:
    path.write_bytes(b"")
    sources = Sources()
    source = take(sources, path)
    assert source.size == 0
    sources.give_back(source)


def test_a_large_file_is_mapped_and_its_end_copied_while_it_is_the_same(path: Path) -> None:
    path.write_bytes(bytes(COPIED) + b"the end")
    sources = Sources()
    source = take(sources, path)
    assert source.is_mapped
    tail = source.tail(COPIED)
    assert (tail.origin, tail.size, bytes(tail.view[:7])) == (COPIED, COPIED + 7, b"the end")
    tail.close()
    with path.open("r+b") as file:
        file.write(b"x")
        os.utime(path, ns=(0, 0))
    with pytest.raises(SourceError, match="changed"):
        source.tail(COPIED)
    os.truncate(path, 10)
    with pytest.raises(SourceError, match="shorter"):
        source.tail(COPIED)
    sources.give_back(source)


@pytest.mark.parametrize("kind", [PlainBatch, SystemBatch])
def test_a_mapped_file_that_is_cut_off_is_told_and_kills_nobody(
    path: Path, kind: type[PlainBatch] | type[SystemBatch]
) -> None:
    path.write_bytes(bytes(COPIED + 1))
    sources = Sources()
    source = take(sources, path)
    os.truncate(path, 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        batch = kind(sock)
        peer = peer_of("127.0.0.1", 9)
        lane = Lane(peer, source, 1024)
        batch.add(lane, COPIED // 1024, 1)
        assert batch.flush() == [peer]
    sources.give_back(source)


def test_no_descriptor_is_left(path: Path) -> None:
    path.write_bytes(bytes(COPIED + 1))
    before = descriptors()
    sources = Sources()
    source = take(sources, path)
    sources.give_back(source)
    with pytest.raises(SourceError):
        take(sources, path, netascii=True)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("text", "wire"),
    [(b"", b""), (b"a\nb\n", b"a\r\nb\r\n"), (b"a\rb", b"a\r\0b"), (b"a\r\n", b"a\r\0\r\n"), (b"\n" * 3, b"\r\n" * 3)],
)
def test_netascii_line_ends(path: Path, text: bytes, wire: bytes) -> None:
    path.write_bytes(text)
    sources = Sources()
    source = take(sources, path, netascii=True)
    assert (source.size, bytes(source.view[: source.size])) == (len(wire), wire)
    plain = take(sources, path)
    assert plain is not source, "the two modes never share"
    sources.give_back(source)
    sources.give_back(plain)
