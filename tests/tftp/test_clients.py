"""Real clients read from the server. One that is missing is a failure: `make test` installs them all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import tftpy

from pxed.tftp.session import Outcome

from .serving import Server

CONTENT_SIZE = 300_000
COMMANDS = {
    "curl": "curl --silent --show-error --output {to} tftp://127.0.0.1:{port}/{name}",
    "curl, 1468": "curl --silent --show-error --tftp-blksize 1468 --output {to} tftp://127.0.0.1:{port}/{name}",
    "curl, no options": "curl --silent --tftp-no-options --output {to} tftp://127.0.0.1:{port}/{name}",
    "atftp": "atftp --get --remote-file {name} --local-file {to} 127.0.0.1 {port}",
    "atftp, window 16": (
        "atftp --option 'blksize 1468' --option 'windowsize 16' --option 'tsize 0' "
        "--get --remote-file {name} --local-file {to} 127.0.0.1 {port}"
    ),
    "tftp-hpa": "tftp 127.0.0.1 {port} -m binary -c get {name} {to}",
    "busybox": "busybox tftp -g -r {name} -l {to} 127.0.0.1 {port}",
    "busybox, 1468": "busybox tftp -g -b 1468 -r {name} -l {to} 127.0.0.1 {port}",
}


async def shell(command: str) -> tuple[int, str]:
    """Exit status and all output."""
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("client", COMMANDS)
@pytest.mark.parametrize("size", [1, 512 * 100, CONTENT_SIZE])
async def test_clients_get_what_is_there(server: Server, tmp_path: Path, client: str, size: int) -> None:
    content = server.put("file", os.urandom(size))
    command = COMMANDS[client].format(name="file", to=tmp_path / "copy", port=server.port)
    status, output = await shell(command)
    assert status == 0, output
    assert (tmp_path / "copy").read_bytes() == content, output
    transfer = await server.ended()
    assert (transfer.outcome, transfer.sent) == (Outcome.COMPLETE, size)
    assert transfer.block_size == (1468 if "1468" in command else 512)
    assert transfer.window == (16 if "windowsize" in command else 1)


@pytest.mark.parametrize("client", COMMANDS)
@pytest.mark.parametrize(
    ("name", "message"), [("missing", "not found"), ("directory", "access violation")], ids=["missing", "directory"]
)
async def test_clients_understand_a_refusal(
    server: Server, tmp_path: Path, client: str, name: str, message: str
) -> None:
    (server.public / "directory").mkdir()
    command = COMMANDS[client].format(name=name, to=tmp_path / "copy", port=server.port)
    status, output = await shell(command)
    if not client.startswith("tftp-hpa"):  # which prints the error and exits with 0
        assert status != 0, output
    if not client.startswith("curl"):  # which knows the codes and prints no text
        assert message in output.lower()
    assert (await server.ended()).outcome is Outcome.REFUSED


async def test_netascii_through_tftp_hpa(server: Server, tmp_path: Path) -> None:
    text = server.put("text", b"one\ntwo\nthree\rfour\n")
    status, output = await shell(f"tftp 127.0.0.1 {server.port} -m netascii -c get text {tmp_path}/copy")
    assert status == 0, output
    assert (tmp_path / "copy").read_bytes() == text
    assert (await server.ended()).sent == len(text) + 4


async def test_writing_through_tftp_hpa_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    _, output = await shell(f"tftp 127.0.0.1 {server.port} -m binary -c put {tmp_path}/mine mine")
    assert "nothing can be written here" in output
    assert not list(server.public.iterdir())


async def test_tftpy_reads_with_options(server: Server, tmp_path: Path) -> None:
    content = server.put("file", os.urandom(CONTENT_SIZE))
    client = tftpy.TftpClient("127.0.0.1", server.port, {"blksize": 1024, "tsize": 0})
    await asyncio.to_thread(client.download, "file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == content
    assert (await server.ended()).block_size == 1024


async def test_twenty_clients_at_once(server: Server, tmp_path: Path) -> None:
    content = server.put("file", os.urandom(CONTENT_SIZE))
    command = COMMANDS["curl, 1468"]
    results = await asyncio.gather(
        *(shell(command.format(name="file", to=tmp_path / f"copy{n}", port=server.port)) for n in range(20))
    )
    assert [status for status, _ in results] == [0] * 20
    assert all((tmp_path / f"copy{n}").read_bytes() == content for n in range(20))
