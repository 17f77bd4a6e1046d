"""The configuration file: what it may say, and what a person is told who got it wrong."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from pxed.config import Config, InterfaceConfig, Tftp, load
from pxed.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "config" / "pxed.toml"
ONE_INTERFACE = '[[interface]]\nname = "eth0"\n'


def write(path: Path, text: str) -> Path:
    file = path / "pxed.toml"
    file.write_text(text)
    return file


def faults_of(path: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        load(write(path, text))
    assert raised.value.exit_code == 78
    assert raised.value.source == str(path / "pxed.toml")
    return dict(raised.value.faults)


def test_the_sample_uncommented_is_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?=\S)", "", SAMPLE.read_text())
    assert load(write(tmp_path, text)) == replace(Config(), interfaces=(InterfaceConfig(name="eth0"),))


def test_the_sample_shows_every_key() -> None:
    shown = set(re.findall(r"(?m)^#([a-z0-9_-]+) = ", SAMPLE.read_text()))
    tables = asdict(Config()).values()
    assert shown == {key for table in tables if isinstance(table, dict) for key in table} | {"name"}


def test_the_sample_as_it_is_lacks_only_the_interface(tmp_path: Path) -> None:
    assert set(faults_of(tmp_path, SAMPLE.read_text())) == {"interface"}


def test_one_interface_is_enough(tmp_path: Path) -> None:
    config = load(write(tmp_path, ONE_INTERFACE))
    assert config == replace(Config(), interfaces=(InterfaceConfig(name="eth0"),))


def test_values_are_taken_over(tmp_path: Path) -> None:
    text = """
    [service]
    state_dir = "/srv/pxed"
    [[interface]]
    name = "eth0"
    [[interface]]
    mac = "52-54-00-12-34-AB"
    [responder]
    delay_seconds = 0.5
    uefi_offer = "boot-server"
    prompt_seconds = 3
    unknown_computers = "Guests"
    [tftp]
    public_dir = "/srv/tftp"
    loader_dirs = []
    [database]
    url = "sqlite:////srv/db/site.db"
    [loaders]
    bios = ["mine.kpxe", "undionly.kpxe"]
    """
    config = load(write(tmp_path, text))
    assert config.interfaces == (InterfaceConfig(name="eth0"), InterfaceConfig(mac="52:54:00:12:34:ab"))
    assert (config.responder.delay_seconds, config.responder.prompt_seconds) == (0.5, 3.0)
    assert config.responder.uefi_offer == "boot-server"
    assert config.responder.unknown_computers == "Guests"
    assert config.public_dir == Path("/srv/tftp")
    assert config.tftp.loader_dirs == ()
    assert config.database.url == "sqlite:////srv/db/site.db"
    assert config.loaders["bios"] == ("mine.kpxe", "undionly.kpxe")
    assert config.loaders["uefi-amd64"] == Config().loaders["uefi-amd64"]


def test_paths_are_below_the_state_directory(tmp_path: Path) -> None:
    config = load(write(tmp_path, ONE_INTERFACE + '[service]\nstate_dir = "/srv/pxed"\nrun_dir = "/run/x"\n'))
    assert config.key_file == Path("/srv/pxed/key")
    assert config.public_dir == Path("/srv/pxed/tftp")
    assert config.images_dir == Path("/srv/pxed/images")
    assert config.control_socket == Path("/run/x/control.sock")


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("servce = 3", "servce", "did you mean 'service'?"),
        ("[interfaces]", "interfaces", "did you mean 'interface'?"),
        ("[service]\nusr = 'pxed'", "service.usr", "did you mean 'user'?"),
        ("[http]\nmax_window = 4", "http.max_window", "it belongs under [tftp]"),
        ("[log]\nzzz = 1", "log.zzz", "known here: level, format"),
        ("[loaders]\nuefi-x64 = ['a']", "loaders.uefi-x64", "did you mean 'uefi-amd64' or 'uefi-arm64'?"),
        ("http = 8067", "http", "8067 is not a table"),
        ("[service]\nenabled = 'yes'", "service.enabled", '"yes" is not true or false'),
        ("[service]\nenabled = 1", "service.enabled", "1 is not true or false"),
        ("[service]\nstate_dir = 'pxed'", "service.state_dir", "'pxed' is not an absolute path"),
        ("[service]\nrun_dir = 5", "service.run_dir", "5 is not text in quotes"),
        (
            "[service]\ntime_zone = 'Europe/Wien'",
            "service.time_zone",
            "right would be UTC or a name like Europe/Vienna",
        ),
        ("[responder]\ndelay_seconds = -1", "responder.delay_seconds", "-1.0 is not between 0 and 60"),
        ("[responder]\ndelay_seconds = nan", "responder.delay_seconds", "nan is not between 0 and 60"),
        ("[responder]\ndelay_seconds = '1 s'", "responder.delay_seconds", '"1 s" is not a number'),
        ("[responder]\nuefi_offer = '4011'", "responder.uefi_offer", "is not 'boot-from-first-offer' or 'boot-server'"),
        ("[responder]\nattempts = 0", "responder.attempts", "0 is not between 1 and 1000"),
        ("[responder]\nattempts = 1.5", "responder.attempts", "1.5 is not a whole number"),
        ("[responder]\nattempts = true", "responder.attempts", "true is not a whole number"),
        ("[responder]\nconsume = 'always'", "responder.consume", "is not 'offered', 'booting' or 'succeeded'"),
        ("[responder]\nnothing_to_do = 'wait'", "responder.nothing_to_do", "is not 'abort' or 'silent'"),
        ("[responder]\nunknown_computers = ' '", "responder.unknown_computers", "the name of a collection"),
        ("[tftp]\nport = 65536", "tftp.port", "65536 is not between 1 and 65535"),
        ("[tftp]\nmax_block_size = 65465", "tftp.max_block_size", "65465 is not between 512 and 65464"),
        ("[tftp]\nmax_window = 0", "tftp.max_window", "0 is not between 1 and 65535"),
        ("[tftp]\nloader_dirs = '/x'", "tftp.loader_dirs", '"/x" is not a list in brackets'),
        ("[tftp]\nloader_dirs = ['/x', 'y']", "tftp.loader_dirs #2", "'y' is not an absolute path"),
        ("[tftp]\nmax_transfers = 3", "tftp", "max_transfers_per_client is greater"),
        ("[tftp]\npublic_dir = '.'", "tftp.public_dir", "must not hold the key"),
        ("[tftp]\npublic_dir = ''", "tftp.public_dir", "must not hold the key"),
        ("[tftp]\npublic_dir = 'tftp/../..'", "tftp.public_dir", "must not hold the key"),
        ("[tftp]\npublic_dir = '/'", "tftp.public_dir", "must not hold the key"),
        ("[tftp]\npublic_dir = 'images'", "tftp.public_dir", "must not hold the key"),
        ("[http]\nport = '8067'", "http.port", '"8067" is not a whole number'),
        ("[database]\nurl = 'pxed.db'", "database.url", "such as 'sqlite:///pxed.db'"),
        ("[database]\nurl = 'sqlite:///'", "database.url", "such as 'sqlite:///pxed.db'"),
        ("[loaders]\nbios = 'undionly.kpxe'", "loaders.bios", "is not a list in brackets"),
        ("[loaders]\nbios = ['../key']", "loaders.bios #1", "'../key' is not a plain file name"),
        ("[loaders]\nbios = ['a', '']", "loaders.bios #2", "'' is not a plain file name"),
        ("[loaders]\nbios = ['a\\u000a']", "loaders.bios #1", "is not a plain file name"),
        ("[service]\nname = 2026-11-21", "service.name", "2026-11-21 is not text in quotes"),
        ("[tokens]\ngrant_minutes = 0", "tokens.grant_minutes", "0 is not between 1 and 10080"),
        ("[log]\nlevel = 'loud'", "log.level", "is not 'debug', 'info', 'warning' or 'error'"),
        ("[[interface]]", "interface #2", "needs either name or mac"),
        ("[[interface]]\nname = 'a'\nmac = '525400123456'", "interface #2", "needs either name or mac"),
        ("[[interface]]\nname = 'eth0'", "interface", "the interface eth0 is named twice"),
        ("[[interface]]\nname = 'a/b'", "interface #2.name", "'a/b' is not the name of a network interface"),
        ("[[interface]]\nname = 'sixteencharacter'", "interface #2.name", "is not the name of a network interface"),
        ("[[interface]]\nmac = '52:54'", "interface #2.mac", "'52:54' is not a MAC address"),
        ("[[interface]]\nmax = 1\nname = 'a'", "interface #2.max", "did you mean 'mac'?"),
    ],
)
def test_a_fault_has_its_key_and_what_would_be_right(tmp_path: Path, text: str, key: str, words: str) -> None:
    tops, tables = ("", ONE_INTERFACE + text) if text.startswith("[") else (text, ONE_INTERFACE)
    text = f"{tops}\n{tables}".replace("'a\\u000a'", '"a\\u000a"')
    faults = faults_of(tmp_path, text)
    assert set(faults) == {key}
    assert words in faults[key]


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = """
    http = 4
    [service]
    state_dir = "x"
    [responder]
    attempts = 0
    consume = "x"
    [loaders]
    bis = ["a"]
    """
    faults = faults_of(tmp_path, text)
    assert set(faults) == {
        "http",
        "service.state_dir",
        "responder.attempts",
        "responder.consume",
        "loaders.bis",
        "interface",
    }


def test_a_single_interface_table_is_told_of_the_double_brackets(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, '[interface]\nname = "eth0"\n')
    assert "[[interface]]" in faults["interface"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[service]\nenabled = tru\n", "is not TOML: Invalid value (at line 2, column 11)"),
        (b"[service]\n[service]\n", "is not TOML: Cannot declare"),
        (b"\xff", "is not UTF-8 text: byte 0"),
    ],
)
def test_what_is_no_toml_is_one_fault_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "pxed.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert words in str(raised.value)
    assert raised.value.faults[0][0] == ""


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: there is no such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().http.port = 1  # type: ignore[misc]


def test_an_impossible_section_cannot_be_made_by_hand_either() -> None:
    with pytest.raises(ValueError, match="either name or mac"):
        InterfaceConfig()
    with pytest.raises(ValueError, match="max_transfers_per_client"):
        Tftp(max_transfers=1)
