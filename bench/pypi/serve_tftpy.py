"""Serves a directory with tftpy; runs in the benchmark's own environment."""

import logging
import sys

import tftpy  # type: ignore[import-untyped, import-not-found, unused-ignore]

logging.disable(logging.WARNING)
tftpy.TftpServer(sys.argv[1]).listen("0.0.0.0", 69)  # noqa: S104 - in a namespace of the benchmark's
