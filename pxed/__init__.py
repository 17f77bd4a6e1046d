"""pxed: a PXE service point for Linux."""

__version__ = "0.1.0"
