"""A password between a real service point and a real TLS client: from the firmware's DISCOVER to the boot image."""

import hashlib
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from pxed.wire.dhcp import Option
from pxed.wire.options import decode_options
from tests.boot.ipxe import Loader, Url
from tests.service import confinement
from tests.service.namespaces import Network, Serving, discover
from tests.support import MAC

pytestmark = pytest.mark.netns

PASSWORD = "Aa1 &%+=@:/?#${b}\\ü"
HTTPS_LOADER = b"\x13\x01\x01\x14\x01\x01\xeb\x03\x01\x15\x01\xff"


def add_what_boots(serving: Serving, directory: Path) -> None:
    """An optional advertisement for PC1, and a password for all."""
    for name in ("vmlinuz", "initrd.img"):
        (directory / name).write_bytes(b"x")
    (directory / "steps.json").write_text('{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
    (directory / "password").write_text(PASSWORD)
    files = ("--kernel", f"{directory}/vmlinuz", "--initrd", f"{directory}/initrd.img", "--command-line", "quiet")
    serving.cli("collection", "add", "Lab")
    serving.cli("computer", "add", "PC1", "--mac", MAC, "--collection", "Lab")
    serving.cli("bootimage", "add", "rescue", "--arch", "amd64", *files)
    serving.cli("sequence", "add", "install", f"{directory}/steps.json", "--boot-image", "rescue")
    serving.cli("advertise", "install", "--to", "Lab", "--optional", "--name", "Install")
    serving.cli("password", "set", "--person", "jane", "--file", f"{directory}/password")


def test_from_the_offer_over_https_to_the_boot_image(network: Network, tmp_path: Path) -> None:
    """As the systemd unit confines the service."""
    serving = Serving(network, tmp_path, "[https]\nport = 8443", wrapper=confinement.wrapped)
    serving.cli("cert", "init", "--name", "192.0.2.1")
    authority = tmp_path / "ca.pem"
    authority.write_text(serving.cli("cert", "export-ca"))

    def fetch(url: Url) -> str:
        """As iPXE: with the authority that the offer named, and once more with credentials if they are asked for."""
        command = ["curl", "-sS", "--cacert", str(authority), f"{url.scheme}://{url.host}{url.path}"]
        if url.user is not None:
            assert url.scheme == "https"
            assert network.in_client(lambda: subprocess.run([*command, "-f"], check=False).returncode) == 22  # 401
            command += ["-H", f"Authorization: {url.authorization}"]
        return network.in_client(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    with serving:
        add_what_boots(serving, tmp_path)
        trusted = decode_options(discover(network).options[Option.ETHERBOOT])[0x5A]
        der = ssl.PEM_cert_to_DER_cert(authority.read_text())
        assert trusted == hashlib.sha256(der).digest()
        script = discover(network, USER_CLASS=b"iPXE", ETHERBOOT=HTTPS_LOADER).options[Option.BOOTFILE_NAME]
        begins = fetch(Url.parsed(script.rstrip(b"\0").decode()))

        wrong = Loader(("jane", "wrong"))
        wrong.fetch = lambda url: fetch(url) if len(wrong.chained) < 3 else None
        wrong.run(begins)
        assert any(line.startswith("pxed: wrong user name or password") for line in wrong.said)
        assert not wrong.loaded

        right = Loader(("jane", PASSWORD), fetch=fetch)
        right.run(begins)  # sent again by its scripts for as long as it is too soon after the wrong one
        kernel, initrd = right.loaded
        assert kernel[-1].startswith("BOOTIF=")
        assert re.fullmatch(r"http://192\.0\.2\.1:8067/b/[\w-]{43}/initrd\.img", initrd[-1])
        assert not right.settings
        said = serving.cli("history", "PC1")
    assert "right password of jane" in said
    for line in [*serving.lines, said]:
        assert PASSWORD not in line
        assert PASSWORD.encode().hex() not in line
