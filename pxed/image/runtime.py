"""The Python that the agent runs on: interpreter, its libraries, and the standard library as byte code.

Byte code is made by that same interpreter, on this machine, so that it fits exactly; a machine that boots does not
spend its first seconds on compiling. It is "unchecked" (PEP 552): no sources are beside it, and no dates to compare.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pxed.errors import Unavailable
from pxed.image import elf
from pxed.image.initramfs import Tree

LEFT_OUT = frozenset(
    {
        # tests, examples, documentation, editors, packaging
        *("test", "unittest", "doctest.py", "idlelib", "lib2to3", "pydoc_data", "pydoc.py", "turtledemo", "turtle.py"),
        *("ensurepip", "venv", "distutils", "__phello__", "antigravity.py", "this.py", "__pycache__"),
        # what needs libraries that the image lacks
        *("tkinter", "curses", "sqlite3", "dbm", "ctypes"),
        # what nobody does in an installation
        *("asyncio", "multiprocessing", "wsgiref", "xmlrpc", "mailbox.py", "imaplib.py", "nntplib.py", "smtpd.py"),
    }
)
"""files and directories of the standard library that stay outside"""
EXTENSIONS = frozenset({"_contextvars", "_json", "_queue", "_typing", "_zoneinfo", "mmap", "resource", "termios"})
"""extension modules that need no more than the C library, where they are not part of the interpreter"""

_COMPILE = """
import compileall, py_compile, sys
sys.exit(not compileall.compile_dir(
    sys.argv[1], maxlevels=20, quiet=1, force=True, legacy=True, stripdir=sys.argv[1], prependdir=sys.argv[2],
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
))
"""


def install(tree: Tree, packages: Sequence[Path], agent: Path, work: Path) -> None:
    """Puts Python and the agent into `tree`.

    `packages` are the directories of unpacked packages, `agent` is the directory of the package pxed, of which the
    agent's part is taken, `work` is an empty directory. Unavailable if something is missing or does not run here.
    """
    interpreter = _find(packages, "usr/bin/python3.*")
    home = f"usr/lib/{interpreter.name}"
    library = work / home
    for package in packages:
        if (package / home).is_dir():
            shutil.copytree(package / home, library, ignore=_left_out, dirs_exist_ok=True)
    _copy_agent(agent, library / "pxed")

    loader_path = elf.section(interpreter.read_bytes(), ".interp").rstrip(b"\0").decode()
    loader = _find(packages, f"**/{PurePosixPath(loader_path).name}")
    directories = {str(found.parent) for package in packages for found in package.glob("**/lib*.so.*")}
    start = [str(loader), "--library-path", ":".join(sorted(directories))]

    extensions = sorted(library.glob("lib-dynload/*.so"))
    tree.file(f"usr{loader_path}", loader.read_bytes(), executable=True)
    for program in (interpreter, *extensions):
        for name, path in _shared_libraries(start, program).items():
            tree.file(f"usr/lib/{loader.parent.name}/{name}", path.read_bytes())
    # A fixed seed: the order of a set of names would otherwise differ from build to build.
    environment = {"PYTHONHOME": str(work / "usr"), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    _output([*start, str(interpreter), "-S", "-B", "-c", _COMPILE, str(library), f"/{home}"], environment)
    for path in (*library.rglob("*.pyc"), *extensions):
        tree.file(f"{home}/{path.relative_to(library)}", path.read_bytes())
    tree.file(f"usr/bin/{interpreter.name}", interpreter.read_bytes(), executable=True)
    tree.symlink("usr/bin/python3", interpreter.name)


def _find(packages: Sequence[Path], pattern: str) -> Path:
    for package in packages:
        for path in sorted(package.glob(pattern)):
            if path.is_file() and not path.is_symlink():
                return path
    raise Unavailable(f"no {pattern} in the packages {', '.join(package.name for package in packages)}")


def _left_out(directory: str, names: list[str]) -> set[str]:
    if directory.endswith("/lib-dynload"):
        return {name for name in names if name.split(".")[0] not in EXTENSIONS}
    return {name for name in names if name in LEFT_OUT or Path(directory, name).is_symlink()}


def _copy_agent(source: Path, target: Path) -> None:
    target.mkdir()
    shutil.copy(source / "__init__.py", target)
    for part in ("agent", "sequence"):
        shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))


def _shared_libraries(start: list[str], program: Path) -> dict[str, Path]:
    """The libraries that the loader `start` would load for `program`, by name."""
    listing = _output([*start, "--list", str(program)], {})
    if missing := re.findall(r"^\s*(\S+) => not found", listing, re.MULTILINE):
        raise Unavailable(f"{program.name} needs {', '.join(missing)}, which the packages of the image lack")
    return {name: Path(path) for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(", listing, re.MULTILINE)}


def _output(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise Unavailable(f"{command[0]} does not run on this machine: {error.strerror}") from None
    if done.returncode != 0:
        raise Unavailable(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout
