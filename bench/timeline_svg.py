"""Where the seconds of a boot go, as a picture: a row for each server, a piece for each phase, as an SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_PHASES = (
    ("switched on", "firmware", "#9aa5b1"),
    ("SeaBIOS", "firmware", "#9aa5b1"),
    ("OVMF starts its PXE", "PXE client of the firmware", "#4f81bd"),
    ("OVMF loads", "the loader's file by TFTP", "#c0504d"),
    ("iPXE starts", "boot loader: its pause for a key, DHCP", "#e3a13c"),
    ("has the address", "boot loader: file name, script", "#9bbb59"),
    ("iPXE got no offer", "on to the disk", "#8064a2"),
    ("OVMF got no offer", "on to the disk", "#8064a2"),
    ("OVMF is told", "on to the disk", "#8064a2"),
    ("nothing to do", "on to the disk", "#8064a2"),
)
"""how an event begins; the name and the colour of what follows it"""
_WIDTH, _LEFT, _ROW, _BAR = 960, 210, 24, 16


@dataclass(frozen=True)
class Row:
    """One boot: the events with their seconds since power-on, the last one its end."""

    group: str
    """rows of one group share a scale"""
    server: str
    events: Sequence[tuple[float, str]]


def draw(rows: Sequence[Row]) -> str:
    """The picture. Rows of one group stand together, in the order given."""
    body, y = [], 16
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        scale = (_WIDTH - _LEFT - 60) / max(row.events[-1][0] for row in members)
        body.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(group)}</text>')
        y += 20
        for row in members:
            body += _bar(row, y, scale)
            y += _ROW
        y += 14
    for label, colour in dict.fromkeys((label, colour) for _, label, colour in _PHASES):
        body.append(f'<rect x="{_LEFT}" y="{y}" width="12" height="12" fill="{colour}"/>')
        body.append(f'<text x="{_LEFT + 18}" y="{y + 10}">{escape(label)}</text>')
        y += 18
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 8}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="12">', '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>\n"])


def _bar(row: Row, y: int, scale: float) -> Iterator[str]:
    yield f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(row.server)}</text>'
    label, colour = _PHASES[0][1:]
    begin = 0.0
    for at, event in row.events:
        if (end := max(at, begin)) > begin:
            place = f'x="{_LEFT + begin * scale:.1f}" y="{y}" width="{(end - begin) * scale:.1f}" height="{_BAR}"'
            yield f'<rect {place} fill="{colour}"><title>{label}: {end - begin:.1f} s</title></rect>'
        found = next(((name, fill) for start, name, fill in _PHASES if event.startswith(start)), None)
        begin, (label, colour) = end, found or (label, colour)
    yield f'<text x="{_LEFT + begin * scale + 6:.1f}" y="{y + 12}">{begin:.1f} s</text>'
