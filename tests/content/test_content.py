"""What a client-given name opens, and what it does not."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pxed import content as content_module
from pxed.boot.token import Grant, Ticket, seal
from pxed.content import Content, ContentError, Opened, Problem, require_openat2
from pxed.errors import Unavailable
from pxed.site.boot_image import Cpu

KEY = bytes(range(32))
GRANT = Grant(record_id=7, try_number=2, image_id=42, cpu=Cpu.AMD64, expires=1_000_000)
NOW = 999_000.0
SECRET = b"secret"


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


class Site:
    """A public directory, an image and, beside them, what nobody may read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.public = root / "tftp"
        self.images = root / "images"
        (self.public / "Boot" / "Fonts").mkdir(parents=True)
        (self.images / "42" / "amd64").mkdir(parents=True)
        (self.images / "42" / "arm64").mkdir()
        (self.images / "43" / "amd64").mkdir(parents=True)
        (self.public / "ipxe.efi").write_bytes(b"loader")
        (self.public / "Boot" / "BCD").write_bytes(b"bcd")
        (self.public / "Boot" / "Fonts" / "wgl4_boot.ttf").write_bytes(b"font")
        (self.images / "42" / "amd64" / "vmlinuz").write_bytes(b"kernel")
        for secret in (root / "key", self.images / "42" / "arm64" / "vmlinuz", self.images / "43" / "amd64" / "only43"):
            secret.write_bytes(SECRET)
        (root / "elsewhere.efi").write_bytes(b"alias")
        (root / "link.efi").symlink_to("elsewhere.efi")
        aliases = {
            "snponly.efi": root / "elsewhere.efi",
            "x86/linked.efi": root / "link.efi",
            "gone.efi": root / "gone",
        }
        self.content = Content(self.public, self.images, aliases, KEY)
        self._opened: list[int] = []

    def open(self, name: bytes | str, now: float = NOW) -> Opened:
        opened = self.content.open(name, now)
        self._opened.append(opened.fd)
        return opened

    def read(self, name: bytes | str, now: float = NOW) -> bytes:
        return os.pread(self.open(name, now).fd, 100, 0)

    def refuse(self, name: bytes | str, now: float = NOW) -> Problem:
        before = open_descriptors()
        with pytest.raises(ContentError) as error:
            self.open(name, now)
        assert open_descriptors() <= before, "a descriptor was left open"
        assert error.value.reason
        return error.value.problem

    def close(self) -> None:
        for fd in self._opened:
            os.close(fd)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "name",
    [
        "ipxe.efi",
        b"ipxe.efi",
        "/ipxe.efi",
        "///ipxe.efi",
        "\\ipxe.efi",
        "./ipxe.efi",
        "IPXE.EFI",
        b"ipxe.efi\xff",
        b"ipxe.efi\xff\xff\xff",
    ],
)
def test_a_public_file_has_many_spellings(site: Site, name: bytes | str) -> None:
    opened = site.open(name)
    assert os.pread(opened.fd, 10, 0) == b"loader"
    assert opened.size == 6
    assert opened.grant is None
    assert opened.name.casefold() == "ipxe.efi"
    assert opened.mtime_ns == (site.public / "ipxe.efi").stat().st_mtime_ns


@pytest.mark.parametrize(
    "name", ["\\Boot\\BCD", "\\boot\\bcd", "/BOOT/BCD", "Boot//BCD", "boot/./bcd", "\\\\Boot\\BCD"]
)
def test_windows_loaders_find_their_files_in_any_case(site: Site, name: str) -> None:
    assert site.read(name) == b"bcd"


def test_the_exact_spelling_comes_first(site: Site) -> None:
    for spelling in ("FILE", "File", "file"):
        (site.public / spelling).write_text(spelling)
    assert [site.read(name) for name in ("FILE", "File", "file", "fILE")] == [b"FILE", b"File", b"file", b"FILE"]


def test_the_public_directory_comes_before_the_aliases(site: Site) -> None:
    assert site.read("snponly.efi") == b"alias"
    assert site.read("SNPOnly.EFI") == b"alias"
    (site.public / "snponly.efi").write_bytes(b"own")
    assert site.read("snponly.efi") == b"own"


def test_aliases_may_be_links_and_may_be_missing(site: Site) -> None:
    assert site.read("/x86/linked.efi") == b"alias"
    assert site.refuse("gone.efi") is Problem.NOT_FOUND


def test_aliases_serve_even_without_a_public_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    content = Content(tmp_path / "none", tmp_path / "none", {"a": tmp_path / "file"}, KEY)
    os.close(content.open("a", NOW).fd)
    with pytest.raises(ContentError) as error:
        content.open("b", NOW)
    assert error.value.problem is Problem.NOT_FOUND


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "\\",
        ".",
        "nothing",
        "Boot/nothing",
        "ipxe.efi/x",
        "/etc/passwd",
        "C:\\x",
        "b",
        "b/x",
        "n" * 256,
        b"\xff",
    ],
)
def test_what_is_not_there_is_not_found(site: Site, name: bytes | str) -> None:
    assert site.refuse(name) is Problem.NOT_FOUND


@pytest.mark.parametrize(
    "name",
    [
        "../key",
        "/../key",
        "..\\key",
        "Boot/../../key",
        "Boot/../ipxe.efi",
        "Boot/..",
        "ipxe.efi\0",
        "ipxe.efi\0.txt",
        "a\nb",
        "\x7f",
        "x" * 10_240,
        "a/" * 40,
        "\ud800",
        "Boot",
        "Boot/Fonts/",
    ],
)
def test_what_nobody_may_ask_for_is_denied(site: Site, name: bytes | str) -> None:
    assert site.refuse(name) is Problem.DENIED


def test_links_may_stay_inside_and_not_lead_out(site: Site) -> None:
    (site.public / "inside").symlink_to("Boot/BCD")
    (site.public / "Boot" / "back").symlink_to("../ipxe.efi")
    (site.public / "out").symlink_to("../key")
    (site.public / "absolute").symlink_to(site.root / "key")
    (site.public / "away").symlink_to("..", target_is_directory=True)
    (site.public / "loop").symlink_to("loop")
    (site.public / "process").symlink_to("/proc/self/root")
    assert site.read("inside") == b"bcd"
    assert site.read("Boot/back") == b"loader"
    for name in ("out", "OUT", "absolute", "away/key", "AWAY/key", "loop", f"process{site.root}/key"):
        assert site.refuse(name) is Problem.DENIED


def test_only_regular_files_are_served_and_opening_others_does_not_wait(site: Site) -> None:
    os.mkfifo(site.public / "fifo")
    os.mknod(site.public / "null", 0o20666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(site.public / "socket"))
        for name in ("fifo", "null", "socket"):
            assert site.refuse(name) is Problem.DENIED


def test_a_grant_opens_the_files_of_its_image_variant_and_no_others(site: Site) -> None:
    token = seal(GRANT, KEY)
    opened = site.open(f"/b/{token}/vmlinuz")
    assert os.pread(opened.fd, 10, 0) == b"kernel"
    assert opened.grant == GRANT
    assert opened.name == f"b/{token}/vmlinuz"
    for name in ("only43", "arm64", "amd64"):
        assert site.refuse(f"b/{token}/{name}") is Problem.NOT_FOUND
    for name in ("../arm64/vmlinuz", "..", "../../43/amd64/only43", "x/../../../../../key"):
        assert site.refuse(f"b/{token}/{name}") is Problem.DENIED


def test_a_token_changed_in_any_bit_is_refused(site: Site) -> None:
    token = seal(GRANT, KEY).encode()
    for position in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[position] ^= 1 << bit
            # A changed character may also be a slash or a dot, and so no token at all.
            assert site.refuse(b"b/" + changed + b"/vmlinuz") in {Problem.DENIED, Problem.NOT_FOUND}


def test_an_expired_a_foreign_and_another_kind_of_token_are_refused(site: Site) -> None:
    assert site.read(f"b/{seal(GRANT, KEY)}/vmlinuz", GRANT.expires) == b"kernel"
    assert site.refuse(f"b/{seal(GRANT, KEY)}/vmlinuz", GRANT.expires + 1) is Problem.DENIED
    assert site.refuse(f"b/{seal(GRANT, bytes(32))}/vmlinuz") is Problem.DENIED
    ticket = Ticket(mac=b"RT\0\x124V", guid=None, architecture=7, https=False, expires=GRANT.expires)
    assert site.refuse(f"b/{seal(ticket, KEY)}/vmlinuz") is Problem.DENIED


_PIECES = st.sampled_from(
    [
        b"..",
        b".",
        b"",
        b"/",
        b"\\",
        b"Boot",
        b"boot",
        b"key",
        b"ipxe.efi",
        b"out",
        b"away",
        b"b",
        b"\0",
        b"\xff",
        b"images",
    ]
)
_NAMES = st.lists(_PIECES | st.binary(max_size=4), max_size=12).map(b"/".join) | st.binary(max_size=80)


@given(name=_NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_no_name_whatsoever_reads_a_secret(site: Site, name: bytes) -> None:
    for link, target in (("out", "../key"), ("away", "..")):
        if not (site.public / link).is_symlink():
            (site.public / link).symlink_to(target)
    try:
        opened = site.content.open(name, NOW)
    except ContentError:
        return
    content = os.pread(opened.fd, 100, 0)
    os.close(opened.fd)
    assert content in {b"loader", b"bcd", b"font", b"alias"}


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_process_that_may_open_nothing_says_so_at_its_start(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    require_openat2()

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(content_module, "_openat2", refuse)
    before = open_descriptors()
    with pytest.raises(Unavailable, match="RestrictSUIDSGID"):
        require_openat2()
    assert open_descriptors() == before
