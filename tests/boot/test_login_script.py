"""The scripts around a password, carried out as iPXE would."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pxed.boot.script import LoginUrl, render_login, render_opened
from pxed.web.credentials import credentials
from tests.boot.ipxe import Loader, Url

URL = LoginUrl("https", "192.0.2.1:8443/boot/ticket/3/login.ipxe")
typed = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(username=typed, password=typed)
@example(username="", password="")
@example(username="jane", password=" a&b=c%20 d+e#f?g/h:i@j\\${username}\"'`||")
@example(username="Zoë", password="пароль 密码 🔑")
def test_any_password_arrives_as_it_was_typed(username: str, password: str) -> None:
    loader = Loader((username, password))
    loader.run(render_login(URL))
    (url,) = loader.chained
    assert (url.scheme, url.host, url.path) == ("https", "192.0.2.1:8443", "/boot/ticket/3/login.ipxe")
    assert credentials(url.authorization) == (username, password)


def test_nothing_is_left_in_the_loaders_settings_whatever_comes() -> None:
    unreachable = Loader(("jane", "secret"))
    unreachable.run(render_login(URL))
    assert unreachable.said == [
        "pxed: the password could not be sent, for the reason above",
        "pxed: on to the next boot device",
    ]
    assert not unreachable.settings
    for answer in (render_opened("http://192.0.2.1/x"), render_login(None, "locked")):
        reached = Loader(("jane", "secret"), fetch=lambda url, answer=answer: answer if url.user else None)  # type: ignore[misc]
        reached.run(render_login(URL))
        assert not reached.settings


def test_escape_goes_on_to_the_next_boot_device() -> None:
    loader = Loader(None)
    loader.run(render_login(URL))
    assert not loader.chained
    assert loader.said == ["pxed: on to the next boot device"]


def test_a_wrong_one_is_said_to_be_wrong_before_the_form_comes_again() -> None:
    script = render_login(URL, "wrong user name or password; the next try is in 4 s", 3.2)
    assert "sleep 4\n" in script
    loader = Loader(("jane", "secret"))
    loader.run(script)
    assert loader.said[0] == "pxed: wrong user name or password; the next try is in 4 s"
    assert len(loader.chained) == 1


@pytest.mark.parametrize("words", ["nobody ${password} || goto x", "a\nb", "#x"])
def test_words_are_nothing_but_words(words: str) -> None:
    loader = Loader(None, settings={"password": "secret"})
    loader.run(render_login(None, words, 1))
    assert len(loader.said) == 2
    assert "secret" not in loader.said[0]


def test_the_interpreter_takes_urls_apart_as_ipxe_does() -> None:
    assert Url.parsed("https://:%40pw@h:1/p?q#f") == Url("https", b"", b"@pw", "h:1", "/p")
