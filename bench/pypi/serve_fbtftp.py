"""Serves a directory with fbtftp, as its own example does; runs in the benchmark's own environment."""

import sys
from pathlib import Path
from typing import Any

from fbtftp.base_handler import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    BaseHandler,
    ResponseData,
)
from fbtftp.base_server import BaseServer  # type: ignore[import-untyped, import-not-found, unused-ignore]

ROOT = Path(sys.argv[1])


class _File(ResponseData):  # type: ignore[misc, no-any-unimported, unused-ignore]
    def __init__(self, path: Path) -> None:
        self._size = path.stat().st_size
        self._file = path.open("rb")

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHandler):  # type: ignore[misc, no-any-unimported, unused-ignore]
    def get_response_data(self) -> _File:
        return _File(ROOT / self._path)


class _Server(BaseServer):  # type: ignore[misc, no-any-unimported, unused-ignore]
    def get_handler(self, server: Any, peer: Any, path: str, options: Any) -> _Handler:
        return _Handler(server, peer, path, options, lambda _: None)


_Server("0.0.0.0", 69, retries=3, timeout=1).run()  # noqa: S104 - in a namespace of the benchmark's
