"""The machine's own package sources, read so that the same mirrors can be asked for another release.

Formats: sources.list(5), one line a source and deb822.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_KEPT = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}
"""options of a source that say how it is verified, by their names in one-line form"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where binary packages come from, and how what comes is verified."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    """field and value in deb822 form; a value may have several lines, as a key in the field Signed-By has"""

    def for_suite(self, suite: str) -> str:
        """A deb822 stanza that asks the same place for `suite`."""
        fields = [("Types", "deb"), ("URIs", " ".join(self.uris)), ("Suites", suite)]
        fields += [("Components", " ".join(self.components)), *self.options]
        return "".join(f"{name}: {value}\n" for name, value in fields)


def read_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """All enabled sources of binary packages, in apt's order of files."""
    sources: list[Source] = []
    parts = sorted((apt / "sources.list.d").glob("*")) if (apt / "sources.list.d").is_dir() else []
    for path in [apt / "sources.list", *parts]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".list":
            sources += parse_lines(text)
        elif path.suffix == ".sources":
            sources += parse_stanzas(text)
    return sources


def parse_lines(text: str) -> Iterator[Source]:
    """The sources of a `.list` file: `deb [option=value ...] uri suite component ...`."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?([^#]+)", line)
        if match is None:
            continue
        words = match[2].split()
        if len(words) < 3:  # an exact path in place of a suite: no release to replace
            continue
        options = (word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
        yield Source((words[0],), (words[1],), tuple(words[2:]), _kept(options))


def parse_stanzas(text: str) -> Iterator[Source]:
    """The sources of a `.sources` file: stanzas of `Field: value`, continued on lines that begin with a blank."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        found = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        fields = {name.lower(): value for name, value in found}
        uris, suites, components = (tuple(fields.get(name, "").split()) for name in ("uris", "suites", "components"))
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0", "off"}
        if enabled and "deb" in fields.get("types", "").split() and uris and suites and components:
            yield Source(uris, suites, components, _kept(fields.items()))


def _kept(options: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    pairs = ((name.lower(), value) for name, value in options)
    return tuple((_KEPT[name], value) for name, value in pairs if name in _KEPT)
