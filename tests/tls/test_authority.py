"""The service point's own authority, judged by OpenSSL's command, by Python's TLS client, and by what iPXE knows."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from pxed.errors import Refused, UsageError
from pxed.tls.authority import AUTHORITY_LIFE, SERVER_LIFE, renew
from pxed.tls.identity import Identity, fingerprint, kind_of_key, names
from pxed.tls.keeping import save
from tests.tls.conftest import DAY, NAMES, NOW

IPXE_KNOWS = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}
"""extensions that it takes as critical (src/crypto/x509.c, x509_extensions)"""


@pytest.fixture
def directory(own: Identity, tmp_path: Path) -> Path:
    """The identity as files."""
    save(tmp_path / "tls", own, replace=False)
    return tmp_path / "tls"


def verify(directory: Path, *options: str) -> str:
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", f"{directory}/ca.pem", *options]
    return subprocess.run([*command, f"{directory}/server.pem"], check=False, capture_output=True, text=True).stdout


@pytest.mark.parametrize("option", ["-verify_hostname=boot.example.org", "-verify_hostname=boot"])
def test_openssl_takes_the_host_names(directory: Path, option: str) -> None:
    assert verify(directory, *option.split("=")) == f"{directory}/server.pem: OK\n"


@pytest.mark.parametrize("address", NAMES[2:])
def test_openssl_takes_the_addresses(directory: Path, address: str) -> None:
    assert verify(directory, "-verify_ip", address) == f"{directory}/server.pem: OK\n"
    command = ["openssl", "x509", "-in", f"{directory}/server.pem", "-noout", "-checkip", address]
    assert "does match" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("options", [("-verify_ip", "10.0.0.2"), ("-verify_hostname", "other.example.org")])
def test_openssl_refuses_other_names(directory: Path, options: tuple[str, str]) -> None:
    assert not verify(directory, *options).endswith("OK\n")


@pytest.mark.parametrize(("when", "good"), [(NOW - 2 * DAY, False), (NOW, True), (NOW + SERVER_LIFE + DAY, False)])
def test_openssl_takes_it_in_its_time(directory: Path, when: datetime, good: bool) -> None:
    assert verify(directory, "-attime", f"{when.timestamp():.0f}").endswith("OK\n") == good


def test_ipxe_can_verify_every_certificate(own: Identity) -> None:
    for certificate in own.chain:
        assert kind_of_key(certificate).startswith("RSA ")
        assert certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256
        assert {each.oid for each in certificate.extensions if each.critical} <= IPXE_KNOWS
    assert own.certificate.issuer.public_bytes() == own.anchor.subject.public_bytes()
    assert names(own.certificate) == NAMES


def test_each_key_may_do_what_it_is_for(own: Identity) -> None:
    usage = [each.extensions.get_extension_for_class(x509.KeyUsage).value for each in own.chain]
    assert [each.key_cert_sign for each in usage] == [False, True]
    assert [each.digital_signature for each in usage] == [True, False]
    constraints = own.anchor.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_the_authority_lives_longer_than_its_certificate(own: Identity) -> None:
    assert own.anchor.not_valid_after_utc == NOW + AUTHORITY_LIFE
    assert own.certificate.not_valid_after_utc == NOW + SERVER_LIFE


def client(own: Identity) -> ssl.SSLContext:
    """As iPXE of Debian 13 comes: TLS 1.2 with ECDHE and RSA, and our authority as the only one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    context.load_verify_locations(cadata=own.anchor.public_bytes(Encoding.DER))
    return context


def handshake(directory: Path, context: ssl.SSLContext, name: str) -> tuple[str, str, int]:
    """Between a server with the files and a client, in memory; the cipher that they agree on."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "server.pem", directory / "server.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        context.wrap_bio(to_client, to_server, server_hostname=name),
        serving.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
            if side.server_side is False and (cipher := side.cipher()):
                return cipher
    raise AssertionError("no end of the handshake")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_talks_to_the_server(directory: Path, own: Identity, name: str) -> None:
    assert handshake(directory, client(own), name)[0] == "ECDHE-RSA-AES256-GCM-SHA384"


def test_a_client_refuses_an_address_that_is_not_named(directory: Path, own: Identity) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(directory, client(own), "10.0.0.9")


def test_the_server_sends_the_anchor_which_a_loader_knows_by_its_fingerprint_alone(
    directory: Path, own: Identity
) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "server.pem", directory / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with serving.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = ["openssl", "s_client", "-connect", address, "-showcerts", "-CAfile", f"{directory}/ca.pem"]
        command += ["-verify_return_error", "-verify_ip", "10.0.0.1"]
        done = subprocess.run(command, input="Q", capture_output=True, text=True, check=True, timeout=20)
        thread.join()
    sent = x509.load_pem_x509_certificates(done.stdout.encode())
    assert fingerprint(own.anchor) in {fingerprint(each) for each in sent[1:]}


def test_renewing_keeps_the_authority_and_nothing_else(own: Identity, tmp_path: Path) -> None:
    after = renew(own, ["other", "10.0.0.9"], NOW + 700 * DAY)
    assert after.anchor == own.anchor
    assert names(after.certificate) == ("other", "10.0.0.9")
    assert after.key.public_key() != own.key.public_key()
    assert after.certificate.serial_number != own.certificate.serial_number
    save(tmp_path / "tls", after, replace=False)
    when = f"{(NOW + 1400 * DAY).timestamp():.0f}"
    assert verify(tmp_path / "tls", "-attime", when, "-verify_ip", "10.0.0.9").endswith("OK\n")


def test_a_certificate_does_not_outlive_its_authority(own: Identity) -> None:
    late = renew(own, NAMES, own.anchor.not_valid_after_utc - 10 * DAY)
    assert late.certificate.not_valid_after_utc == own.anchor.not_valid_after_utc


def test_an_authority_that_has_ended_renews_nothing(own: Identity) -> None:
    with pytest.raises(Refused, match=r"ended on .* init --replace"):
        renew(own, NAMES, own.anchor.not_valid_after_utc)


def test_an_authority_of_others_renews_nothing(own: Identity) -> None:
    with pytest.raises(Refused, match="was imported"):
        renew(Identity(own.key, own.chain), NAMES, NOW)


def test_names_in_every_alphabet_and_of_any_length(own: Identity, tmp_path: Path) -> None:
    long = f"{'a' * 60}.{'b' * 60}.example.org"
    after = renew(own, [long, "büro.example", "fd00::1", long], NOW)
    assert names(after.certificate) == (long, "xn--bro-hoa.example", "fd00::1")
    save(tmp_path / "tls", after, replace=False)
    assert verify(tmp_path / "tls", "-verify_hostname", long).endswith("OK\n")


@pytest.mark.parametrize("name", ["", "a b", "a..b", "a" * 64, "10.0.0.1/24", "*.example.org", "a\nb", ".", "pxe\0"])
def test_what_is_no_name(own: Identity, name: str) -> None:
    with pytest.raises(UsageError, match="neither a host name"):
        renew(own, [name], NOW)


def test_a_server_without_a_name(own: Identity) -> None:
    with pytest.raises(UsageError, match="at least one name"):
        renew(own, [], NOW)
