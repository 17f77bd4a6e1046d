"""The real service between real interfaces: what it answers, what it survives, how it starts and ends."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from pxed.wire.pxe import encode_client_guid
from tests.service.namespaces import Network, Serving, curl, dhcp_client, discover, ip, know_pc1, until
from tests.support import GUID, MAC

pytestmark = pytest.mark.netns

SILENCE = 0.5
"""Seconds without an answer, asserted only after a later request was answered on the same socket."""


def request(kind: MessageType = MessageType.DISCOVER, mac: str = MAC, xid: int = 7) -> bytes:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7",
        Option.CLIENT_MACHINE_IDENTIFIER: encode_client_guid(GUID) if mac == MAC else b"\0" + bytes(16),
        Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
    }
    chaddr = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    return Packet(BOOTREQUEST, xid=xid, chaddr=chaddr, options=options).encode()


def test_a_broadcast_is_answered_on_the_configured_interface_only(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving:
        know_pc1(serving)
        with dhcp_client(network, "eth1") as elsewhere, dhcp_client(network, "eth0") as here:
            elsewhere.sendto(request(xid=1), ("255.255.255.255", 67))
            here.sendto(request(xid=2), ("255.255.255.255", 67))
            data, sender = here.recvfrom(2000)
            assert sender == ("192.0.2.1", 67)
            assert decode(data).xid == 2
            elsewhere.settimeout(SILENCE)
            with pytest.raises(TimeoutError):
                elsewhere.recvfrom(2000)
    verdicts = [line for line in serving.lines if " verdict: " in line]
    assert len(verdicts) == 1
    assert "verdict: local boot: nothing to do" in verdicts[0]
    assert "rule=nothing" in verdicts[0]


def test_4011_is_answered_from_the_address_and_port_that_was_asked(network: Network, tmp_path: Path) -> None:
    ip("-n", network.point, "addr", "add", "192.0.2.99/24", "dev", "eth0")
    with Serving(network, tmp_path) as serving:
        know_pc1(serving)
        for ours in ("192.0.2.1", "192.0.2.99"):
            with dhcp_client(network, "eth0", 4011, "192.0.2.2") as client:
                client.sendto(request(MessageType.REQUEST), (ours, 4011))
                data, sender = client.recvfrom(2000)
            assert sender == (ours, 4011)
            assert decode(data).address(Option.SERVER_IDENTIFIER) == decode(data).siaddr
            assert str(decode(data).siaddr) == ours


def test_listen_dhcp_false_leaves_port_67_alone(network: Network, tmp_path: Path) -> None:
    def bound() -> socket.socket:
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind(("", 67))
        return holder

    with network.in_point(bound), Serving(network, tmp_path, "[responder]\nlisten_dhcp = false") as serving:
        know_pc1(serving)
        with dhcp_client(network, "eth0", 4011, "192.0.2.2") as client:
            client.sendto(request(MessageType.REQUEST), ("192.0.2.1", 4011))
            assert decode(client.recv(2000)).message_type is MessageType.ACK


def test_port_67_taken_names_the_way_out(network: Network, tmp_path: Path) -> None:
    def bound() -> socket.socket:
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind(("", 67))
        return holder

    serving = Serving(network, tmp_path)
    with network.in_point(bound):
        assert serving.start().wait() == 69
    (message,) = serving.lines
    for part in ("UDP port 67 on eth0 is taken", "listen_dhcp = false", "option 60 = PXEClient", "siaddr"):
        assert part in message


def test_a_second_one_leaves_the_first_one_alone(network: Network, tmp_path: Path) -> None:
    """Who tries `pxed serve` by hand, on an interface that is free, would take the control socket away."""
    with Serving(network, tmp_path) as first:
        second = Serving(network, tmp_path, interfaces=("eth1",))
        assert second.start().wait() == 69
        assert "a service point runs already" in second.log
        assert first.status()["pid"]
    assert first.wait() == 0


def test_sighup_takes_a_good_configuration_and_keeps_the_old_one_before_a_bad_one(
    network: Network, tmp_path: Path
) -> None:
    with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
        know_pc1(serving)
        serving.write("[responder]\nattempts = 0\nconsumption = 3")
        serving.signal(signal.SIGHUP)
        for key in ("responder.attempts", "responder.consumption"):
            assert "kept the old configuration: " in serving.wait_for_log(key)
        client.sendto(request(xid=1), ("255.255.255.255", 67))
        assert decode(client.recv(2000)).xid == 1
        seen = len(serving.lines)
        serving.write("enabled = false")
        serving.signal(signal.SIGHUP)
        serving.wait_for_log("took over the configuration", seen)
        client.sendto(request(xid=2), ("255.255.255.255", 67))
        until(lambda: serving.status()["answers"].get("ignored: service-enabled") == 1, lambda: serving.log)
        serving.write("")
        seen = len(serving.lines)
        serving.signal(signal.SIGHUP)
        serving.wait_for_log("took over the configuration", seen)
        client.sendto(request(xid=3), ("255.255.255.255", 67))
        assert decode(client.recv(2000)).xid == 3


def test_sighup_changes_what_uefi_is_offered(network: Network, tmp_path: Path) -> None:
    """That it waits for approval is a reason to boot, and needs no site."""
    settings = '[responder]\nunknown_computers = "approval"\n'
    with Serving(network, tmp_path, settings) as serving:
        assert Option.VENDOR_SPECIFIC_INFORMATION in discover(network).options
        for more, has_menu in (('uefi_offer = "boot-server"', False), ("", True)):
            serving.write(settings + more)
            seen = len(serving.lines)
            serving.signal(signal.SIGHUP)
            serving.wait_for_log("took over the configuration", seen)
            offer = discover(network)
            assert offer.file == b"snponly.efi"
            assert (Option.VENDOR_SPECIFIC_INFORMATION in offer.options) == has_menu
        assert serving.status()["answers"] == {"answered: boot-from-first-offer": 2, "answered: boot-server": 1}


def test_an_unknown_computer_is_sighted_and_answered_once_it_is_known(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
        client.sendto(request(xid=1), ("255.255.255.255", 67))
        (sighting,) = until(lambda: json.loads(serving.cli("sightings", "--json")), lambda: serving.log)
        assert (sighting["mac"], sighting["guid"], sighting["interface"]) == (MAC, str(GUID), "eth0")
        know_pc1(serving)
        client.sendto(request(xid=2), ("255.255.255.255", 67))
        assert decode(client.recv(2000)).xid == 2
        assert json.loads(serving.cli("sightings", "--json")) == []


def test_garbage_floods_are_dropped_and_counted(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
        know_pc1(serving)
        for number in range(200):
            client.sendto(os.urandom(number), ("255.255.255.255", 67))
        client.sendto(request(), ("255.255.255.255", 67))
        assert decode(client.recv(2000)).message_type is MessageType.OFFER
        assert serving.status()["answers"]["malformed"] == 200
        assert "bug" not in serving.log


def test_https_with_the_service_points_own_certificate_and_a_renewed_one_on_sighup(
    network: Network, tmp_path: Path
) -> None:
    serving = Serving(network, tmp_path, "[https]\nport = 8443")
    assert serving.start().wait() == 78
    assert "https.port: is set, and there is no certificate; pxed cert init makes one" in serving.log
    serving = Serving(network, tmp_path, "[https]\nport = 8443")
    serving.cli("cert", "init", "--name", "192.0.2.1")
    authority = tmp_path / "ca.pem"
    authority.write_text(serving.cli("cert", "export-ca"))

    def serial_number() -> str:
        context = ssl.create_default_context(cafile=authority)

        def ask() -> str:
            with (
                socket.create_connection(("192.0.2.1", 8443), timeout=30) as plain,
                context.wrap_socket(plain, server_hostname="192.0.2.1") as secured,
            ):
                certificate = secured.getpeercert()
                assert certificate is not None
                return str(certificate["serialNumber"])

        return network.in_client(ask)

    with serving:
        assert curl(network, "https://192.0.2.1:8443/snponly.efi", "--cacert", str(authority)) == curl(
            network, "http://192.0.2.1:8067/snponly.efi"
        )
        first = serial_number()
        serving.cli("cert", "renew", "--name", "192.0.2.1")
        seen = len(serving.lines)
        serving.signal(signal.SIGHUP)
        serving.wait_for_log("took over the configuration", seen)
        assert serial_number() != first


def test_sigterm_lets_a_running_download_finish(network: Network, tmp_path: Path) -> None:
    """A slow reader of a large file: the service stops listening at once and leaves after the last byte."""
    size = 30_000_000
    with Serving(network, tmp_path) as serving:
        (tmp_path / "state" / "tftp" / "large.bin").write_bytes(bytes(size))
        with network.in_client(lambda: socket.create_connection(("192.0.2.1", 8067))) as client:
            client.settimeout(30)
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = len(client.recv(1000))
            serving.signal(signal.SIGTERM)
            serving.wait_for_log("stopping")
            ip("-n", network.point, "addr", "add", "192.0.2.77/24", "dev", "eth0")  # nobody is served on it any more
            serving.signal(signal.SIGHUP)
            time.sleep(1)
            while data := client.recv(1 << 20):
                received += len(data)
        ip("-n", network.point, "addr", "del", "192.0.2.77/24", "dev", "eth0")
        assert received > size
        assert serving.wait() == 0
        assert "Traceback" not in serving.log


def test_sigterm_does_not_wait_for_an_http_client_that_takes_nothing(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving:
        with (tmp_path / "state" / "tftp" / "large.bin").open("wb") as file:
            file.truncate(1_000_000_000)
        with network.in_client(lambda: socket.create_connection(("192.0.2.1", 8067))) as client:
            client.settimeout(30)
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            assert serving.status()["http"] == {"connections": 1, "refused": 0}
            serving.signal(signal.SIGTERM)
            assert serving.wait() == 0
        assert "aborted by the client" in serving.log
        assert "Traceback" not in serving.log


def test_sigterm_does_not_wait_for_a_tftp_client_that_has_vanished(network: Network, tmp_path: Path) -> None:
    with (
        Serving(network, tmp_path) as serving,
        network.in_client(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client,
    ):
        client.settimeout(30)
        client.sendto(b"\0\1snponly.efi\0octet\0", ("192.0.2.1", 69))
        assert client.recv(600).startswith(b"\0\3\0\1")
        serving.signal(signal.SIGTERM)
        assert serving.wait() == 0
    assert "failed: the client was silent while the service point stopped" in serving.log


def test_it_tells_the_service_manager_how_it_is(network: Network, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        serving = Serving(network, tmp_path)
        serving.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000")
        try:
            heard: list[str] = []

            def wait_for(word: str) -> None:
                while not any(word in message for message in heard):
                    heard.append(manager.recv(4096).decode())

            wait_for("READY=1")
            wait_for("WATCHDOG=1")
            heard.clear()
            serving.signal(signal.SIGHUP)
            wait_for("RELOADING=1")
            assert "MONOTONIC_USEC=" in "".join(heard)
            wait_for("READY=1")
        finally:
            assert serving.stop() == 0
        wait_for("STOPPING=1")


def test_root_is_given_up_and_ports_below_1024_can_still_be_bound(network: Network) -> None:
    program = """
import socket
from pxed.interfaces import bind_udp
from pxed.privileges import become
become("nobody")
print(open("/proc/self/status").read())
bind_udp("eth0", "0.0.0.0", 69)
try:
    open("/etc/shadow")
except PermissionError:
    print("Shadow:\tdenied")
"""
    command = ["ip", "netns", "exec", network.point, sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    fields = dict(line.split(":\t", 1) for line in result.stdout.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"65534"}
    assert fields["Groups"].strip() == ""
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {1 << 10}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Shadow"] == "denied"


def test_a_user_that_does_not_exist_is_named(network: Network, tmp_path: Path) -> None:
    serving = Serving(network, tmp_path, 'user = "nobody-of-that-name"')
    assert serving.start().wait() == 78
    assert "service.user" in serving.log
    assert "nobody-of-that-name" in serving.log


def test_json_logs_have_the_fixed_keys(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path, '[log]\nformat = "json"') as serving, dhcp_client(network, "eth0") as client:
        know_pc1(serving)
        client.sendto(request(), ("255.255.255.255", 67))
        client.recv(2000)
        entry = json.loads(serving.wait_for_log('"rule"'))
    assert entry["rule"] == "nothing"
    assert (entry["mac"], entry["guid"], entry["iface"], entry["computer"]) == (MAC, str(GUID), "eth0", "PC1")


class TestDatabaseInTrouble:
    """Files are served, computers go on to their disks, the log says what is wrong, and it heals by itself."""

    def test_from_a_newer_version(self, network: Network, tmp_path: Path) -> None:
        with Serving(network, tmp_path):
            pass
        with closing(sqlite3.connect(tmp_path / "state" / "pxed.db")) as database, database:
            ((revision,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
            assert "made by a newer pxed" in serving.log
            client.sendto(request(xid=1), ("255.255.255.255", 67))
            until(lambda: serving.status()["answers"].get("ignored: database") == 1, lambda: serving.log)
            curl(network, "http://192.0.2.1:8067/snponly.efi")
            with closing(sqlite3.connect(tmp_path / "state" / "pxed.db")) as database, database:
                database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            know_pc1(serving)
            answered = self.ask_until_answered(client)
            assert answered.message_type is MessageType.OFFER
            serving.wait_for_log("the database answers again")

    def test_that_is_no_database(self, network: Network, tmp_path: Path) -> None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "pxed.db").write_bytes(b"not a database at all" * 100)
        with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
            assert "is not a database" in serving.log
            client.sendto(request(), ("255.255.255.255", 67))
            until(lambda: serving.status()["answers"].get("ignored: database") == 1, lambda: serving.log)
            curl(network, "tftp://192.0.2.1/snponly.efi")

    def test_that_somebody_keeps_locked(self, network: Network, tmp_path: Path) -> None:
        """Readers do not mind a writer (WAL): computers are answered, and history waits."""
        with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
            know_pc1(serving)
            database = sqlite3.connect(tmp_path / "state" / "pxed.db", isolation_level=None)
            try:
                database.execute("BEGIN IMMEDIATE")
                client.sendto(request(), ("255.255.255.255", 67))
                assert decode(client.recv(2000)).message_type is MessageType.OFFER
                serving.wait_for_log("is locked")
                database.execute("ROLLBACK")
            finally:
                database.close()
            until(lambda: "local boot" in serving.cli("history", "PC1", "--json"), lambda: serving.log)

    @staticmethod
    def ask_until_answered(client: socket.socket) -> Packet:
        client.settimeout(1)

        def ask() -> Packet | None:
            client.sendto(request(), ("255.255.255.255", 67))
            try:
                return decode(client.recv(2000))
            except TimeoutError:
                return None

        return until(ask, lambda: "no answer")
