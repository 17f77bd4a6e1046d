"""A pool of workers that serves a directory of the test's own on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pxed.tftp.messages import Endpoint, TftpSettings

from .serving import KEY, Serve, Server, free_port, serving


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a pool with changed settings: `server = await serve(workers=2)`."""
    public, images = tmp_path / "tftp", tmp_path / "images"
    public.mkdir()
    images.mkdir()
    settings = TftpSettings(
        workers=1,
        endpoints=(Endpoint("", 65536, "127.0.0.1"),),
        max_block_size=65464,
        max_window=64,
        max_transfers=1000,
        max_transfers_per_client=100,
        timeout_seconds=1.0,
        retries=6,
        public_dir=public,
        images_dir=images,
        aliases={},
        key=KEY,
        port=free_port(),
    )
    async with AsyncExitStack() as stack:

        async def start(**changes: object) -> Server:
            return await stack.enter_async_context(serving(replace(settings, **changes)))  # type: ignore[arg-type]

        yield start


@pytest.fixture
async def server(serve: Serve) -> Server:
    """A pool with one worker."""
    return await serve()
