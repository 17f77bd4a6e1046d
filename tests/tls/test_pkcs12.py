"""PKCS#12 files made by OpenSSL: those that a company's authority gives out, and those that cannot work."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import NotFound, Refused
from pxed.tls.identity import Identity
from pxed.tls.pkcs12 import WrongPassphrase, identity, read_file
from tests.tls.conftest import DAY, NOW, Issued, Pack, issue


def taken(file: Path, passphrase: str = "") -> Identity:
    return identity(read_file(file), passphrase, NOW)


def refusal(file: Path) -> str:
    with pytest.raises(Refused) as caught:
        taken(file)
    return str(caught.value)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_chain_is_put_in_order(
    pack: Pack, root: Issued, intermediate: Issued, server: Issued, order: tuple[int, ...]
) -> None:
    others = [intermediate, root, issue("stranger", curve=True)]
    got = taken(pack(server, *(others[each] for each in order)))
    assert got.chain == (server.certificate, intermediate.certificate, root.certificate)
    assert got.key.public_key() == server.certificate.public_key()
    assert got.authority_key is None


def test_a_file_may_lack_the_root(pack: Pack, intermediate: Issued, server: Issued) -> None:
    assert taken(pack(server, intermediate)).anchor == intermediate.certificate


def test_a_certificate_may_vouch_for_itself(pack: Pack) -> None:
    alone = issue("alone")
    assert taken(pack(alone)).chain == (alone.certificate,)


def test_of_a_renewed_certificate_and_the_one_before_the_newer_is_taken(
    pack: Pack, server: Issued, root: Issued
) -> None:
    newer = issue("pxe.example.org", root, key=server.key, ends=NOW + 400 * DAY)
    for one, two in ((server, newer), (newer, server)):
        assert taken(pack(one, two, root)).certificate == newer.certificate


@pytest.mark.parametrize("passphrase", ["secret", "ütf-8 ☃", "with space", "quote'\"$&"])
def test_the_pass_phrase(pack: Pack, server: Issued, intermediate: Issued, passphrase: str) -> None:
    file = pack(server, intermediate, passphrase=passphrase)
    assert taken(file, passphrase).certificate == server.certificate
    for wrong in ("", passphrase + "x"):
        with pytest.raises(WrongPassphrase, match="the pass phrase is wrong"):
            taken(file, wrong)


def test_a_file_without_encryption(pack: Pack, server: Issued) -> None:
    file = pack(server, options=("-keypbe", "NONE", "-certpbe", "NONE", "-nomac"))
    assert taken(file).certificate == server.certificate


def test_a_file_without_a_key(pack: Pack, server: Issued) -> None:
    assert "no private key" in refusal(pack(server, options=("-nokeys",)))


def test_a_file_without_a_certificate(pack: Pack, server: Issued) -> None:
    assert "no certificate" in refusal(pack(server, options=("-nocerts",)))


def test_an_issuer_that_did_not_sign(pack: Pack, server: Issued, root: Issued) -> None:
    impostor = issue("Intermediate", root, authority=True)
    assert "CN=Intermediate issued it, but" in refusal(pack(server, impostor, root))


def test_an_issuer_that_is_no_authority(pack: Pack, root: Issued) -> None:
    server = issue("server", root)
    assert "is not an authority" in refusal(pack(issue("below", server), server, root))


def test_one_that_has_expired(pack: Pack, root: Issued) -> None:
    old = issue("old", root, starts=NOW - 9 * DAY, ends=NOW - DAY)
    assert refusal(pack(old, root)) == f"the certificate of CN=old expired on {NOW - DAY:%Y-%m-%d}"


def test_an_authority_that_has_expired(pack: Pack) -> None:
    old = issue("Old", authority=True, starts=NOW - 9 * DAY, ends=NOW - DAY)
    assert refusal(pack(issue("server", old), old)).startswith("the certificate of CN=Old expired")


def test_one_that_is_not_valid_yet(pack: Pack, root: Issued) -> None:
    early = issue("early", root, starts=NOW + DAY)
    assert "not yet" in refusal(pack(early, root))


def test_one_for_another_purpose(pack: Pack, root: Issued) -> None:
    client = issue("client", root, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert "lacks serverAuth" in refusal(pack(client, root))


def test_one_without_a_name(pack: Pack, root: Issued) -> None:
    assert "has no subjectAltName" in refusal(pack(issue("nameless", root, names=()), root))


def test_pem_is_named_as_such(tmp_path: Path, server: Issued) -> None:
    (tmp_path / "server.pem").write_bytes(server.pem)
    with pytest.raises(Refused, match="is PEM, not PKCS#12"):
        read_file(tmp_path / "server.pem")


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x80", b"MZ\x90", b"\x30\x03\x02\x01\x02", bytes(2 << 20)])
def test_what_is_no_pkcs12_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(Refused, match="is no PKCS#12 file"):
        read_file(tmp_path / "file")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        read_file(tmp_path / "none.p12")


@given(data=st.binary(max_size=200), passphrase=st.text(max_size=5))
def test_any_bytes_and_any_pass_phrase_are_refused_in_words(data: bytes, passphrase: str) -> None:
    for octets in (data, b"\x30\x82\x00\xc8\x02\x01\x03" + data):
        with pytest.raises(Refused):
            identity(octets, passphrase, NOW)


def test_a_file_cut_short(pack: Pack, server: Issued) -> None:
    data = pack(server).read_bytes()
    for length in range(0, len(data), 97):
        with pytest.raises(Refused):
            identity(data[:length], "", NOW)
