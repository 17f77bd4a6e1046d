"""The small parts that a service point is joined from."""

import errno
import json
import logging
import os
import threading
from collections.abc import Callable
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from pxed import statedir
from pxed.config import Config, InterfaceConfig, Service, Tftp
from pxed.errors import NotPermitted, PxedError, StoreError
from pxed.interfaces import Interface, select
from pxed.loaders import AUTOEXEC, find_loaders
from pxed.logs import JsonFormatter, TextFormatter
from pxed.responder.boots import Boots
from pxed.site.reopening import RETRY_SECONDS, ReopeningReader
from tests.site_in_memory import MemorySite


class TestInterfaces:
    ETH0 = Interface("eth0", "52:54:00:00:00:01", 1500, (IPv4Interface("192.0.2.1/24"),))
    BARE = Interface("eth1", "52:54:00:00:00:02", 1500, ())

    def test_by_name_and_by_mac_are_one_interface(self) -> None:
        wanted = [InterfaceConfig(name="eth0"), InterfaceConfig(mac="52:54:00:00:00:01")]
        assert select(wanted, {"eth0": self.ETH0}) == ([self.ETH0], [])

    def test_what_is_missing_is_named_with_what_there_is(self) -> None:
        chosen, missing = select([InterfaceConfig(name="eth7"), InterfaceConfig(name="eth1")], {"eth1": self.BARE})
        assert chosen == []
        assert missing == [
            "interface eth7 does not exist, is down or has no cable; those that are up: eth1",
            "interface eth1 has no IPv4 address yet; of a bridge or bond, name that, not its ports",
        ]


class TestLoaders:
    def config(self, root: Path) -> Config:
        (root / "tftp").mkdir()
        (root / "packaged").mkdir()
        tftp = Tftp(loader_dirs=(root / "packaged",))
        loaders = {"bios": ("undionly.kpxe",), "uefi-amd64": ("snponly.efi", "ipxe.efi"), "uefi-arm64": ("arm.efi",)}
        return Config(service=Service(state_dir=root), tftp=tftp, loaders=loaders)

    def test_the_first_name_that_exists_is_used_and_the_public_directory_goes_first(self, tmp_path: Path) -> None:
        config = self.config(tmp_path)
        for place in ("tftp/undionly.kpxe", "packaged/undionly.kpxe", "packaged/ipxe.efi"):
            (tmp_path / place).write_bytes(b"x")
        found = find_loaders(config)
        assert found.names == {"bios": "undionly.kpxe", "uefi-amd64": "ipxe.efi"}
        assert found.files == {"ipxe.efi": tmp_path / "packaged" / "ipxe.efi", "autoexec.ipxe": AUTOEXEC}
        assert found.missing == {"uefi-arm64": ("arm.efi",)}

    def test_the_script_beside_ipxe_is_there_and_does_what_ipxe_does_without(self) -> None:
        first, *_, last = AUTOEXEC.read_text().splitlines()
        assert (first, last) == ("#!ipxe", "autoboot")


class TestStateDirectory:
    def test_the_key_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        config = Config(service=Service(state_dir=tmp_path / "state", run_dir=tmp_path / "run"))
        statedir.prepare(config, None)
        key = statedir.load_key(config)
        assert len(key) == 32
        assert statedir.load_key(config) == key
        assert config.key_file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in config.service.state_dir.iterdir() if path.is_file()] == ["key"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_a_key_of_roots_making_belongs_to_the_owner_of_the_directory(self, tmp_path: Path) -> None:
        """Who tries `pxed serve` by hand must not keep the unit's user from starting."""
        config = Config(service=Service(state_dir=tmp_path))
        os.chown(tmp_path, 1234, 5678)
        statedir.load_key(config)
        status = config.key_file.stat()
        assert (status.st_uid, status.st_gid) == (1234, 5678)

    def test_two_that_start_at_once_have_one_key(self, tmp_path: Path) -> None:
        config = Config(service=Service(state_dir=tmp_path / "state", run_dir=tmp_path / "run"))
        statedir.prepare(config, None)
        keys: list[bytes] = []
        barrier = threading.Barrier(8)

        def start() -> None:
            barrier.wait()
            keys.append(statedir.load_key(config))

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(keys) == 8
        assert len(set(keys)) == 1

    def test_a_key_of_another_length_is_not_used(self, tmp_path: Path) -> None:
        config = Config(service=Service(state_dir=tmp_path))
        config.key_file.write_bytes(b"short")
        with pytest.raises(PxedError, match="has 5 bytes, not 32"):
            statedir.load_key(config)

    def test_a_directory_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        config = Config(service=Service(state_dir=tmp_path / "file" / "state", run_dir=tmp_path))
        with pytest.raises(PxedError, match="cannot be made"):
            statedir.prepare(config, None)

    @pytest.mark.parametrize("make", [lambda config: statedir.prepare(config, None), statedir.load_key])
    def test_a_read_only_file_system_names_the_way_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Config], object]
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(os, "open", refuse)
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(NotPermitted, match=r"read-only; .*ReadWritePaths="):
            make(Config(service=Service(state_dir=tmp_path / "new", run_dir=tmp_path / "run")))

    def test_permission_denied_has_its_own_exit_code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, os.strerror(13))

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(NotPermitted):
            statedir.prepare(Config(service=Service(state_dir=tmp_path / "new")), None)


class TestReopeningReader:
    def test_a_broken_database_is_tried_again_after_a_while_and_not_before(self) -> None:
        now, opened = [0.0], [0]
        fault = StoreError("the database is locked", temporary=True)

        class Site(MemorySite):
            def close(self) -> None:
                pass

        def opener() -> Site:
            opened[0] += 1
            if now[0] < 3:
                raise fault
            return Site()

        reader = ReopeningReader(opener, lambda: now[0])
        for _ in range(5):
            with pytest.raises(StoreError):
                reader.plan()
        assert opened[0] == 1
        assert reader.fault == "the database is locked"
        now[0] = RETRY_SECONDS
        with pytest.raises(StoreError):
            reader.plan()
        now[0] = 2 * RETRY_SECONDS
        assert reader.plan().advertisements == ()
        assert (opened[0], reader.fault) == (3, "")
        reader.plan()
        assert opened[0] == 3

    def test_one_that_takes_long_to_say_nothing_is_left_alone_for_longer(self) -> None:
        now, hangs = [0.0], [False]
        fault = StoreError("the database cannot be reached", temporary=True)

        class Site(MemorySite):
            def close(self) -> None:
                pass

            def name_of(self, subject: str) -> str:
                if hangs[0]:
                    now[0] += 3
                    raise fault
                return "pc"

        opened: list[float] = []

        def opener() -> Site:
            opened.append(now[0])
            return Site()

        reader = ReopeningReader(opener, lambda: now[0])
        assert reader.name_of("1") == "pc"
        hangs[0] = True
        for _ in range(16):
            with pytest.raises(StoreError):
                reader.name_of("1")
            now[0] += 1
        assert opened == [0.0, 17.0]  # begun at 0, noticed at 3, left alone for 2 + 4 * 3
        assert now == [22.0]
        hangs[0], now[0] = False, 60.0
        assert reader.name_of("1") == "pc"


class TestBoots:
    def test_a_boot_begins_after_silence(self) -> None:
        now = [0.0]
        boots = Boots(lambda: now[0])
        waited = []
        for moment in (0, 4, 12, 28, 60, 151):
            now[0] = moment
            waited.append(boots.waited(b"\x52\x54\x00\x12\x34\x56"))
        assert waited == [0, 4, 12, 28, 60, 0]

    def test_invented_addresses_do_not_grow_it(self) -> None:
        boots = Boots(lambda: 0.0)
        for number in range(20_000):
            boots.waited(number.to_bytes(6))
        assert len(boots._heard) == 8192


def line(text: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("pxed.verdict", level, "file", 1, text, (), None)
    record.__dict__.update(fields)
    return record


class TestLogs:
    def test_the_journal_gets_priorities_and_no_time(self) -> None:
        formatter = TextFormatter(journal=True)
        assert formatter.format(line("boot", mac="52:54:00:12:34:56", rule="mandatory", computer="")) == (
            "<6>verdict: boot mac=52:54:00:12:34:56 rule=mandatory"
        )
        levels = ((logging.DEBUG, 7), (logging.WARNING, 4), (logging.ERROR, 3))
        for level, priority in levels:
            assert formatter.format(line("x", level)).startswith(f"<{priority}>")

    def test_every_line_of_a_traceback_has_its_priority(self) -> None:
        try:
            raise RuntimeError("a bug")
        except RuntimeError as error:
            record = line("bug", logging.ERROR)
            record.exc_info = (RuntimeError, error, error.__traceback__)
        text = TextFormatter(journal=True).format(record)
        assert len(text.splitlines()) > 2
        assert all(one.startswith("<3>") for one in text.splitlines())

    def test_a_strangers_words_stay_on_their_line(self) -> None:
        text = TextFormatter(journal=False).format(line("name a\nb\x1b[31m", computer='P C"1\n'))
        assert "\n" not in text
        assert "\x1b" not in text
        assert "a\\x0ab\\x1b[31m" in text
        assert 'computer="P C' in text

    def test_json_is_one_object_a_line(self) -> None:
        entry = json.loads(JsonFormatter().format(line("boot\nnow", rule="mandatory", guid=None)))
        assert entry["message"] == "boot\nnow"
        assert entry["level"] == "info"
        assert entry["rule"] == "mandatory"
        assert "guid" not in entry
