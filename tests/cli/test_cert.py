"""`pxed cert`, and what `status` and `check` say of a certificate."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.cli.conftest import Pxed
from tests.tls.conftest import DAY, NOW, Issued, issue

Pack = Callable[..., str]


@pytest.fixture(scope="module")
def root() -> Issued:
    """A company's authority."""
    return issue("Root", authority=True, ends=NOW + 1000 * DAY)


@pytest.fixture(scope="module")
def server(root: Issued) -> Issued:
    """A certificate by it."""
    return issue("pxe.example.org", root)


@pytest.fixture
def pack(tmp_path: Path, root: Issued) -> Pack:
    """Puts a certificate of `root` into a PKCS#12 file, and returns its path."""

    def make(leaf: Issued, passphrase: str = "") -> str:
        how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        data = serialize_key_and_certificates(b"pxe", leaf.key, leaf.certificate, [root.certificate], how)
        (tmp_path / "pxe.p12").write_bytes(data)
        return f"{tmp_path}/pxe.p12"

    return make


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


def shown(pxed: Pxed) -> dict[str, Any]:
    fields: dict[str, Any] = pxed("cert", "show", "--json").json
    return fields


def test_a_first_certificate(pxed: Pxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "boot.example.org")
    monkeypatch.setattr(socket, "gethostname", lambda: "boot")
    outcome = pxed("cert", "init")
    assert outcome.out == ""
    assert "the certificate of CN=boot.example.org is made, for boot.example.org, boot, 127.0.0.1\n" in outcome.err
    tls = tmp_path / "state" / "tls"
    verify = ["openssl", "verify", "-CAfile", f"{tls}/ca.pem", "-verify_ip", "127.0.0.1", f"{tls}/server.pem"]
    assert subprocess.run(verify, check=False, capture_output=True, text=True).stdout == f"{tls}/server.pem: OK\n"


def test_show(pxed: Pxed, tmp_path: Path) -> None:
    pxed("cert", "init", "--name", "pxe.example.org", "--name", "10.9.8.7")
    fields = shown(pxed)
    command = ["openssl", "x509", "-in", f"{tmp_path}/state/tls/ca.pem", "-noout", "-fingerprint", "-sha256"]
    judged = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert judged.partition("=")[2].strip().replace(":", "").lower() == fields["authority_sha256"]
    assert {"pxe.example.org", "10.9.8.7", "127.0.0.1"} <= set(fields["names"])
    assert fields["issuer"] == fields["authority"]
    assert (fields["days_left"], fields["authority_days_left"]) == (729, 3651)
    assert fields["source"] == "own"
    text = pxed("cert", "show").out
    assert fields["authority_sha256"] in text
    assert text == pxed("cert", "show").out


@pytest.mark.parametrize("verb", [["show"], ["renew"], ["export-ca"]])
def test_there_is_none_yet(pxed: Pxed, verb: list[str], tmp_path: Path) -> None:
    assert "pxed cert init makes one" in pxed("cert", *verb, code=1).err
    assert not (tmp_path / "state").exists()


def test_a_second_one_is_refused_with_what_would_do(pxed: Pxed) -> None:
    pxed("cert", "init")
    before = shown(pxed)
    said = pxed("cert", "init", code=1).err
    assert "pxed cert renew" in said
    assert "--replace" in said
    assert f"good until {before['valid_until'][:10]}" in said
    assert shown(pxed) == before
    pxed("cert", "init", "--replace")
    assert shown(pxed)["authority_sha256"] != before["authority_sha256"]


def test_renew(pxed: Pxed) -> None:
    pxed("cert", "init", "--name", "pxe.example.org")
    before = shown(pxed)
    outcome = pxed("cert", "renew", "--json")
    assert "names that it no longer has: pxe.example.org" in outcome.err
    assert outcome.json == shown(pxed)
    assert outcome.json["authority_sha256"] == before["authority_sha256"]
    assert "pxe.example.org" not in outcome.json["names"]


def test_a_name_that_is_none(pxed: Pxed) -> None:
    assert "'not a name' is neither a host name" in pxed("cert", "init", "--name", "not a name", code=2).err


def test_an_interface_that_is_missing_is_said(pxed: Pxed, config_file: Path) -> None:
    with config_file.open("a") as file:
        file.write('[[interface]]\nname = "nic9"\n')
    assert "not named in the certificate: interface nic9 does not exist" in pxed("cert", "init").err


def test_export(pxed: Pxed, tmp_path: Path) -> None:
    pxed("cert", "init")
    sha256 = shown(pxed)["authority_sha256"]
    pem = pxed("cert", "export-ca").out
    assert pem == (tmp_path / "state/tls/ca.pem").read_text()
    assert pxed("cert", "export-ca", "--json").json == {"pem": pem, "sha256": sha256}
    pxed("cert", "export-ca", "--der", f"{tmp_path}/ca.der")
    assert hashlib.sha256((tmp_path / "ca.der").read_bytes()).hexdigest() == sha256
    assert "cannot be written" in pxed("cert", "export-ca", "--der", f"{tmp_path}/none/ca.der", code=1).err


def test_import(pxed: Pxed, pack: Pack, server: Issued, root: Issued, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("geheim ☃\nsecond line\n")
    outcome = pxed("cert", "import", pack(server, "geheim ☃"), "--passphrase-file", f"{tmp_path}/pass")
    assert "the certificate does not name 127.0.0.1" in outcome.err
    assert "the certificate of CN=pxe.example.org is imported" in outcome.err
    fields = shown(pxed)
    assert (fields["source"], fields["authority"], fields["names"]) == ("imported", "CN=Root", ["pxe.example.org"])
    assert x509.load_pem_x509_certificate(pxed("cert", "export-ca").out.encode()) == root.certificate
    assert "import the new one with pxed cert import" in pxed("cert", "renew", code=1).err


def test_import_beside_one_that_is_there(pxed: Pxed, pack: Pack, server: Issued) -> None:
    pxed("cert", "init")
    assert "--replace" in pxed("cert", "import", pack(server), code=1).err
    pxed("cert", "import", pack(server), "--replace")
    assert shown(pxed)["source"] == "imported"


@pytest.mark.usefixtures("no_terminal")
def test_a_pass_phrase_is_not_asked_for_without_a_terminal(pxed: Pxed, pack: Pack, server: Issued) -> None:
    assert "give it with --passphrase-file" in pxed("cert", "import", pack(server, "secret"), code=2).err


@pytest.mark.parametrize(("typed", "code"), [("secret", 0), ("guess", 1)])
def test_a_pass_phrase_is_asked_for_on_a_terminal(
    pxed: Pxed, pack: Pack, server: Issued, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    def type_unseen(prompt: str) -> str:
        click.echo(prompt, err=True)
        return typed

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", type_unseen)
    outcome = pxed("cert", "import", pack(server, "secret"), code=code)
    assert typed not in outcome.out + outcome.err
    assert ("the pass phrase is wrong" in outcome.err) == (code == 1)


@pytest.mark.parametrize("name", ["none", "latin-1"])
def test_a_file_of_a_pass_phrase_that_cannot_be_read(
    pxed: Pxed, pack: Pack, server: Issued, tmp_path: Path, name: str
) -> None:
    (tmp_path / "latin-1").write_bytes(b"\xe4\n")
    command = ("cert", "import", pack(server, "x"), "--passphrase-file", f"{tmp_path}/{name}")
    assert f"{tmp_path}/{name} cannot be read" in pxed(*command, code=1).err


def test_a_fault_of_the_file_is_one_sentence(pxed: Pxed, pack: Pack, root: Issued, tmp_path: Path) -> None:
    old = issue("old", root, starts=NOW - 9 * DAY, ends=NOW - DAY)
    file = pack(old)
    assert pxed("cert", "import", file, code=1).err.count("\n") == 1
    assert f"{file}: the certificate of CN=old expired" in pxed("cert", "import", file, code=1).err
    assert not (tmp_path / "state/tls").exists()


def test_status_counts_the_days(site: Pxed, pack: Pack, root: Issued) -> None:
    site("cert", "init")
    outcome = site("status", "--json", code=69)
    assert outcome.json["certificate"] == {"days_left": 729, "authority_days_left": 3651}
    assert "expires" not in outcome.err
    site("cert", "import", "--replace", pack(issue("soon", root, ends=datetime.now(UTC) + 10.5 * DAY)))
    outcome = site("status", code=69)
    assert "certificate days left:            10" in outcome.out
    assert "the certificate of CN=soon expires in 10 days" in outcome.err


def test_check_looks_at_the_certificate(site: Pxed, pack: Pack, root: Issued, tmp_path: Path) -> None:
    def said() -> list[str]:
        rows = site("check", "--deep", "--json", code=code).json
        return [
            f"{row['severity']}: {row['text']}" for row in rows if "certificate" in row["text"] or "key" in row["text"]
        ]

    code = 0
    site("cert", "import", pack(issue("soon", root, ends=datetime.now(UTC) + 10.5 * DAY)))
    texts = said()
    assert any(text.startswith("warning: the certificate of CN=soon expires in 10 days") for text in texts)
    assert any("does not name 127.0.0.1" in text for text in texts)
    site("cert", "init", "--replace")
    assert said() == []
    (tmp_path / "state/tls/server.key").chmod(0o644)
    code = 78
    assert said()[0].startswith(f"fault: {tmp_path}/state/tls/server.key can be read by others")
    (tmp_path / "state/tls/server.pem").write_text("spoilt")
    assert "is no file of PEM certificates" in said()[0]


def test_a_host_that_has_no_name(pxed: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost.localdomain")
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    pxed("cert", "init")
    assert shown(pxed)["names"] == ["127.0.0.1"]
