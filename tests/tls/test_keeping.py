"""An identity on disk: whole or not at all, whatever happens; and nobody else's to read."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from pxed.errors import NotFound, PxedError, Refused
from pxed.tls.authority import renew
from pxed.tls.identity import Identity
from pxed.tls.keeping import load, read_chain, save, steadily
from tests.tls.conftest import NAMES, NOW, Issued, issue


@pytest.fixture(scope="session")
def other(own: Identity) -> Identity:
    """A second identity by the same authority."""
    return renew(own, NAMES, NOW)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where it is kept, in a state directory that has other things too."""
    (tmp_path / "tls-backup").mkdir()
    (tmp_path / "pxed.db").touch()
    return tmp_path / "tls"


def beside(directory: Path) -> list[str]:
    """What the state directory holds, without that of others and without the random part of names."""
    return sorted(path.name[:4] for path in directory.parent.iterdir() if path.name not in {"tls-backup", "pxed.db"})


def same(one: Identity, two: Identity) -> bool:
    return one.chain == two.chain and one.key.private_numbers() == two.key.private_numbers()


def test_what_is_saved_is_loaded(directory: Path, own: Identity) -> None:
    save(directory, own, replace=False)
    loaded = load(directory)
    assert same(loaded, own)
    assert loaded.authority_key is not None
    assert own.authority_key is not None
    assert loaded.authority_key.private_numbers() == own.authority_key.private_numbers()
    assert read_chain(directory / "server.pem") == own.chain
    assert read_chain(directory / "ca.pem") == (own.anchor,)


def test_an_imported_identity_has_no_key_of_an_authority(directory: Path, own: Identity, other: Identity) -> None:
    save(directory, own, replace=False)
    save(directory, Identity(other.key, other.chain), replace=True)
    assert not (directory / "ca.key").exists()
    assert load(directory).authority_key is None


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_keys_are_for_their_owner_alone(directory: Path, own: Identity, umask: int) -> None:
    before = os.umask(umask)
    try:
        save(directory, own, replace=False)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.key": 0o600, "server.key": 0o600, "ca.pem": 0o644, "server.pem": 0o644}
    assert stat.S_IMODE(directory.stat().st_mode) & 0o007 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_of_roots_making_it_belongs_to_the_owner_of_the_state_directory(directory: Path, own: Identity) -> None:
    os.chown(directory.parent, 12345, 12346)
    save(directory, own, replace=False)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (directory.resolve(), *directory.iterdir())}
    assert owners == {(12345, 12346)}


def test_a_second_one_is_refused_and_changes_nothing(directory: Path, own: Identity, other: Identity) -> None:
    save(directory, own, replace=False)
    with pytest.raises(Refused, match="already; --replace"):
        save(directory, other, replace=False)
    assert same(load(directory), own)
    assert beside(directory) == ["tls", "tls-"]


def test_a_new_one_takes_the_place_of_the_old(directory: Path, own: Identity, other: Identity) -> None:
    save(directory, own, replace=False)
    save(directory, other, replace=True)
    assert same(load(directory), other)
    assert beside(directory) == ["tls", "tls-"]
    assert (directory.parent / "tls-backup").is_dir()


def test_an_empty_directory_gives_way_and_a_full_one_does_not(directory: Path, own: Identity) -> None:
    directory.mkdir()
    (directory / "server.pem").touch()
    with pytest.raises(Refused, match="move it away"):
        save(directory, own, replace=True)
    (directory / "server.pem").unlink()
    save(directory, own, replace=False)
    assert same(load(directory), own)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # the child only writes files
def test_killed_at_any_instruction_the_old_or_the_new_is_there(directory: Path, own: Identity, other: Identity) -> None:
    """A child is killed before its n-th call to the system that has to do with files, for every n up to the end."""
    save(directory, own, replace=False)
    kills = 0
    seen = []
    while (status := _save_and_die(directory, other, kills)) != 0:
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        now = load(directory)
        assert same(now, own) or same(now, other)
        seen.append(same(now, other))
        save(directory, own, replace=True)
        assert beside(directory) == ["tls", "tls-"], "what was left half-way is swept"
    assert same(load(directory), other)
    assert seen == sorted(seen)
    assert set(seen) == {False, True}


def _save_and_die(directory: Path, identity: Identity, calls: int) -> int:
    """The status of a child that saves `identity` and is killed at a call to the system after `calls` others."""
    child = os.fork()
    if child == 0:
        left = calls

        def hook(event: str, _arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event != "os.kill" and event.startswith(("open", "os.", "shutil.", "fcntl.")):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        status = 1
        try:
            sys.addaudithook(hook)
            save(directory, identity, replace=True)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def test_a_full_disk_leaves_the_old_one(
    directory: Path, own: Identity, other: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(directory, own, replace=False)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PxedError, match="cannot be written: No space left on device"):
            save(directory, other, replace=True)
    assert same(load(directory), own)
    assert beside(directory) == ["tls", "tls-"]


def test_who_reads_while_it_is_replaced_reads_one_of_the_two(directory: Path, own: Identity, other: Identity) -> None:
    save(directory, own, replace=False)
    visits: list[Path] = []

    def read(at: Path) -> tuple[bytes, bytes]:
        certificate = (at / "server.pem").read_bytes()
        if not visits:
            save(directory, other, replace=True)
        visits.append(at)
        return certificate, (at / "server.key").read_bytes()

    certificate, _ = steadily(directory, read)
    assert len(visits) == 2
    assert certificate == (directory / "server.pem").read_bytes()


def test_nothing_is_there(directory: Path) -> None:
    with pytest.raises(NotFound, match="there is no certificate"):
        load(directory)
    with pytest.raises(NotFound, match="there is no certificate"):
        read_chain(directory / "server.pem")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("server.pem", b"", "no file of PEM certificates"),
        ("server.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no file of PEM"),
        ("server.key", b"nonsense", "no PEM private key"),
        ("ca.key", b"nonsense", "no PEM private key"),
    ],
)
def test_files_that_somebody_spoilt(directory: Path, own: Identity, file: str, content: bytes, words: str) -> None:
    save(directory, own, replace=False)
    (directory / file).write_bytes(content)
    with pytest.raises(PxedError, match=words):
        load(directory)


@pytest.mark.parametrize(("file", "words"), [("server.key", "is not the key of"), ("ca.key", "is not the key of")])
def test_a_key_of_something_else(directory: Path, own: Identity, server: Issued, file: str, words: str) -> None:
    save(directory, own, replace=False)
    (directory / file).write_bytes(server.pem)
    with pytest.raises(PxedError, match=words):
        load(directory)


def test_an_encrypted_key(directory: Path, own: Identity) -> None:
    save(directory, own, replace=False)
    encrypted = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (directory / "server.key").write_bytes(encrypted)
    with pytest.raises(PxedError, match="without a pass phrase"):
        load(directory)


def test_what_the_tls_library_does_not_take_is_not_saved(directory: Path) -> None:
    weak = issue("weak", bits=1024)
    with pytest.raises(Refused, match="TLS library does not take"):
        save(directory, Identity(weak.key, (weak.certificate,)), replace=False)
    assert beside(directory) == []
