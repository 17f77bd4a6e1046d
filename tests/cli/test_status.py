"""`pxed status`: the service asked through its control socket, and the site beside it."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Pxed

SITE = {
    "computers": 2,
    "collections": 1,
    "boot_images": 1,
    "task_sequences": 1,
    "advertisements": 0,
    "sightings": 0,
    "waiting": 0,
    "conflicts": 0,
    "mandatory": {"offered": 0, "loading": 0, "booting": 0, "running": 0, "succeeded": 0, "failed": 0},
    "mandatory_pending": 0,
    "stopped": None,
}

Serve = Callable[[bytes], None]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A service that answers GET /status with the bytes it is given, whatever they are."""
    servers: list[socketserver.UnixStreamServer] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                assert self.rfile.readline() == b"GET /status HTTP/1.1\r\n"
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

        (tmp_path / "run").mkdir()
        server = socketserver.UnixStreamServer(f"{tmp_path}/run/control.sock", Handler)
        servers.append(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        threads.append(thread)

    yield start
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def ok(content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_a_running_service(site: Pxed, serve: Serve) -> None:
    said = {"version": "1.0", "tftp": {"workers": 2}, "interfaces": [{"name": "eth0", "port": 67}]}
    serve(ok(said))
    assert site("status", "--json").json == {"service": said, "site": SITE, "certificate": {}}
    lines = site("status").out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["version", "tftp workers", "interfaces", "site computers"]
    assert lines[2].endswith("name eth0, port 67")


def test_when_it_started_is_told_on_the_local_clock(site: Pxed, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(ok({"version": "0.1.0", "started": "2026-05-01T12:00:00+00:00"}))
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        lines = site("status").out.splitlines()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert next(line.split(maxsplit=1)[1] for line in lines if line.startswith("started:")) == "2026-05-01 14:00:00"


def test_no_service_is_said_and_the_site_is_shown(site: Pxed) -> None:
    outcome = site("status", code=69)
    assert "the service does not run" in outcome.err
    assert "site computers:" in outcome.out
    assert site("status", "--json", code=69).json == {"service": None, "site": SITE, "certificate": {}}


def test_a_socket_that_was_left_behind(site: Pxed, serve: Serve, tmp_path: Path) -> None:
    import socket

    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/run/control.sock")
    assert "the service does not run" in site("status", code=69).err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "HTTP status 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "cannot be asked"),
        (b"", "cannot be asked"),
        (b"nonsense\r\n\r\n", "cannot be asked"),
    ],
)
def test_a_service_that_talks_nonsense(site: Pxed, serve: Serve, answer: bytes, words: str) -> None:
    serve(answer)
    assert words in site("status", code=69).err


def test_no_service_and_no_site(pxed: Pxed) -> None:
    outcome = pxed("status", "--json", code=69)
    assert outcome.json == {"service": None, "site": {}, "certificate": {}}
    assert "there is no database" in outcome.err


def test_what_is_mandatory_and_has_not_been_handed_out(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    site("advertise", "install", "--to", "all-computers", "--mandatory")
    site("advertise", "install", "--to", "Lab", "--optional")
    assert site("status", "--json", code=69).json["site"]["mandatory_pending"] == 4
