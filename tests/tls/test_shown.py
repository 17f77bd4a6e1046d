"""What is said of a certificate, by a given clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pxed.errors import NotFound
from pxed.tls.identity import Identity
from pxed.tls.keeping import save
from pxed.tls.shown import Shown, Source, days_left, examine, expiring, shown
from tests.tls.conftest import DAY, NOW, Issued, issue

SECOND = timedelta(seconds=1)


@pytest.fixture
def one(own: Identity, tmp_path: Path) -> Shown:
    """Our own certificate, on disk."""
    save(tmp_path / "tls", own, replace=False)
    return shown(tmp_path)


def texts(one: Shown, now: datetime) -> list[str]:
    return [trouble.text for trouble in expiring(one, now)]


@pytest.mark.parametrize(("before_the_end", "days"), [(DAY, 1), (DAY - SECOND, 0), (-SECOND, -1), (30 * DAY, 30)])
def test_days_are_whole(own: Identity, before_the_end: timedelta, days: int) -> None:
    assert days_left(own.certificate, own.certificate.not_valid_after_utc - before_the_end) == days


def test_thirty_days_before_nothing_is_said_and_then_it_is(one: Shown) -> None:
    end = one.chain[0].not_valid_after_utc
    assert texts(one, end - 30 * DAY) == []
    assert texts(one, end - 30 * DAY + SECOND) == [
        f"the certificate of CN=boot.example.org expires in 29 days, on {end:%Y-%m-%d}; pxed cert renew makes a new one"
    ]
    assert "expires in 1 day," in texts(one, end - DAY)[0]
    assert [trouble.fatal for trouble in expiring(one, end)] == [False]


def test_expired(one: Shown) -> None:
    [trouble] = expiring(one, one.chain[0].not_valid_after_utc + SECOND)
    assert "expired on" in trouble.text
    assert trouble.fatal


def test_an_authority_near_its_end_needs_another_remedy(one: Shown) -> None:
    said = texts(one, one.chain[1].not_valid_after_utc - DAY)
    assert len(said) == 2
    assert "init --replace" in said[1]


def test_an_imported_one_is_imported_anew(server: Issued, tmp_path: Path) -> None:
    save(tmp_path / "tls", Identity(server.key, (server.certificate,)), replace=False)
    one = shown(tmp_path)
    assert one.source is Source.IMPORTED
    assert "pxed cert import --replace" in texts(one, NOW + 80 * DAY)[0]


def test_one_that_the_configuration_names(server: Issued, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.pem"
    file.write_bytes(server.pem)
    one = shown(tmp_path, (file, file))
    assert one.source is Source.CONFIGURED
    assert one.chain == (server.certificate,)
    assert "the configuration names the file" in texts(one, NOW + 80 * DAY)[0]


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="pxed cert init makes one"):
        shown(tmp_path)


def test_addresses_that_it_does_not_name(one: Shown) -> None:
    assert list(examine(one, [IPv4Address("10.0.0.1"), IPv4Address("192.168.7.1")], NOW)) == []
    [trouble] = examine(one, [IPv4Address("10.0.0.1"), IPv4Address("10.9.9.9")], NOW)
    assert "does not name 10.9.9.9," in trouble.text
    assert not trouble.fatal


def test_keys_that_boot_loaders_do_not_know(tmp_path: Path) -> None:
    curve = issue("curve", curve=True)
    save(tmp_path / "tls", Identity(curve.key, (curve.certificate,)), replace=False)
    [trouble] = examine(shown(tmp_path), [], NOW)
    assert "CN=curve is EC secp256r1, which iPXE" in trouble.text


@pytest.mark.parametrize("name", ["server.key", "ca.key"])
def test_a_key_that_others_can_read(one: Shown, tmp_path: Path, name: str) -> None:
    (tmp_path / "tls" / name).chmod(0o640)
    [trouble] = examine(one, [], NOW)
    assert f"chmod 600 {tmp_path}/tls/{name}" in trouble.text
    assert trouble.fatal
