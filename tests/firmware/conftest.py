"""A lab for each test, with the boot image in it; a test that fails shows everything that the lab said."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pxed.image.build import COMMAND_LINE, INITRD, KERNEL
from pxed.lab.loaders import Loaders
from pxed.lab.opening import opened
from pxed.lab.scenario import IMAGE, Scenario
from tests.conftest import CACHE


@pytest.fixture
def logs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where the lab's logs end up; they become sections of the report."""
    directory = tmp_path / "logs"
    yield directory
    for path in sorted(directory.glob("*.log")):
        request.node.add_report_section("teardown", path.name, path.read_text(errors="replace"))
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def settings() -> str:
    """Further tables of the service point's configuration; a test that needs some is parametrized with them."""
    return ""


@pytest_asyncio.fixture
async def scenario(loaders: Loaders, boot_image: Path, logs: Path, settings: str) -> AsyncIterator[Scenario]:
    """A lab that is up."""

    def tell(at: float | None, who: str, what: str) -> None:
        print(f"{at if at is not None else 0.0:8.2f}  {who}: {what}")

    async with opened("test", loaders, tell, logs, settings) as lab:
        scenario = Scenario(lab, CACHE)
        files = [
            "--kernel",
            str(boot_image / KERNEL),
            "--initrd",
            str(boot_image / INITRD),
            "--command-line",
            COMMAND_LINE,
        ]
        await lab.point.pxed("bootimage", "add", IMAGE, "--arch", "amd64", *files)
        await scenario.add_sequence()
        yield scenario
