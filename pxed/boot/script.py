"""Boot scripts for iPXE, rendered from a fresh verdict.

iPXE splits a line at white space, expands `${...}` in every word, and takes the words `||`, `&&` and `;` and any word
that starts with `#` as its own (core/exec.c); a backslash at the end of a line continues it (image/script.c). So text
that people wrote goes through one of two filters: `shown` makes it harmless for the screen, `exact` passes it on
unchanged or refuses it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

import jinja2

from pxed.policy.verdict import Boot, Choice
from pxed.site.boot_image import ImageVariant

F12 = "0x197e"
"""iPXE's key code of F12, ESC [24~ (include/ipxe/keys.h; builds after v1.21.1 map it to their wider codes)."""

ASK_AGAIN_SECONDS = 5.0
"""A waiting computer asks so often; an approval takes effect within that time."""
_ASK_TRIES = 12
"""times that it asks a service point which does not answer: a minute and more, enough for a restart"""

_OWN_WORDS = {"||": "|", "&&": "&", ";": ","}
_SHOWN_BYTES = 120


class ScriptValueError(ValueError):
    """A value that cannot stand in a boot script as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Loading:
    """What the boot loader fetches once the choice is made, and what it tells the kernel."""

    title: str
    """what is booted, for the screen"""
    variant: ImageVariant
    base_url: str
    """URL of the files, without a slash at its end: http://192.0.2.1:8067/b/<token>"""
    parameters: tuple[str, ...]
    """kernel parameters besides those of the boot image"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an unknown computer shows while it waits for approval."""

    site: str
    """where it is, for people"""
    number: int
    """what `pxed computer approve` takes"""
    mac: str
    guid: str
    """"none" if it has none"""
    minutes: int
    """how long it will go on waiting"""
    url: str
    """where it asks again"""


@dataclass(frozen=True, slots=True)
class LoginUrl:
    """Where a password is sent: scheme and what follows the credentials."""

    scheme: str
    rest: str
    """192.0.2.1:8443/boot/..."""


def render_prompt(verdict: Boot, computer: str, urls: tuple[str, ...], prompt_seconds: float) -> str:
    """The F12 prompt of an optional verdict; behind it the one choice or a menu. `urls[i]` starts `choices[i]`."""
    items = [(_title(choice), url) for choice, url in zip(verdict.choices, urls, strict=True)]
    return _template("prompt").render(
        computer=computer,
        items=items,
        milliseconds=round(prompt_seconds * 1000),
        key=F12,
        seconds=f"{prompt_seconds:g}",
    )


def _title(choice: Choice) -> str:
    name = choice.advertisement.name
    return name if choice.lock is None else f"{name} (needs a password)"


def render_boot(loading: Loading, computer: str) -> str:
    """Fetches the boot image and starts it. ScriptValueError if its command line cannot be passed on."""
    return _template("boot").render(
        title=loading.title,
        computer=computer,
        variant=loading.variant,
        base_url=loading.base_url,
        parameters=" ".join(loading.parameters),
    )


def render_wait(wait: Waiting) -> str:
    """Says that the computer waits for approval, and asks again after a while; any key ends it.

    The script is replaced by the next one (`chain --replace`: iPXE frees the old image before it runs the new,
    script_exec in image/script.c and image_exec in core/image.c), so nothing grows however long it takes. A service
    point that does not answer is asked some times more.
    """
    return _template("wait").render(wait=wait, milliseconds=round(ASK_AGAIN_SECONDS * 1000), tries=_ASK_TRIES)


def render_login(url: LoginUrl | None, words: str = "", pause: float = 0.0) -> str:
    """Asks for user name and password with iPXE's own form, and sends them to `url`; before that it shows `words` for
    `pause` seconds, since the form takes the whole screen. Without `url` it only says them and goes on.

    They are sent as HTTP's Basic authentication, because no build of a distribution before 2026 has iPXE's `params`,
    and every one that speaks HTTPS has this: with user name and password in the URL iPXE answers the server's 401
    (net/tcp/httpbasic.c), shows neither on the screen (usr/imgmgmt.c) and sends neither in the request's own line.
    They are sent in hexadecimal digits: `:uristring` would leave `${...}` as it is, which iPXE then expands once more
    (core/settings.c expand_settings). Both are cleared by whatever comes next.
    """
    return _template("login").render(url=url, words=words, seconds=math.ceil(pause))


def render_opened(url: str) -> str:
    """The password was right: on to `url`."""
    return _template("opened").render(url=url)


def render_exit(reason: str) -> str:
    """On to the next boot device, with the reason on the screen.

    `exit 1` makes EFI's boot manager go on to the next entry (interface/efi/efiprefix.c); BIOS builds ignore the value.
    """
    return _template("exit").render(reason=reason)


def shown(value: object) -> str:
    """`value` as text for the screen that is nothing but text to iPXE: printable ASCII, no word with a meaning."""
    text = re.sub(r"[^\x20-\x7e]", "?", str(value))[:_SHOWN_BYTES].replace("${", "$ {")
    words = (_OWN_WORDS.get(word, word) for word in text.split(" "))
    return " ".join("'" + word if word.startswith("#") else word for word in words).rstrip("\\") or "-"


def exact(value: object) -> str:
    """`value` unchanged; ScriptValueError if iPXE would read anything in it but words."""
    text = str(value)
    if not re.fullmatch(r"[\x20-\x7e]*", text):
        raise ScriptValueError(f"{text!r} holds characters other than printable ASCII")
    if "${" in text:
        raise ScriptValueError(f"{text!r} holds '${{', which a boot loader would expand")
    for word in text.split():
        if word in _OWN_WORDS or word.startswith("#"):
            raise ScriptValueError(f"{text!r} holds the word {word!r}, which a boot loader would take as its own")
    if text.endswith("\\"):
        raise ScriptValueError(f"{text!r} ends with a backslash, which would continue its line")
    return text


_TEMPLATES = {
    "boot": """\
#!ipxe
echo pxed: {{ computer | shown }} boots {{ title | shown }}
kernel --name {{ variant.kernel.name | exact }} {{ base_url | exact }}/{{ variant.kernel.name | exact }}\
{% for initrd in variant.initrds %} initrd={{ initrd.name | exact }}{% endfor %}\
 {{ variant.command_line | exact }} {{ parameters | exact }} || goto failed
{% for initrd in variant.initrds -%}
initrd --name {{ initrd.name | exact }} {{ base_url | exact }}/{{ initrd.name | exact }} || goto failed
{% endfor -%}
boot ||
:failed
echo pxed: the boot image did not start, on to the next boot device
sleep 3
exit 1
""",
    "prompt": """\
#!ipxe
echo pxed: {{ computer | shown }}
prompt --key {{ key }} --timeout {{ milliseconds }} pxed: press F12 within {{ seconds }} s to boot \
{{ items[0][0] | shown if items | length == 1 else "from the network" }} && goto chosen || goto local
:chosen
{% if items | length == 1 -%}
chain --replace {{ items[0][1] | exact }} || goto local
{% else -%}
menu pxed: {{ computer | shown }}
{% for title, url in items -%}
item {{ url | exact }} {{ title | shown }}
{% endfor -%}
item --gap --
item local Start from the local disk
choose target || goto local
iseq ${target} local && goto local || chain --replace ${target} || goto local
{% endif -%}
:local
echo pxed: on to the next boot device
exit 1
""",
    "wait": """\
#!ipxe
echo
echo pxed: this computer is not known at {{ wait.site | shown }} and waits for approval
echo pxed: its MAC address is {{ wait.mac | shown }}, its GUID {{ wait.guid | shown }}
echo pxed: tell the administrator its ID: {{ wait.number }}
{% for _ in range(tries) -%}
prompt --timeout {{ milliseconds }} pxed: goes on when approved, {{ wait.minutes }} min left, any key: on to the next \
boot device && goto local ||
chain --replace {{ wait.url | exact }} ||
{% endfor -%}
echo pxed: the service point does not answer any more
:local
echo pxed: on to the next boot device
exit 1
""",
    "login": """\
#!ipxe
clear username ||
clear password ||
{% if words -%}
echo pxed: {{ words | shown }}
sleep {{ seconds }}
{% endif -%}
{% if url -%}
login || goto local
chain --replace {{ url.scheme | exact }}://${username:hexraw}:${password:hexraw}@{{ url.rest | exact }} ||
clear username ||
clear password ||
echo pxed: the password could not be sent, for the reason above
sleep 10
{% endif -%}
:local
echo pxed: on to the next boot device
exit 1
""",
    "opened": """\
#!ipxe
clear username ||
clear password ||
chain --replace {{ url | exact }} ||
echo pxed: the service point does not answer any more
sleep 10
exit 1
""",
    "exit": """\
#!ipxe
echo pxed: {{ reason | shown }}
exit 1
""",
}


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 - no HTML: every value goes through `shown` or `exact`
        loader=jinja2.DictLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(shown=shown, exact=exact)
    return environment.get_template(name)
