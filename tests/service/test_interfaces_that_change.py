"""Interfaces that come, go and change while the real service runs."""

from pathlib import Path

import pytest

from tests.service.namespaces import Network, Serving, curl, discover, ip, know_pc1, until

pytestmark = pytest.mark.netns


def answered_from(network: Network, interface: str) -> str:
    """The address that PC1 is given for the service point when it asks on `interface`."""
    return str(discover(network, interface).siaddr)


def test_the_only_interface_is_named_and_waited_for(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path, interfaces=("eth7",)) as serving:
        know_pc1(serving)
        message = serving.wait_for_log("interface eth7 does not exist")
        assert "eth0, eth1" in message
        serving.wait_for_log("answers on no interface")
        network.plug("eth7", "203.0.113.1/24", "203.0.113.2/24")
        serving.wait_for_log("answers on eth7 (203.0.113.1)")
        assert answered_from(network, "eth7") == "203.0.113.1"
        ip("-n", network.point, "link", "del", "eth7")


def test_one_missing_interface_of_two_is_told_and_followed(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path, interfaces=("eth0", "eth2")) as serving:
        know_pc1(serving)
        serving.wait_for_log("interface eth2 does not exist")
        network.plug("eth2", "203.0.113.1/24", "203.0.113.2/24")
        serving.wait_for_log("answering on eth2 (203.0.113.1/24)")
        assert answered_from(network, "eth2") == "203.0.113.1"
        ip("-n", network.point, "link", "del", "eth2")
        serving.wait_for_log("no longer answering on eth2")
        assert answered_from(network, "eth0") == "192.0.2.1"


def test_a_changed_address_is_followed(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving:
        know_pc1(serving)
        ip("-n", network.point, "addr", "del", "192.0.2.1/24", "dev", "eth0")
        serving.wait_for_log("no longer answering on eth0")
        serving.wait_for_log("interface eth0 has no IPv4 address yet")
        ip("-n", network.point, "addr", "add", "192.0.2.50/24", "dev", "eth0")
        serving.wait_for_log("answering on eth0 (192.0.2.50/24)")
        until(
            lambda: [i["addresses"] for i in serving.status()["interfaces"]] == [["192.0.2.50/24"]], lambda: serving.log
        )
        assert answered_from(network, "eth0") == "192.0.2.50"
        curl(network, "http://192.0.2.50:8067/snponly.efi")
        curl(network, "tftp://192.0.2.50/snponly.efi")


def test_an_interface_that_changes_is_served_again_at_once(network: Network, tmp_path: Path) -> None:
    """A bridge takes on another MAC address when a machine is plugged in: the ports are ours before and after."""
    with Serving(network, tmp_path) as serving:
        know_pc1(serving)
        begun = len(serving.lines)
        ip("-n", network.point, "link", "set", "eth0", "mtu", "1400")
        try:
            serving.wait_for_log("answering on eth0", after=begun)
            assert "is taken" not in serving.log
            assert answered_from(network, "eth0") == "192.0.2.1"
        finally:
            ip("-n", network.point, "link", "set", "eth0", "mtu", "1500")
