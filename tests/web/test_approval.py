"""An unknown computer waits for approval at its boot loader, and goes on without a reboot."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from pxed.boot.token import unseal_ticket
from pxed.config import Config, Responder
from pxed.site.approval import approve, reject
from pxed.site.model import Kind, Sighting
from tests.support import GUID, KEY, MAC, NOW, advertise
from tests.web.test_scripts_and_agent import Bench

CONFIG = Config(responder=Responder(unknown_computers="approval", approval_minutes=30, site_name="the Library"))


class Waiter(Bench):
    """An unknown computer that does what its scripts say."""

    url = ""

    async def begin(self) -> str:
        return self._follow(await self.script())

    async def ask_again(self, seconds: float = 5) -> str:
        self.pass_time(seconds)
        status, text = await self.get(self.url)
        assert status == 200
        return self._follow(text)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.site.now = self.clock.now

    def _follow(self, text: str) -> str:
        found = re.search(r"chain --replace http://[^/]+(/boot/[^/]+/waiting\.ipxe)", text)
        self.url = found[1] if found else ""
        return text

    def seen(self) -> Sighting:
        found = self.site.find_sighting(MAC)
        assert found is not None
        return found


@pytest.fixture
async def waiter(tmp_path: Path) -> AsyncIterator[Waiter]:
    made = Waiter(tmp_path, CONFIG)
    made.site.now = NOW
    async with TestClient(TestServer(made.app)) as client:
        made.client = client
        yield made


async def test_it_says_where_and_who_it_is_and_what_to_tell_whom(waiter: Waiter) -> None:
    text = await waiter.begin()
    assert "not known at the Library and waits for approval" in text
    assert f"its MAC address is {MAC}, its GUID {GUID}" in text
    assert f"its ID: {waiter.seen().id}\n" in text
    assert "30 min left" in text
    assert (waiter.seen().waiting_since, waiter.site.overview().waiting) == (NOW, 1)
    (event,) = waiter.site.events(MAC, 10)
    assert (event.kind, event.text) == ("identity", f"waits for approval, ID {waiter.seen().id}")


async def test_it_waits_longer_than_a_ticket_lasts_and_is_one_sighting(waiter: Waiter) -> None:
    await waiter.begin()
    waiter.pass_time(1)
    for _ in range(3):
        await waiter.ask_again(seconds=9 * 60)
        ticket = unseal_ticket(waiter.url.split("/")[2], KEY, waiter.clock.unix())
        assert (ticket.mac.hex(":"), ticket.guid) == (MAC, GUID)
    assert waiter.seen().waiting_since == NOW
    assert waiter.seen().last_seen == waiter.clock.now
    assert len(waiter.site.sightings()) == 1


async def test_approved_it_goes_on_to_what_is_decided_now(waiter: Waiter) -> None:
    advertise(waiter.site, Kind.MANDATORY)
    await waiter.begin()
    await waiter.ask_again()
    home = waiter.site.find_collection("lab")
    assert home is not None
    approve(waiter.site, waiter.seen(), "PC1", [home])
    text = await waiter.ask_again()
    assert "echo pxed: PC1 boots Install Debian" in text
    assert waiter.record().tries == 1
    assert waiter.site.sightings() == []


async def test_approved_without_anything_to_do_it_goes_on_to_its_disk(waiter: Waiter) -> None:
    await waiter.begin()
    approve(waiter.site, waiter.seen(), "PC1")
    assert "nothing to do" in await waiter.ask_again()


async def test_rejected_it_says_so_and_goes_on_to_its_disk(waiter: Waiter) -> None:
    await waiter.begin()
    reject(waiter.site, waiter.seen(), "a visitor's")
    text = await waiter.ask_again()
    assert f"the MAC address {MAC} (a visitor's) was put on the ignore list" in text
    assert text.endswith("exit 1\n")
    assert waiter.seen().waiting_since is None


async def test_it_does_not_wait_for_ever_and_begins_anew_with_the_next_boot(waiter: Waiter) -> None:
    await waiter.begin()
    for _ in range(3):
        await waiter.ask_again(seconds=9 * 60)
    assert "3 min left" in await waiter.ask_again(seconds=0)
    text = await waiter.ask_again(seconds=3 * 60)
    assert "nobody approved within 30 minutes" in text
    assert waiter.seen().waiting_since is None
    assert "30 min left" in await waiter.begin()


async def test_one_that_was_switched_off_waits_no_longer(waiter: Waiter) -> None:
    await waiter.begin()
    waiter.pass_time(61)
    assert (waiter.seen().waiting_since, waiter.site.overview().waiting) == (None, 0)
    await waiter.begin()
    assert waiter.seen().waiting_since == NOW + timedelta(seconds=61)


async def test_a_wait_that_cannot_be_written_ends_with_the_reason(waiter: Waiter) -> None:
    waiter.writer.fault = "the disk is full"
    text = await waiter.begin()
    assert "the disk is full" in text
    assert text.endswith("exit 1\n")
