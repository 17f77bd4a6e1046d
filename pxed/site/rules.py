"""Rules of collections: how they are written, and whom they hold.

`Rules` answers for all collections at once, and by looking up rather than by trying: a GUID or a MAC prefix costs a
look into a dict however many rules there are, and of the name patterns only those whose first letters fit are tried
(or the last ones of those that begin with a wildcard).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase, translate

from pxed.errors import UsageError
from pxed.site.identifiers import parse_guid, swap_guid
from pxed.site.model import CollectionRule, Computer, RuleKind
from pxed.site.names import MAX_NAME, check_printable
from pxed.wire.architecture import LOADER_KEYS

_MAC_PREFIX = re.compile(r"[0-9a-f]{2}(?:[-:.]?[0-9a-f]{2}){0,5}")
_SPECIAL = re.compile(r"[*?\[\]]")
_NOBODY: frozenset[int] = frozenset()


def make_rule(kind: RuleKind, text: str) -> CollectionRule:
    """The rule that a person means by `text`, in the one form in which it is kept; UsageError says what is wrong."""
    match kind:
        case RuleKind.NAME:
            return CollectionRule(kind, _name_pattern(text))
        case RuleKind.MAC:
            return CollectionRule(kind, _mac_prefix(text))
        case RuleKind.ARCHITECTURE:
            known = sorted(set(LOADER_KEYS.values()))
            if text not in known:
                raise UsageError(f"there is no firmware {text!r}; there are {', '.join(known)}")
            return CollectionRule(kind, text)
        case RuleKind.GUID:
            try:
                return CollectionRule(kind, str(parse_guid(text)))
            except ValueError as error:
                raise UsageError(str(error)) from None


def _name_pattern(text: str) -> str:
    check_printable(text, "the pattern")
    if not text or text != text.strip() or len(text) > MAX_NAME:
        raise UsageError(f"{text[:20]!r} is no pattern for names: 1 to {MAX_NAME} characters, no space around them")
    return text


def _mac_prefix(text: str) -> str:
    lowered = text.strip().lower()
    if not _MAC_PREFIX.fullmatch(lowered):
        raise UsageError(f"{text.strip()!r} is not the beginning of a MAC address in whole bytes, such as 52:54:00")
    return bytes.fromhex(re.sub(r"[^0-9a-f]", "", lowered)).hex(":")


def fits(rule: CollectionRule, computer: Computer, firmware: str) -> bool:
    """Whether `rule` holds `computer`, which asks with `firmware` (a key of `[loaders]`, empty if never heard)."""
    match rule.kind:
        case RuleKind.NAME:
            return fnmatchcase(computer.name, rule.value)
        case RuleKind.MAC:
            return any(mac.startswith(rule.value) for mac in computer.macs)
        case RuleKind.ARCHITECTURE:
            return firmware == rule.value
        case RuleKind.GUID:
            guid = uuid.UUID(rule.value)
            return computer.guid in {guid, swap_guid(guid)}


class Rules:
    """The rules of some collections, compiled."""

    def __init__(self, rules: Mapping[int, Iterable[CollectionRule]]) -> None:
        """`rules` by the id of their collection."""
        self._by_head: dict[str, list[tuple[Callable[[str], object], int]]] = {}
        self._by_tail: dict[str, list[tuple[Callable[[str], object], int]]] = {}
        self._macs: dict[str, set[int]] = {}
        self._firmware: dict[str, set[int]] = {}
        self._guids: dict[uuid.UUID, set[int]] = {}
        for collection_id, own in rules.items():
            for rule in own:
                self._add(rule, collection_id)
        self._heads = sorted({len(head) for head in self._by_head})
        self._tails = sorted({len(tail) for tail in self._by_tail})
        self._prefixes = sorted({len(prefix) for prefix in self._macs})

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_head or self._by_tail or self._macs or self._firmware or self._guids)

    @property
    def look_at_macs(self) -> bool:
        """Whether one of them asks for MAC addresses."""
        return bool(self._macs)

    @property
    def look_at_guids(self) -> bool:
        """Whether one of them asks for a GUID."""
        return bool(self._guids)

    @property
    def look_beyond_names(self) -> bool:
        """Whether one of them asks for anything but names."""
        return bool(self._macs or self._firmware or self._guids)

    def holding(self, computer: Computer, firmware: str) -> frozenset[int]:
        """The ids of all collections one of whose rules `computer` fits; `firmware` as in `fits`."""
        return self.holding_one(computer.name, computer.macs, computer.guid, firmware)

    def holding_one(self, name: str, macs: Sequence[str], guid: uuid.UUID | None, firmware: str) -> frozenset[int]:
        """The same of a computer of which so much is known."""
        found: set[int] = set()
        for length in self._heads:
            for fitting, collection_id in self._by_head.get(name[:length], ()):
                if fitting(name):
                    found.add(collection_id)
        for length in self._tails:
            for fitting, collection_id in self._by_tail.get(name[-length:], ()):
                if fitting(name):
                    found.add(collection_id)
        for length in self._prefixes:
            for mac in macs:
                found.update(self._macs.get(mac[:length], ()))
        if firmware in self._firmware:
            found |= self._firmware[firmware]
        if guid in self._guids:
            found |= self._guids[guid]
        return frozenset(found) if found else _NOBODY

    def _add(self, rule: CollectionRule, collection_id: int) -> None:
        match rule.kind:
            case RuleKind.NAME:
                pattern = re.compile(translate(rule.value)).match
                literals = _SPECIAL.split(rule.value)
                head, tail = literals[0], literals[-1]
                index, key = (self._by_tail, tail) if tail and not head else (self._by_head, head)
                index.setdefault(key, []).append((pattern, collection_id))
            case RuleKind.MAC:
                self._macs.setdefault(rule.value, set()).add(collection_id)
            case RuleKind.ARCHITECTURE:
                self._firmware.setdefault(rule.value, set()).add(collection_id)
            case RuleKind.GUID:
                guid = uuid.UUID(rule.value)
                for order in (guid, swap_guid(guid)):
                    self._guids.setdefault(order, set()).add(collection_id)
