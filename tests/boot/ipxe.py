"""As much of iPXE as boot scripts need: lines into words, settings into words, labels, `||` and `&&`, `login`, `chain`.

By its source: words are split before settings are put in (core/exec.c), what was put in is looked through for
settings again (core/settings.c expand_settings), a URL is taken apart in the order of core/uri.c parse_uri, and a
server's 401 is answered with Basic authentication from the URL (net/tcp/httpbasic.c).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes


@dataclass
class Loader:
    """One that carries a script out; what a person types is `keys`, what comes of a URL is `fetch`'s."""

    keys: tuple[str, str] | None
    """user name and password; None: Escape"""
    settings: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    chained: list[Url] = field(default_factory=list)
    loaded: list[list[str]] = field(default_factory=list)
    """the words behind `kernel` and `initrd`"""
    fetch: Callable[[Url], str | None] = lambda _: None
    """the script at a URL; None if it cannot be had"""

    def run(self, script: str) -> None:
        """From the first line to the last, or to the script that takes its place."""
        lines = script.splitlines()
        assert lines[0] == "#!ipxe"
        at = 1
        while at < len(lines):
            jump = self._line(lines[at])
            if jump is None:
                at += 1
            elif jump in {"exit", "chain"}:
                return
            else:
                at = lines.index(f":{jump}")

    def _line(self, line: str) -> str | None:
        """Where to go on: a label, `exit`, `chain`, or None for the next line."""
        words = line.split()
        if not words or words[0].startswith(":"):
            return None
        commands: list[tuple[str, list[str]]] = [("", [])]
        for word in words:
            if word in {"||", "&&"}:
                commands.append((word, []))
            else:
                commands[-1][1].append(word)
        succeeded = True
        for operator, command in commands:
            if not command or (operator == "||" and succeeded) or (operator == "&&" and not succeeded):
                continue
            succeeded, jump = self._command([self._expanded(word) for word in command])
            if jump is not None:
                return jump
        assert succeeded or words[-1] == "||", f"the script would stop at: {line}"
        return None

    def _command(self, words: list[str]) -> tuple[bool, str | None]:
        match words:
            case ["echo", *text]:
                self.said.append(" ".join(text))
            case ["goto", label]:
                return True, label
            case ["exit", *_]:
                return True, "exit"
            case ["prompt", *_]:
                return True, None  # F12 is pressed
            case ["kernel" | "initrd", *words]:
                self.loaded.append(words)
            case ["boot"]:
                return True, "exit"
            case ["clear", name]:
                self.settings.pop(name, None)
            case ["sleep", _]:
                pass
            case ["login"]:
                if self.keys is None:
                    return False, None
                self.settings["username"], self.settings["password"] = self.keys
            case ["chain", "--replace", url]:
                return self._chain(url)
            case _:
                raise AssertionError(f"not a command of these scripts: {words}")
        return True, None

    def _chain(self, text: str) -> tuple[bool, str | None]:
        url = Url.parsed(text)
        self.chained.append(url)
        script = self.fetch(url)
        if script is None:
            return False, None
        self.run(script)
        return True, "chain"

    def _expanded(self, word: str) -> str:
        while match := re.search(r"\$\{([^${}]*)\}", word):
            name, _, kind = match[1].partition(":")
            value = self.settings.get(name, "")
            word = word[: match.start()] + (value.encode().hex() if kind == "hexraw" else value) + word[match.end() :]
        return word


@dataclass(frozen=True)
class Url:
    """As `parse_uri` takes it apart."""

    scheme: str
    user: bytes | None
    password: bytes
    host: str
    path: str

    @classmethod
    def parsed(cls, text: str) -> Url:
        raw = text.partition("#")[0]
        scheme, _, rest = raw.partition("://")
        rest = rest.partition("?")[0]
        authority, _, path = rest.partition("/")
        user: bytes | None = None
        password = b""
        if "@" in authority:
            credentials, _, authority = authority.partition("@")
            name, _, secret = credentials.partition(":")
            user, password = unquote_to_bytes(name), unquote_to_bytes(secret)
        return cls(scheme, user, password, authority, f"/{path}")

    @property
    def authorization(self) -> str:
        """What answers a 401."""
        assert self.user is not None
        return "Basic " + base64.b64encode(self.user + b":" + self.password).decode()
