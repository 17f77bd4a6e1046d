"""Files over HTTP: what is promised in the head of an answer, and what becomes of one that is cut off."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import AppKey, Application, Request, Response

from pxed.transfers import Transfer
from pxed.web.app import application
from pxed.web.request import origin_of
from tests.web.certificate import contexts
from tests.web.serving import Noted, files_below

CONTENT = os.urandom(3_000_000)
Client = TestClient[Request, Application]


NOTED = AppKey("NOTED", Noted)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "image.efi").write_bytes(CONTENT)
    (tmp_path / "empty").write_bytes(b"")
    with (tmp_path / "large.img").open("wb") as file:
        file.truncate(10**9)  # more than the buffers between two sockets ever hold
    noted = Noted()
    files = files_below(tmp_path, noted)
    app = application(lambda _: "eth0", files)
    app[NOTED] = noted
    async with TestClient(TestServer(app)) as made:
        yield made


async def noted(client: Client) -> Transfer:
    assert client.app is not None
    return await client.app[NOTED].all.get()


def opened(name: str) -> bool:
    """Whether this process has a file of that name open."""
    descriptors = Path("/proc/self/fd").iterdir()
    return any(path.is_symlink() and path.resolve().name == name for path in descriptors)


async def test_a_whole_file(client: Client) -> None:
    async with client.get("/image.efi") as response:
        assert await response.read() == CONTENT
        assert response.headers["Content-Type"] == "application/efi"
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["Last-Modified"].endswith(" GMT")
    transfer = await noted(client)
    assert (transfer.complete, transfer.sent, transfer.outcome) == (True, len(CONTENT), "complete")


async def test_an_empty_file(client: Client) -> None:
    async with client.get("/empty") as response:
        assert (response.status, await response.read(), response.headers["Content-Length"]) == (200, b"", "0")
    assert (await noted(client)).complete


async def test_a_range(client: Client) -> None:
    async with client.get("/image.efi", headers={"Range": "bytes=1000-2000999"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (206, "bytes 1000-2000999/3000000")
        assert await response.read() == CONTENT[1000:2_001_000]
    transfer = await noted(client)
    assert (transfer.complete, transfer.sent, transfer.outcome) == (False, 2_000_000, "GET 206")


async def test_a_range_behind_the_end(client: Client) -> None:
    async with client.get("/image.efi", headers={"Range": "bytes=3000000-"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (416, "bytes */3000000")
        assert await response.read() == b""
    assert not (await noted(client)).complete


async def test_what_the_client_has_is_not_sent_again(client: Client) -> None:
    async with client.head("/image.efi") as response:
        etag = response.headers["ETag"]
        assert response.headers["Content-Length"] == "3000000"
    assert (await noted(client)).outcome == "HEAD 200"
    async with client.get("/image.efi", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", etag)
    assert not (await noted(client)).complete


async def test_one_connection_serves_many_requests(client: Client) -> None:
    for first in range(20):
        async with client.get("/image.efi", headers={"Range": f"bytes={first}-{first}"}) as response:
            assert await response.read() == CONTENT[first : first + 1]


async def test_a_client_that_goes_away_costs_nothing(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /large.img HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert opened("large.img")
    writer.transport.abort()
    transfer = await noted(client)
    assert (transfer.complete, transfer.outcome) == (False, "aborted by the client")
    assert not opened("large.img")


async def test_files_over_tls(tmp_path: Path) -> None:
    async def base_url(request: Request) -> Response:
        return Response(text=origin_of(request).base_url)

    (tmp_path / "image.efi").write_bytes(CONTENT)
    transfers = Noted()
    files = files_below(tmp_path, transfers)
    ours, theirs = contexts(tmp_path)
    app = application(lambda _: "eth0")
    app.router.add_get("/base-url", base_url)
    files.add_routes(app.router)
    server = TestServer(app)
    await server.start_server(ssl=ours)
    async with TestClient(server) as client:
        async with client.get("/image.efi", ssl=theirs) as response:
            assert await response.read() == CONTENT
        assert (await transfers.all.get()).complete
        async with client.get("/image.efi", ssl=theirs, headers={"Range": "bytes=5-600004"}) as response:
            assert await response.read() == CONTENT[5:600_005]
        async with client.get("/base-url", ssl=theirs) as response:
            assert await response.text() == f"https://127.0.0.1:{server.port}"


async def test_a_file_that_becomes_shorter_ends_the_connection(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, end = os.sendfile, len(CONTENT) // 2

    def cut(connection: int, file: int, offset: int, count: int) -> int:
        return whole(connection, file, offset, min(count, end - offset))

    monkeypatch.setattr(os, "sendfile", cut)
    with pytest.raises(ClientPayloadError):
        async with client.get("/image.efi") as response:
            await response.read()
    assert not (await noted(client)).complete
