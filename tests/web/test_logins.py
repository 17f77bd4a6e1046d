"""The password at the boot loader, from the choice to the grant, as iPXE asks for it."""

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from pxed.boot.token import Pass, Ticket, seal
from pxed.config import PLAIN_HTTP, Config, Https, PasswordConfig
from pxed.passwords.checking import Checker
from pxed.passwords.hashing import Argon2Cost, hashed
from pxed.records import Records
from pxed.site.event import EventKind
from pxed.site.model import Kind, PasswordScope, RecordState
from pxed.verdicts import Verdicts
from pxed.web.app import application
from pxed.web.logins import PASS_SECONDS, Logins
from pxed.web.scripts import Scripts
from tests.boot.ipxe import Loader, Url
from tests.site_in_memory import MemorySite
from tests.support import GUID, KEY, MAC, NOW, Clock, DirectWriter, add_computer, advertise

CHEAP = Argon2Cost(memory=8, passes=1)
SITE = PasswordScope.SITE, 0
PLAIN = PasswordConfig(plain_http=PLAIN_HTTP, attempts=3)
"""the tests' server has no certificate"""


class Bench:
    """A service point's scripts, on a site whose password is `sesame`, or `builder` for bob."""

    def __init__(self, config: Config) -> None:
        self.site = MemorySite("jane", NOW)
        self.clock = Clock()
        self.writer = DirectWriter(self.site)
        records = Records(self.writer, config, self.clock)
        verdicts = Verdicts(self.site, records, config, self.clock)
        checker = Checker(self.site, self.writer, config.password, self.clock, self.clock.unix, cost=CHEAP)
        self.scripts = Scripts(verdicts, records, config, KEY, self.clock.unix)
        self.logins = Logins(verdicts, records, checker, config, KEY, self.clock.unix)
        self.client: TestClient  # type: ignore[type-arg]
        add_computer(self.site)
        self.site.put_password(*SITE, "", hashed("sesame", CHEAP))
        self.site.put_password(*SITE, "bob", hashed("builder", CHEAP))

    def ticket(self, *, mac: str = MAC, https: bool = True) -> str:
        expires = int(self.clock.unix()) + 600
        return seal(Ticket(bytes.fromhex(mac.replace(":", "")), GUID, 7, https, expires), KEY)

    async def get(self, path: str, authorization: str = "") -> str:
        async with self.client.get(path, headers={"Authorization": authorization}) as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def login(self, advertisement: int, username: str, password: str, ticket: str = "") -> str:
        path = f"/boot/{ticket or self.ticket()}/{advertisement}/login.ipxe"
        async with self.client.get(path) as first:
            assert first.status == 401
            assert first.headers["WWW-Authenticate"].startswith("Basic ")
        return await self.get(path, basic(username, password))

    def told(self) -> list[str]:
        return [event.text.partition(": ")[2] for event in self.site.events(None, 100, [EventKind.PASSWORD])]


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username.encode().hex()}:{password.encode().hex()}".encode()).decode()


def next_of(script: str) -> Url:
    """Where a script goes on."""
    loader = Loader(("u", "p"))
    loader.run(script)
    (url,) = loader.chained
    return url


async def served(config: Config) -> AsyncIterator[Bench]:
    made = Bench(config)
    async with TestClient(TestServer(application(lambda _: "eth0", made.scripts, made.logins))) as client:
        made.client = client
        yield made


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Passwords may come over plain HTTP."""
    async for made in served(Config(password=PLAIN)):
        yield made


@pytest.fixture
async def https_alone() -> AsyncIterator[Bench]:
    async for made in served(Config(https=Https(port=8443))):
        yield made


async def test_the_right_password_leads_to_the_grant(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    asked = next_of(await bench.get(f"/boot/{bench.ticket()}/{chosen.id}.ipxe"))
    assert asked.path.endswith(f"/{chosen.id}/login.ipxe")
    assert bench.site.records("1") == []
    opened = await bench.login(chosen.id, "bob", "builder")
    assert opened.startswith("#!ipxe\nclear username ||\nclear password ||\n")
    booting = await bench.get(next_of(opened).path)
    assert "kernel" in booting
    assert "pxed.token=" in booting
    (record,) = bench.site.records("1")
    assert (record.state, record.tries) == (RecordState.LOADING, 1)
    assert bench.told() == ["right password of bob"]


async def test_a_wrong_one_asks_again_and_begins_no_try(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    script = await bench.login(chosen.id, "bob", "sesame")
    assert "echo pxed: wrong user name or password; the next try is in 3 s\nsleep 3\n" in script
    assert next_of(script).path.endswith("/login.ipxe")
    assert bench.site.records("1") == []
    assert "too soon" in await bench.login(chosen.id, "bob", "builder")
    bench.clock.advance(3)
    assert "login" not in await bench.login(chosen.id, "bob", "builder")


async def test_too_many_lock_and_send_it_on(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    for wait in (1, 2, 0):
        script = await bench.login(chosen.id, "bob", "x")
        bench.clock.advance(wait)
    assert "too many wrong passwords: locked for 15 minutes" in script
    assert "\nlogin" not in script
    assert "too many wrong passwords" in await bench.login(chosen.id, "bob", "builder")
    assert bench.told()[-1] == "locked: 3 wrong passwords at this computer"


async def test_a_pass_is_used_once(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    path = next_of(await bench.login(chosen.id, "", "sesame")).path
    assert "kernel" in await bench.get(path)
    assert "this password was used already" in await bench.get(path)
    (record,) = bench.site.records("1")
    assert record.tries == 1
    assert "kernel" in await bench.get(next_of(await bench.login(chosen.id, "", "sesame")).path)


async def test_a_pass_ends(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    path = next_of(await bench.login(chosen.id, "", "sesame")).path
    bench.clock.advance(PASS_SECONDS + 1)
    assert "too long ago" in await bench.get(path)


async def test_a_pass_dies_with_a_cleared_record(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    path = next_of(await bench.login(chosen.id, "", "sesame")).path
    (record,) = bench.site.records("1")
    bench.site.delete_record(record.id)
    assert "kernel" not in await bench.get(path)


async def test_a_pass_is_for_one_computer_and_one_advertisement(bench: Bench) -> None:
    chosen, other = advertise(bench.site, Kind.OPTIONAL), advertise(bench.site, Kind.OPTIONAL, "Other")
    add_computer(bench.site, "PC2", "52:54:00:00:00:02", None)
    admission = next_of(await bench.login(chosen.id, "", "sesame")).path.rpartition("/")[2]
    elsewhere = seal(Ticket(bytes.fromhex("525400000002"), None, 7, True, int(bench.clock.unix()) + 9), KEY)
    assert "kernel" not in await bench.get(f"/boot/{elsewhere}/{chosen.id}/{admission}")
    assert "kernel" not in await bench.get(f"/boot/{bench.ticket()}/{other.id}/{admission}")
    assert "kernel" in await bench.get(f"/boot/{bench.ticket()}/{chosen.id}/{admission}")


async def test_a_pass_of_nobody_opens_nothing(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    forged = seal(Pass(bytes.fromhex(MAC.replace(":", "")), 1, 1, int(bench.clock.unix()) + 60), bytes(32))
    for admission in (forged, "A" * 44):
        assert "kernel" not in await bench.get(f"/boot/{bench.ticket()}/{chosen.id}/{admission}.ipxe")


async def test_a_mandatory_one_waits_for_f12_and_boots_without_anybody_use_no_try_up(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.MANDATORY)
    script = await bench.get(f"/boot/{bench.ticket()}/boot.ipxe")
    assert "press F12 within 10 s to boot Install Debian (needs a password)" in script
    assert bench.site.records("1") == []
    assert "login" in await bench.get(f"/boot/{bench.ticket()}/{chosen.id}.ipxe")
    assert "kernel" in await bench.get(next_of(await bench.login(chosen.id, "", "sesame")).path)
    (record,) = bench.site.records("1")
    assert record.tries == 1


async def test_what_needs_none_is_open(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    for person in ("", "bob"):
        bench.site.remove_password(*SITE, person)
    assert "kernel" in await bench.get(f"/boot/{bench.ticket()}/{chosen.id}.ipxe")
    login = await bench.get(f"/boot/{bench.ticket()}/{chosen.id}/login.ipxe")  # removed while somebody typed
    assert next_of(login).path.endswith(f"/{chosen.id}.ipxe")


async def test_what_is_no_longer_offered_is_said_to_be_so(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    bench.site.set_enabled(chosen.id, False)
    assert "no longer offered" in await bench.get(f"/boot/{bench.ticket()}/{chosen.id}/login.ipxe")


async def test_the_database_in_trouble_is_said_to_be(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    bench.writer.fault = "the disk is full"
    assert "the disk is full" in await bench.login(chosen.id, "bob", "builder")


@pytest.mark.parametrize("header", ["Basic !", "Basic eA==", "Basic Ng==", "Basic ZmY6ZmY=", "Digest x", ""])
async def test_credentials_that_are_none_are_asked_for_again(bench: Bench, header: str) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    path = f"/boot/{bench.ticket()}/{chosen.id}/login.ipxe"
    async with bench.client.get(path, headers={"Authorization": header}) as response:
        assert response.status == 401


async def test_a_loader_with_https_is_sent_there(https_alone: Bench) -> None:
    chosen = advertise(https_alone.site, Kind.OPTIONAL)
    url = next_of(await https_alone.get(f"/boot/{https_alone.ticket()}/{chosen.id}.ipxe"))
    assert (url.scheme, url.host) == ("https", "127.0.0.1:8443")


async def test_a_loader_without_https_is_refused_in_words(https_alone: Bench) -> None:
    chosen = advertise(https_alone.site, Kind.OPTIONAL)
    script = await https_alone.get(f"/boot/{https_alone.ticket(https=False)}/{chosen.id}.ipxe")
    assert "Install Debian needs a password, and this boot loader has no HTTPS to send it by" in script
    assert "\nlogin" not in script


async def test_a_password_that_comes_over_plain_http_all_the_same_is_not_looked_at(https_alone: Bench) -> None:
    chosen = advertise(https_alone.site, Kind.OPTIONAL)
    path = f"/boot/{https_alone.ticket()}/{chosen.id}/login.ipxe"
    assert "over HTTPS alone" in await https_alone.get(path, basic("bob", "builder"))
    assert https_alone.told() == []


async def test_without_https_and_leave_nobody_is_asked() -> None:
    async for bench in served(Config()):
        chosen = advertise(bench.site, Kind.OPTIONAL)
        script = await bench.get(f"/boot/{bench.ticket()}/{chosen.id}.ipxe")
        assert "this service point has no HTTPS" in script
