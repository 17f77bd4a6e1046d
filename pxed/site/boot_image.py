"""Boot images: what a computer runs after the boot loader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Cpu(StrEnum):
    """What a boot image is built for, in Debian's names."""

    AMD64 = "amd64"
    I386 = "i386"
    ARM64 = "arm64"
    ARMHF = "armhf"
    RISCV64 = "riscv64"
    LOONG64 = "loong64"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file of a boot image variant, kept under `images/<image id>/<cpu>/<name>` in the state directory."""

    name: str
    """its name in URLs and on disk: one path component"""
    size: int
    sha256: str
    """64 lower-case hexadecimal digits"""


@dataclass(frozen=True, slots=True)
class ImageVariant:
    """What a boot image is on one processor architecture: a Linux kernel with its initial RAM disks."""

    cpu: Cpu
    kernel: ImageFile
    initrds: tuple[ImageFile, ...]
    command_line: str

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """All files in the order in which a boot loader fetches them."""
        return (self.kernel, *self.initrds)


@dataclass(frozen=True, slots=True)
class BootImage:
    """What a computer runs after the boot loader, one variant per architecture. Its files never change: a new build
    under the same name gets a new id, so that a transfer never sees a mixture."""

    id: int
    name: str
    variants: tuple[ImageVariant, ...]
    created_at: datetime

    def variant_for(self, cpus: Sequence[str]) -> ImageVariant | None:
        """The variant for the first of `cpus`, in Debian's names, that this image has."""
        return next((variant for cpu in cpus for variant in self.variants if variant.cpu == cpu), None)
