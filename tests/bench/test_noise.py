"""What the HTTP and storm loads compare with, and that they notice octets that are wrong."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench import noise
from bench.http_load import Load, fetch

SIZE = 700_001


def test_a_file_is_what_is_compared_with_it(tmp_path: Path) -> None:
    noise.write_file(tmp_path / "kernel", SIZE)
    octets = (tmp_path / "kernel").read_bytes()
    assert len(octets) == SIZE
    assert all(noise.matches(octets[at : at + 1000], "kernel", at) for at in range(0, SIZE, 777))
    assert not noise.matches(octets[1:1001], "kernel", 0)
    assert not noise.matches(octets[:1000], "initrd", 0)


@contextmanager
def server(body: bytes) -> Iterator[int]:
    """Answers one request with `body`; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            # a load that has seen a wrong octet takes no more
            with connection, suppress(BrokenPipeError, ConnectionResetError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@pytest.mark.parametrize("wrong_at", [None, 0, SIZE // 2, SIZE - 1])
def test_one_wrong_octet_is_noticed(tmp_path: Path, wrong_at: int | None) -> None:
    noise.write_file(tmp_path / "kernel", SIZE)
    octets = bytearray((tmp_path / "kernel").read_bytes())
    if wrong_at is not None:
        octets[wrong_at] ^= 1
    with server(bytes(octets)) as port:
        fetched = fetch(Load("/kernel", "kernel", 1, 1, address="127.0.0.1", port=port, size=SIZE))
    assert fetched.complete == (wrong_at is None)
