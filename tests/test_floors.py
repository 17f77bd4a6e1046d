"""The house: imports go down the floors only, and sideways only where this table (docs/architecture.md) says so."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pxed"

FLOOR = {
    4: ("cli", "service", "point", "listeners", "statedir", "privileges", "notify", "logs", "lab", "image", "__main__"),
    3: (
        "responder",
        "tftp",
        "web",
        "verdicts",
        "identities",
        "verdict_log",
        "records",
        "transfers",
        "content",
        "loaders",
        "passwords",
        "tls",
        "datagrams",
        "interfaces",
        "ports",
        "waking",
        "wakeups",
    ),
    2: ("policy", "boot", "tftp.negotiation", "tftp.session", "tftp.waits", "tftp.lessons", "sequence"),
    1: ("wire", "site", "config", "config_schema", "mmsg", "bucket", "tftp.fields", "tftp._acks"),
    0: ("errors", "files"),
}
SIDEWAYS = {
    ("boot", "policy"),  # an offer and a script show a verdict
    *((("cli", room)) for room in ("service", "lab", "image", "logs", "statedir", "privileges")),
    *(("service", room) for room in ("point", "listeners", "statedir", "privileges", "notify", "logs", "image")),
    ("lab", "image"),
    ("__main__", "cli"),
    *(("responder", room) for room in ("verdicts", "verdict_log", "datagrams", "interfaces", "ports")),
    *(("web", room) for room in ("verdicts", "records", "transfers", "content", "passwords")),
    ("waking", "interfaces"),
    *(("wakeups", room) for room in ("interfaces", "waking")),
    ("tftp", "content"),
    ("tftp.fields", "tftp._acks"),
    *(("tftp.session", room) for room in ("tftp.negotiation", "tftp.waits")),
    *(("tftp.lessons", room) for room in ("tftp.negotiation", "tftp.session")),
    *(("verdicts", room) for room in ("verdict_log", "records", "identities")),
    ("verdict_log", "records"),
    ("transfers", "records"),
    ("transfers", "tftp"),  # the form of a worker's report
    ("config", "config_schema"),
    ("config", "site"),
    ("site", "wire"),  # what the numbers of option 93 are called
    ("config_schema", "config"),
}
STANDARD_LIBRARY_ONLY = ("wire", "sequence", "agent")


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )


def room_of(module: str) -> str:
    """The most exact entry of the table for `pxed.<...>`."""
    inner = module.removeprefix("pxed.")
    rooms = [room for floor in FLOOR.values() for room in floor]
    fitting = [room for room in rooms if inner == room or inner.startswith(room + ".")]
    return max(fitting, key=len, default=inner.split(".", maxsplit=1)[0])


def floor_of(room: str) -> int:
    return next(floor for floor, rooms in FLOOR.items() if room in rooms)


def imports_of(module: str) -> set[str]:
    path = ROOT / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            candidates = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name for name in candidates if name in MODULES)
    return found


MODULES = modules()


@pytest.mark.parametrize("module", [name for name in MODULES if name != "pxed"])
def test_imports_go_down(module: str) -> None:
    room = room_of(module)
    for imported in imports_of(module):
        if not imported.startswith("pxed."):
            continue
        target = room_of(imported)
        if target == room:
            continue
        if room == "agent":
            assert target == "sequence", f"the agent shares only sequence/ with the server, not {imported}"
            continue
        if target == "agent":
            assert room in {"image", "lab"}, f"{imported} belongs into the boot image"
            continue
        down = floor_of(target) < floor_of(room)
        assert down or (room, target) in SIDEWAYS, f"{module} (floor {floor_of(room)}) imports {imported}"


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) in STANDARD_LIBRARY_ONLY])
def test_rooms_that_need_the_standard_library_alone(module: str) -> None:
    import sys

    allowed = sys.stdlib_module_names | {"pxed", "__future__"}
    assert {name.split(".")[0] for name in imports_of(module)} <= allowed


def test_the_mind_has_no_clock_socket_or_logger() -> None:
    forbidden = {"socket", "time", "logging", "asyncio", "sqlalchemy", "sqlite3", "random", "select", "threading"}
    for module in MODULES:
        if module != "pxed" and room_of(module) in FLOOR[2]:
            assert not imports_of(module) & forbidden, module
