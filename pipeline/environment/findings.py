"""What there is on a machine and what is missing, with the command that mends it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pipeline
from pipeline import storage
from pipeline.environment import packages
from pipeline.environment.packages import Package
from pipeline.errors import ShardmillError
from pipeline.formats.reader import Reader
from pipeline.images import codec, opencv
from pipeline.quantities import size
from pipeline.storage import Disk, DiskKind, Location

_PYTHON: Final = (3, 11)
_FREE: Final = 1 << 30
_LOCKLESS: Final = (
    "let commands of one host write there at a time, or put the output on another file system"
)


class State(StrEnum):
    """How a finding is meant."""

    FINE = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        state: whether it is as it should be; what is `MISSING` is needed.
        text: what it is, in a line.
        remedy: what mends it, or adds what is optional; "": nothing is to be done.
    """

    state: State
    text: str
    remedy: str = ""


def of_program() -> Iterator[Finding]:
    """Yield the versions of shardmill and Python, and where they lie."""
    folder = Path(pipeline.__file__).parent.parent
    yield Finding(State.FINE, f"shardmill {pipeline.__version__}, in {folder}")
    version = f"Python {platform.python_version()}, {sys.executable}"
    if sys.version_info < _PYTHON:
        least = ".".join(map(str, _PYTHON))
        yield Finding(State.MISSING, f"{version}: too old", f"install Python {least} or later")
    else:
        yield Finding(State.FINE, version)


def of_packages(needed: Iterable[Package]) -> Iterator[Finding]:
    """Yield whether each package that is needed is there and can be loaded."""
    for package in needed:
        remedy = packages.install_command([package.requirement])
        if package.version is None:
            text = f"{package.name}: not installed; for {package.purpose}"
            yield Finding(State.MISSING, text, remedy)
        elif package.is_too_old:
            text = f"{package.name} {package.version}: {package.least} or later is needed"
            yield Finding(State.MISSING, text, remedy)
        elif (why := packages.why_not_loaded(package.module)) is not None:
            text = f"{package.name} {package.version} cannot be loaded: {why}"
            again = packages.install_command(["--force-reinstall", "--no-deps", package.name])
            yield Finding(State.MISSING, text, again)
        elif package.name not in packages.PILLOWS:  # the codec says more of them
            yield Finding(State.FINE, f"{package.name} {package.version}: {package.purpose}")


def of_codec() -> Iterator[Finding]:
    """Yield which Pillow decodes and encodes, and whether it is a slow one."""
    try:
        identity, warning = codec.identity(), codec.warning()
    except ShardmillError as error:
        yield _missing(error)
        return
    yield Finding(State.FINE, f"{identity}: images that are decoded or encoded")
    if warning is not None:
        sentence, _, command = warning.partition("; to undo it: ")
        yield Finding(State.NOTE, sentence, command)


def of_optional(optional: Iterable[Package]) -> Iterator[Finding]:
    """Yield which packages that some commands want are there, and what each would be for."""
    for package in optional:
        if package.version is None:
            remedy = packages.install_command([package.requirement])
            text = f"{package.name}: not installed; only for {package.purpose}"
            yield Finding(State.NOTE, text, remedy)
        else:
            named = f"{package.name} {package.version}"
            shown = opencv.codec() if package.module == "cv2" else named
            yield Finding(State.FINE, f"{shown}: {package.purpose}")


def of_readers(readers: Iterable[tuple[str, Reader]]) -> Iterator[Finding]:
    """Yield which programs that read shards are there.

    Args:
        readers: what people call a format, and a program that reads it.
    """
    for format_title, reader in readers:
        installed = packages.installed_of(reader.packages)
        if installed is None:
            text = f"{reader.title}: not installed here; it reads {format_title}"
            yield Finding(State.NOTE, text, packages.install_command([reader.packages[0]]))
        else:
            yield Finding(State.FINE, f"{installed}: reads {format_title}")


def of_output(out: Location, *, is_chosen: bool) -> Iterator[Finding]:
    """Yield whether shards can be written to a place, and what it lies on.

    Args:
        out: an output folder, which may be absent, or the address of one.
        is_chosen: whether it was named; what is wrong with another one is only noted.
    """
    try:
        if not isinstance(out, Path):
            storage.probe_writable(out)
            text = "the bucket is there, and its keys may list it; locks are of one host only"
            yield Finding(State.FINE, text)
            return
        disk = storage.disk_of(out, writing=True)
    except ShardmillError as error:
        yield _missing(error)
        return
    yield of_disk(disk)
    if disk.refusal is not None:
        found = _missing(disk.refusal)
        yield found if is_chosen else Finding(State.NOTE, found.text, found.remedy)
    elif disk.locks_exclude:
        yield Finding(State.FINE, "locks on files exclude other processes of this host")
    else:
        text = "locks on files exclude nobody here: commands tell each other by files instead"
        yield Finding(State.NOTE, text, _LOCKLESS)


def of_disk(disk: Disk) -> Finding:
    """Return what a folder lies on, and how much room there is."""
    room = f"{size(disk.free_bytes)} free"
    text = f"{disk.file_system or 'a file system of unknown type'} on {disk.kind}, {room}"
    if disk.kind is DiskKind.MEMORY:
        remedy = "write what is to be kept to a disk"
        return Finding(State.NOTE, f"{text}: it is lost when the machine goes down", remedy)
    if disk.free_bytes < _FREE:
        return Finding(State.NOTE, text, "make room, or choose another disk")
    return Finding(State.FINE, text)


def of_input(raw: Path) -> Iterator[Finding]:
    """Yield whether a folder of archives is there, and what it lies on."""
    try:
        if not storage.is_folder(raw):
            remedy = "give the folder of the archives or images"
            yield Finding(State.MISSING, "there is no such folder", remedy)
            return
        disk = storage.disk_of(raw, writing=False)
    except ShardmillError as error:
        yield _missing(error)
        return
    yield Finding(State.FINE, f"{disk.file_system or 'a file system'} on {disk.kind}")


def of_error(error: ShardmillError) -> Finding:
    """Return what a check has found missing."""
    return _missing(error)


def _missing(error: ShardmillError) -> Finding:
    return Finding(State.MISSING, error.brief, error.remedy or "")
