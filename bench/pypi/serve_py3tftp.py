"""Serves a directory with py3tftp; runs in the benchmark's own environment."""

import os
import sys

from py3tftp.__main__ import main  # type: ignore[import-untyped, import-not-found, unused-ignore]

os.chdir(sys.argv[1])
sys.argv[1:] = ["--host", "0.0.0.0", "--port", "69"]  # noqa: S104 - in a namespace of the benchmark's
main()
