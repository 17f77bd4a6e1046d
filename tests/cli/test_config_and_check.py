"""`pxed config show` and `pxed check`, with and without --deep."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pxed.cli.config import as_toml, effective, masked
from pxed.config import Config, load
from tests.cli.conftest import Pxed


def append(config_file: Path, text: str) -> None:
    config_file.write_text(f"{config_file.read_text()}{text}\n")


class TestConfigShow:
    def test_the_text_is_a_configuration_file_with_the_same_meaning(self, pxed: Pxed, config_file: Path) -> None:
        append(config_file, '[[interface]]\nmac = "525400aabbcc"\n[responder]\nunknown_computers = "A \\"B\\" \\u007f"')
        shown = config_file.with_name("shown.toml")
        shown.write_text(pxed("config", "show").out)
        assert load(shown) == load(config_file)

    def test_json_has_tables_keys_and_defaults_of_the_file(self, pxed: Pxed) -> None:
        tables = pxed("config", "show", "--json").json
        assert tables["interface"] == [{"name": "lo"}]
        assert tables["tftp"]["max_block_size"] == 1468
        assert tables["loaders"]["bios"] == ["undionly.kpxe"]

    def test_faults_are_told(self, pxed: Pxed, config_file: Path) -> None:
        append(config_file, "[http]\nport = 0")
        outcome = pxed("config", "show", code=78)
        assert (outcome.out, outcome.err) == ("", f"pxed: {config_file}: http.port: 0 is not between 1 and 65535\n")

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("sqlite:///pxed.db", "sqlite:///pxed.db"),
            ("postgresql+psycopg://u:se:cr%40et@host/pxed", "postgresql+psycopg://u:***@host/pxed"),
            ("postgresql://u:u@host/pxed", "postgresql://u:***@host/pxed"),
            ("postgresql://user@host/pxed", "postgresql://user@host/pxed"),
            ("postgresql://host/pxed?password=secret&user=u", "postgresql://host/pxed?password=***&user=u"),
        ],
    )
    def test_passwords_are_masked(self, url: str, shown: str) -> None:
        assert masked(url) == shown
        tables = effective(replace(Config(), database=replace(Config().database, url=url)))
        assert shown in as_toml(tables)


class TestCheck:
    def test_a_good_configuration(self, pxed: Pxed, config_file: Path) -> None:
        assert pxed("check", "--json").json == []
        outcome = pxed("check")
        assert (outcome.out, outcome.err) == ("", f"{config_file}: no faults\n")

    def test_all_faults_are_data_and_the_status_is_78(self, pxed: Pxed, config_file: Path) -> None:
        append(config_file, "[http]\nport = 0\n[log]\nlevel = 'loud'")
        rows = pxed("check", "--json", code=78).json
        assert [(row["severity"], row["key"]) for row in rows] == [("fault", "http.port"), ("fault", "log.level")]
        outcome = pxed("check", "--deep", code=78)
        assert "http.port" in outcome.out
        assert outcome.err == f"{config_file}: 2 faults\n"

    @pytest.mark.parametrize("depth", [[], ["--deep"]])
    def test_https_without_a_certificate(self, pxed: Pxed, config_file: Path, depth: list[str]) -> None:
        append(config_file, "[https]\nport = 8443")
        rows = pxed("check", *depth, "--json", code=78).json
        assert "pxed cert init makes one" in next(row["text"] for row in rows if row["key"] == "https.port")
        pxed("cert", "init")
        assert pxed("check", "--json").json == []

    def test_a_missing_file(self, pxed: Pxed) -> None:
        (row,) = pxed("check", "--config", "/nowhere.toml", "--json", code=78).json
        assert "there is no such file" in row["text"]


class TestDeepCheck:
    @pytest.fixture(autouse=True)
    def _quiet_ports(self, config_file: Path, tmp_path: Path) -> None:
        """Port 4011 and two that are free, and boot loaders of this test's own."""
        ports = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("", 0))
                ports.append(probe.getsockname()[1])
        append(config_file, f"[responder]\nlisten_dhcp = false\n[http]\nport = {ports[1]}")
        append(config_file, f'[tftp]\nport = {ports[0]}\nloader_dirs = ["{tmp_path}/ipxe"]')
        (tmp_path / "ipxe").mkdir()
        for name in ("undionly.kpxe", "ipxe-amd64.efi"):
            (tmp_path / "ipxe" / name).touch()

    def findings(self, pxed: Pxed, code: int) -> dict[str, str]:
        return {
            row["key"]: f"{row['severity']}: {row['text']}" for row in pxed("check", "--deep", "--json", code=code).json
        }

    def test_nothing_is_wrong(self, site: Pxed) -> None:
        assert self.findings(site, 0) == {}

    def test_a_site_that_was_not_begun_is_only_warned_of(self, pxed: Pxed, tmp_path: Path) -> None:
        findings = self.findings(pxed, 0)
        assert list(findings) == ["database.url"]
        assert findings["database.url"].startswith("warning: there is no database")
        assert not (tmp_path / "state").exists()

    def test_a_database_of_something_else(self, pxed: Pxed, tmp_path: Path) -> None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "pxed.db").write_bytes(b"no database at all" * 100)
        assert self.findings(pxed, 78)["database.url"].startswith("fault: ")

    def test_a_key_that_others_can_read_or_that_is_cut_off(self, site: Pxed, tmp_path: Path) -> None:
        key = tmp_path / "state" / "key"
        key.write_bytes(bytes(32))
        key.chmod(0o640)
        assert f"chmod 600 {key}" in self.findings(site, 78)["service.state_dir"]
        key.write_bytes(bytes(31))
        key.chmod(0o600)
        assert "has 31 bytes" in self.findings(site, 78)["service.state_dir"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_what_was_copied_back_by_root_and_is_not_the_services(self, site: Pxed, tmp_path: Path) -> None:
        state = tmp_path / "state"
        for path in (state, *state.rglob("*")):
            os.chown(path, 1234, 5678)
        site("cert", "init", "--name", "127.0.0.1")
        assert self.findings(site, 0) == {}
        os.chown(state / "pxed.db", 0, 0)
        finding = self.findings(site, 78)["service.state_dir"]
        assert finding.startswith(f"fault: {state}/pxed.db ")
        assert f"chown --recursive --no-dereference --reference={state} {state} " in finding

    def test_a_user_that_does_not_exist(self, site: Pxed, config_file: Path) -> None:
        config_file.write_text(config_file.read_text().replace("[service]", '[service]\nuser = "no-such-user"'))
        assert "there is no user no-such-user" in self.findings(site, 78)["service.user"]

    def test_a_collection_for_unknown_computers_that_does_not_exist(self, site: Pxed, config_file: Path) -> None:
        text = config_file.read_text().replace("[responder]", '[responder]\nunknown_computers = "Guests"')
        config_file.write_text(text)
        assert "there is no collection Guests" in self.findings(site, 78)["responder.unknown_computers"]
        site("collection", "add", "Guests")
        assert self.findings(site, 0) == {}

    def test_unknown_computers_are_none_of_all_known_ones(self, site: Pxed, config_file: Path) -> None:
        text = config_file.read_text().replace("[responder]", '[responder]\nunknown_computers = "all-computers"')
        config_file.write_text(text)
        assert "unknown-computers would be the one" in self.findings(site, 0)["responder.unknown_computers"]

    def test_files_of_boot_images(self, site: Pxed, tmp_path: Path) -> None:
        (tmp_path / "state/images/1/amd64/vmlinuz").write_bytes(b"Kernel")
        assert "boot image rescue: amd64/vmlinuz" in self.findings(site, 78)["service.state_dir"]

    def test_a_boot_loader_that_a_boot_image_needs(self, site: Pxed, tmp_path: Path) -> None:
        (tmp_path / "ipxe" / "undionly.kpxe").unlink()
        findings = self.findings(site, 78)
        assert list(findings) == ["loaders.bios"]
        assert "undionly.kpxe is in Debian's package ipxe" in findings["loaders.bios"]

    def test_no_boot_loader_at_all(self, pxed: Pxed, tmp_path: Path) -> None:
        pxed("collection", "add", "Lab")
        for file in (tmp_path / "ipxe").iterdir():
            file.unlink()
        findings = self.findings(pxed, 0)
        assert "from Debian 13 on" in findings["loaders.uefi-arm64"]
        assert f"put one into {tmp_path}/state/tftp" in findings["loaders.uefi-loong64"]

    def test_an_interface_that_does_not_exist(self, site: Pxed, config_file: Path) -> None:
        append(config_file, '[[interface]]\nname = "nic77"')
        assert "nic77" in self.findings(site, 78)["interface"]

    @pytest.fixture
    def taken(self, config_file: Path) -> Iterator[list[int]]:
        """Somebody else has the ports of TFTP and HTTP."""
        config = load(config_file)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("", config.tftp.port))
            tcp.bind(("", config.http.port))
            tcp.listen()
            yield [config.tftp.port, config.http.port]

    def test_ports_that_another_program_has(self, site: Pxed, taken: list[int]) -> None:
        findings = self.findings(site, 78)
        assert set(findings) == {"tftp.port", "http.port"}
        assert f"UDP port {taken[0]} on lo is taken by " in findings["tftp.port"]
        assert f"TCP port {taken[1]} on lo is taken by " in findings["http.port"]

    @pytest.mark.usefixtures("taken")
    def test_the_service_may_have_its_own_ports(self, site: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pxed.cli.inspection.ask", lambda path: {})
        assert self.findings(site, 0) == {}
