"""A service point for the agent: answers over loopback as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pxed.agent.server import Server

CUT_SHORT = 299
"""a status that is sent with half an answer, as if the connection broke"""


def command(name: str, run: str, **more: Any) -> dict[str, Any]:
    """A step of a task sequence document."""
    return {"kind": "command", "name": name, "run": run, **more}


@dataclass
class ServicePoint:
    """What it will say: `answers` are used up one a request; after them a GET gets `reply`, a POST gets {}."""

    reply: Any
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """path and JSON body of each request"""
    url: str = ""
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def client(self) -> Server:
        """An agent's view of it, whose pauses take no time."""
        return Server(self.url, "tok", "boot-1234", sleep=self.slept.append, say=self.said.append)

    @property
    def reports(self) -> list[tuple[str, str, int | None]]:
        """State, step and exit code of each report."""
        return [(body["state"], body["step"], body["exit_code"]) for _, body in self.asked if body]


@contextmanager
def serving(*steps: dict[str, Any]) -> Iterator[ServicePoint]:
    """A service point on 127.0.0.1 that hands out a task sequence of `steps`."""
    point = ServicePoint(
        {
            "computer": "ws-01",
            "advertisement": "Install",
            "sequence": "Debian",
            "document": {"steps": list(steps)},
            "variables": {"PXED_TRY": "1"},
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None, json.dumps(point.reply).encode())

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), b"{}")

        def _answer(self, body: Any, content: bytes) -> None:
            point.asked.append((self.path, body))
            status, content = point.answers.pop(0) if point.answers else (200, content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) * (2 if status == CUT_SHORT else 1)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        point.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield point
        finally:
            server.shutdown()
            thread.join()
