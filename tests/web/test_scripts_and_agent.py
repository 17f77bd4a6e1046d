"""Boot scripts, boot image files and the agent's messages over HTTP, as a boot loader and an agent ask for them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from pxed.boot.token import Grant, Ticket, seal, unseal_grant
from pxed.config import Config, Responder
from pxed.content import Content
from pxed.records import Records
from pxed.site.boot_image import Cpu
from pxed.site.model import Kind, PxeRecord, RecordState
from pxed.transfers import Transfers
from pxed.verdicts import Verdicts
from pxed.web.agent import AgentApi
from pxed.web.app import application
from pxed.web.files import Files
from pxed.web.scripts import Scripts
from tests.site_in_memory import MemorySite
from tests.support import GUID, KEY, MAC, NOW, Clock, DirectWriter, add_computer, advertise

BOOT_ID = "11111111-2222-3333-4444-555555555555"
KERNEL, INITRD = b"MZ.." + bytes(100_000), b"070701" + bytes(200_000)


class Bench:
    """A service point's HTTP side on a site in memory, with real files."""

    def __init__(self, root: Path, config: Config | None = None) -> None:
        config = config or Config()
        self.site = MemorySite(now=NOW)
        self.clock = Clock()
        self.writer = DirectWriter(self.site)
        records = Records(self.writer, config, self.clock)
        verdicts = Verdicts(self.site, records, config, self.clock)
        public, images = root / "tftp", root / "images"
        public.mkdir()
        (public / "snponly.efi").write_bytes(b"loader")
        files = Files(Content(public, images, {}, KEY), Transfers(records, self.site.plan), self.clock.unix)
        self.app = application(
            lambda _: "eth0",
            Scripts(verdicts, records, config, KEY, self.clock.unix),
            AgentApi(self.site, records, KEY, self.clock.unix),
            files,
        )
        self.images = images
        self.client: TestClient[Request, Application]

    def ticket(self, **changes: int) -> str:
        expires = changes.get("expires", int(self.clock.unix()) + 600)
        return seal(Ticket(bytes.fromhex(MAC.replace(":", "")), GUID, 7, True, expires), KEY)

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(path) as response:
            return response.status, (await response.read()).decode("latin-1")

    async def script(self, name: str = "boot.ipxe") -> str:
        status, text = await self.get(f"/boot/{self.ticket()}/{name}")
        assert status == 200
        assert text.startswith("#!ipxe\n")
        return text

    async def token(self) -> str:
        """The grant in a boot script."""
        found = re.search(r"pxed\.token=(\S+)", await self.script())
        assert found
        return found[1]

    async def report(self, token: str, **message: object) -> int:
        async with self.client.post(f"/agent/{token}/status", json={"boot": BOOT_ID, **message}) as response:
            return response.status

    def record(self) -> PxeRecord:
        (record,) = self.site.records("1")
        return record


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    add_computer(made.site)
    folder = made.images / "1" / "amd64"
    folder.mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(KERNEL)
    (folder / "initramfs.img").write_bytes(INITRD)
    async with TestClient(TestServer(made.app)) as client:
        made.client = client
        yield made


async def test_a_mandatory_script_boots_with_a_grant(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    script = await bench.script()
    assert "echo pxed: PC1 boots Install Debian" in script
    assert f"BOOTIF=01-{MAC.replace(':', '-')}" in script
    found = re.search(r"(http://127\.0\.0\.1:\d+)/b/([^/]+)/vmlinuz", script)
    assert found
    assert f"pxed.server={found[1]} pxed.token={found[2]}" in script
    grant = unseal_grant(found[2], KEY, bench.clock.unix())
    assert (grant.record_id, grant.try_number, grant.image_id, grant.cpu) == (bench.record().id, 1, 1, Cpu.AMD64)
    assert bench.record().state is RecordState.LOADING


async def test_a_script_asked_for_twice_is_one_try(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    assert await bench.token() == await bench.token()
    assert bench.record().tries == 1


async def test_nothing_to_do_is_an_exit(bench: Bench) -> None:
    script = await bench.script()
    assert "nothing to do" in script
    assert script.endswith("exit 1\n")


async def test_a_try_that_cannot_be_recorded_is_not_handed_out(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    bench.writer.fault = "the disk is full"
    script = await bench.script()
    assert "kernel" not in script
    assert "the disk is full" in script
    assert script.endswith("exit 1\n")


async def test_f12_prompts_and_only_the_choice_begins_a_try(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL, "Rescue")
    script = await bench.script()
    assert "press F12 within 10 s to boot Rescue" in script
    assert bench.site.records("1") == []
    found = re.search(r"chain --replace http://127\.0\.0\.1:\d+/boot/[^/]+/(\d+)\.ipxe", script)
    assert found
    assert found[1] == str(chosen.id)
    assert "kernel" in await bench.script(f"{chosen.id}.ipxe")
    assert bench.record().state is RecordState.LOADING


async def test_a_choice_that_is_gone_is_an_exit(bench: Bench) -> None:
    chosen = advertise(bench.site, Kind.OPTIONAL)
    bench.site.set_enabled(chosen.id, False)
    assert "no longer offered" in await bench.script(f"{chosen.id}.ipxe")


async def test_a_ticket_of_nobody_and_one_that_has_ended_are_refused(bench: Bench) -> None:
    good = bench.ticket()
    changed = ("A" if good[0] != "A" else "B") + good[1:]
    for ticket in (changed, "x", bench.ticket(expires=int(bench.clock.unix()) - 1)):
        assert (await bench.get(f"/boot/{ticket}/boot.ipxe"))[0] == 403


async def test_the_whole_boot_image_fetched_is_booting(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    assert await bench.get(f"/b/{token}/vmlinuz") == (200, KERNEL.decode("latin-1"))
    assert bench.record().state is RecordState.LOADING
    assert await bench.get(f"/b/{token}/initramfs.img") == (200, INITRD.decode("latin-1"))
    assert bench.record().state is RecordState.BOOTING
    assert "has run" in await bench.script()


async def test_a_range_is_served_and_is_not_the_whole_file(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    for name, content in (("vmlinuz", KERNEL), ("initramfs.img", INITRD)):
        async with bench.client.get(f"/b/{token}/{name}", headers={"Range": "bytes=2-9"}) as response:
            assert (response.status, await response.read()) == (206, content[2:10])
    assert bench.record().state is RecordState.LOADING


async def test_a_head_request_tells_the_size(bench: Bench) -> None:
    async with bench.client.head("/snponly.efi") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "6")
        assert response.headers["Content-Type"] == "application/efi"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/snponly.efi", 200),
        ("/missing.efi", 404),
        ("/b/AAAA/vmlinuz", 403),
        ("/%2e%2e/images/1/amd64/vmlinuz", 403),
        ("/..%5cimages%5c1%5camd64%5cvmlinuz", 403),
        ("/snponly.efi%00", 403),
        ("/" + "x" * 2000, 403),
    ],
)
async def test_public_names(bench: Bench, path: str, status: int) -> None:
    from yarl import URL

    async with bench.client.get(URL(path, encoded=True)) as response:
        assert response.status == status


async def test_the_agent_gets_its_sequence_once_running_is_on_record(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    async with bench.client.get(f"/agent/{token}/sequence", params={"boot": BOOT_ID}) as response:
        policy = await response.json()
    assert (policy["computer"], policy["advertisement"], policy["sequence"]) == ("PC1", "Install Debian", "install")
    assert policy["document"]["steps"][0]["run"] == "true"
    assert (bench.record().state, bench.record().agent_boot) == (RecordState.RUNNING, BOOT_ID)


async def test_the_agent_gets_the_variables_of_its_computer(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    computer = bench.site.find_computer("PC1")
    assert computer is not None
    bench.site.set_variables(computer, {"Site": "Vienna"})
    bench.site.set_source(computer, "OLD1")
    async with bench.client.get(f"/agent/{await bench.token()}/sequence", params={"boot": BOOT_ID}) as response:
        policy = await response.json()
    assert policy["variables"] == {"Site": "Vienna", "PXED_SOURCE": "OLD1", "PXED_TRY": "1", "PXED_RECORD": "1"}


async def test_the_same_boot_may_ask_again_and_another_may_not(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    for boot, status in ((BOOT_ID, 200), (BOOT_ID, 200), ("99999999-other", 409), (BOOT_ID, 200)):
        assert (await bench.get(f"/agent/{token}/sequence?boot={boot}"))[0] == status


async def test_steps_and_the_end_are_recorded(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    await bench.get(f"/agent/{token}/sequence?boot={BOOT_ID}")
    assert await bench.report(token, state="step", number=1, step="hello", exit_code=0, message="") == 200
    assert await bench.report(token, state="succeeded", number=2) == 200
    assert bench.record().state is RecordState.SUCCEEDED
    texts = [event.text for event in bench.site.events("1", 100)]
    assert any("step 'hello' exit code 0" in text for text in texts)


async def test_a_repeated_end_is_harmless_and_a_contradiction_is_refused(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    await bench.get(f"/agent/{token}/sequence?boot={BOOT_ID}")
    assert [await bench.report(token, state="failed") for _ in range(3)] == [200, 200, 200]
    assert await bench.report(token, state="succeeded") == 409
    assert bench.record().state is RecordState.FAILED


async def test_a_cleared_record_ends_the_try(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    bench.site.delete_record(bench.record().id)
    assert (await bench.get(f"/agent/{token}/sequence?boot={BOOT_ID}"))[0] == 409
    assert await bench.report(token, state="succeeded") == 409


async def test_an_older_tries_token_is_refused(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    old = await bench.token()
    bench.clock.advance(3600)
    new = await bench.token()
    assert old != new
    assert (await bench.get(f"/agent/{old}/sequence?boot={BOOT_ID}"))[0] == 409
    assert (await bench.get(f"/agent/{new}/sequence?boot={BOOT_ID}"))[0] == 200


async def test_an_advertisement_disabled_meanwhile_is_not_run(bench: Bench) -> None:
    advertisement = advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    bench.site.set_enabled(advertisement.id, False)
    status, text = await bench.get(f"/agent/{token}/sequence?boot={BOOT_ID}")
    assert (status, "disabled" in text) == (409, True)
    assert bench.record().state is RecordState.LOADING


async def test_a_database_in_trouble_is_try_again(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    bench.writer.fault = "the database is locked"
    assert (await bench.get(f"/agent/{token}/sequence?boot={BOOT_ID}"))[0] == 503
    assert await bench.report(token, state="step") == 503


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'{"state": "done"}', b'{"state": "step", "boot": "x"}'])
async def test_a_report_that_is_none(bench: Bench, body: bytes) -> None:
    advertise(bench.site, Kind.MANDATORY)
    token = await bench.token()
    async with bench.client.post(f"/agent/{token}/status", data=body) as response:
        assert response.status == 400


async def test_a_huge_report_is_refused(bench: Bench) -> None:
    advertise(bench.site, Kind.MANDATORY)
    async with bench.client.post(f"/agent/{await bench.token()}/status", data=b"x" * 20_000) as response:
        assert response.status == 413


async def test_a_grant_that_has_ended_is_refused_everywhere(bench: Bench) -> None:
    ended = seal(Grant(1, 1, 1, Cpu.AMD64, int(bench.clock.unix()) - 1), KEY)
    for path in (f"/b/{ended}/vmlinuz", f"/agent/{ended}/sequence?boot={BOOT_ID}"):
        assert (await bench.get(path))[0] == 403


async def test_tries_end_and_the_record_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Config(responder=Responder(attempts=2)))
    add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    async with TestClient(TestServer(bench.app)) as client:
        bench.client = client
        for _ in range(2):
            assert "kernel" in await bench.script()
            bench.clock.advance(3600)
        script = await bench.script()
    assert "all 2 tries ended before it started" in script
    assert "kernel" not in script
