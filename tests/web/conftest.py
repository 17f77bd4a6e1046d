"""What tests of files of a boot image have in common."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.web.reading import CONTENT, LARGE
from tests.web.serving import Noted, Point, files_below, serving


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of the boot image."""
    directory = tmp_path / "images" / "7" / "amd64"
    directory.mkdir(parents=True)
    (directory / "kernel.efi").write_bytes(CONTENT)
    (directory / "empty").write_bytes(b"")
    with (directory / "large").open("wb") as file:
        file.truncate(LARGE)
    return directory


@pytest.fixture
def by_aiohttp(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[bytes]]:
    """Tells of the requests that were handed over to aiohttp since it was asked last."""
    from pxed.web.direct import DirectConnection

    handed_over: list[bytes] = []
    hand_over = DirectConnection._hand_over

    def noting(connection: DirectConnection, data: bytes, *, comes_back: bool) -> None:
        handed_over.append(data)
        hand_over(connection, data, comes_back=comes_back)

    monkeypatch.setattr(DirectConnection, "_hand_over", noting)

    def told() -> list[bytes]:
        told, handed_over[:] = list(handed_over), []
        return told

    return told


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
async def point(tmp_path: Path, directory: Path, noted: Noted) -> AsyncIterator[Point]:
    async with serving(files_below(tmp_path, noted)) as point:
        yield point
