"""Edits in words: what a line of history or an import's preview says of a computer that was added or changed."""

from __future__ import annotations

import uuid

from pxed.site.model import Computer


def describe_computer(macs: tuple[str, ...], guid: uuid.UUID | None) -> str:
    """'52:54:00:12:34:56, 55555555-...': all identifiers."""
    return ", ".join((*macs, str(guid)) if guid else macs)


def describe_change(before: Computer, name: str, macs: tuple[str, ...], guid: uuid.UUID | None) -> str:
    """What is different from `before`, in words; empty if nothing is."""
    parts = []
    if name != before.name:
        parts.append(f"name {before.name} -> {name}")
    if guid != before.guid:
        parts.append(f"GUID {before.guid or 'none'} -> {guid or 'none'}")
    parts.extend(f"MAC {mac} added" for mac in macs if mac not in before.macs)
    parts.extend(f"MAC {mac} removed" for mac in before.macs if mac not in macs)
    return "; ".join(parts)
