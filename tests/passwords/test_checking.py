"""An attempt at a lock: what is answered, what is written down, and what never is."""

import asyncio
from collections.abc import Iterator

import pytest

from pxed.config import PasswordConfig
from pxed.passwords import checking
from pxed.passwords.checking import Answer, Attempt, Checker, Outcome
from pxed.passwords.hashing import Argon2Cost, hashed, is_aged
from pxed.policy.verdict import Lock
from pxed.site.event import EventKind
from pxed.site.model import PasswordScope
from tests.site_in_memory import MemorySite
from tests.support import MAC, NOW, Clock, DirectWriter

SITE = PasswordScope.SITE, 0
LOCK = Lock(*SITE, ("", "bob"))
CHEAP = Argon2Cost(memory=8, passes=1)


class Bench:
    """A checker on a site where bob has a password, and people share another."""

    def __init__(self) -> None:
        self.site = MemorySite("jane", NOW)
        self.clock = Clock()
        self.settings = PasswordConfig(attempts=3, interface_attempts=5, lock_minutes=10)
        self.checker = Checker(
            self.site, DirectWriter(self.site), self.settings, self.clock, self.clock.unix, cost=CHEAP
        )
        self.site.put_password(*SITE, "", hashed("sesame", CHEAP))
        self.site.put_password(*SITE, "bob", hashed("builder", CHEAP))

    async def tries(self, username: str, password: str, mac: str = MAC) -> Answer:
        return await self.checker.check(LOCK, Attempt(mac, "eth0", "1", "Install", username, password))

    def told(self) -> list[str]:
        return [event.text for event in self.site.events("1", 100, [EventKind.PASSWORD])]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.checker.close()


@pytest.mark.parametrize(
    ("username", "password", "outcome", "told"),
    [
        ("bob", "builder", Outcome.RIGHT, "right password of bob"),
        ("bob", "sesame", Outcome.WRONG, "wrong password of bob"),
        ("", "sesame", Outcome.RIGHT, "right password (shared)"),
        ("anybody", "sesame", Outcome.RIGHT, "right password (shared)"),
        ("anybody", "builder", Outcome.WRONG, "wrong password (shared)"),
    ],
)
async def test_a_person_has_his_own_and_everybody_else_the_shared_one(
    bench: Bench, username: str, password: str, outcome: Outcome, told: str
) -> None:
    assert (await bench.tries(username, password)).outcome is outcome
    assert bench.told() == [f"'Install': {told}"]


async def test_without_a_shared_one_it_is_for_people_alone(bench: Bench) -> None:
    bench.site.remove_password(*SITE, "")
    assert (await bench.tries("mallory", "sesame")).outcome is Outcome.WRONG
    assert bench.told() == ["'Install': wrong password, by nobody who has one"]


async def test_nothing_of_what_was_typed_is_written_down(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await bench.tries("hunter2 in the wrong line", "correct horse")
    everything = caplog.text + str(bench.site.events(None, 100))
    assert "hunter2" not in everything
    assert "correct horse" not in everything
    assert "wrong password" in everything


async def test_wrong_ones_wait_and_then_lock_the_computer(bench: Bench) -> None:
    assert await bench.tries("bob", "1") == Answer(Outcome.WRONG, 1.0)
    assert (await bench.tries("bob", "builder")).outcome is Outcome.TOO_SOON
    bench.clock.advance(1)
    assert (await bench.tries("bob", "2")).outcome is Outcome.WRONG
    bench.clock.advance(2)
    assert await bench.tries("bob", "3") == Answer(Outcome.LOCKED, 600.0)
    bench.clock.advance(599)
    assert (await bench.tries("bob", "builder")).outcome is Outcome.TOO_SOON
    assert bench.told()[-1] == "'Install': locked: 3 wrong passwords at this computer"
    bench.clock.advance(1)
    assert (await bench.tries("bob", "builder")).outcome is Outcome.RIGHT


async def test_many_computers_lock_their_interface(bench: Bench) -> None:
    for number in range(5):
        answer = await bench.tries("", "x", f"52:54:00:00:00:{number:02x}")
    assert answer.outcome is Outcome.LOCKED
    assert (await bench.tries("bob", "builder", "52:54:00:00:00:99")).outcome is Outcome.TOO_SOON
    assert bench.told()[-1] == "'Install': locked: 5 wrong passwords on eth0"


async def test_guesses_at_the_same_time_are_no_more_than_the_limit(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.tries("bob", str(number)) for number in range(20)))
    assert sum(answer.outcome is not Outcome.TOO_SOON for answer in answers) == 1


async def test_too_many_at_once_are_sent_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_WAITING", 0)
    monkeypatch.setattr(checking, "_AT_ONCE", 1)
    macs = [f"52:54:00:00:01:{number:02x}" for number in range(3)]
    answers = await asyncio.gather(*(bench.tries("bob", "builder", mac) for mac in macs))
    assert [answer.outcome for answer in answers] == [Outcome.RIGHT, Outcome.BUSY, Outcome.BUSY]


async def test_a_hash_whose_parameters_aged_is_made_anew(bench: Bench) -> None:
    bench.site.put_password(*SITE, "bob", hashed("builder", Argon2Cost(memory=16, passes=1)))
    assert (await bench.tries("bob", "builder")).outcome is Outcome.RIGHT
    assert not is_aged(bench.site.password_hashes(*SITE)["bob"], CHEAP)
    assert (await bench.tries("bob", "builder")).outcome is Outcome.RIGHT
