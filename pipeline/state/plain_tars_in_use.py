"""Plain tars of packed archives while commands read them: nobody removes one meanwhile.

A command that reads one shares a lock on a hidden file beside it; who removes it holds that alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.archives import plain_tars
from pipeline.errors import NoPermission
from pipeline.job.resolve import ResolvedJob
from pipeline.sources.inputs import Archive

_LOCK: Final = ".in-use.lock"


def lock_of(target: Path) -> Path:
    """Return the hidden file beside a plain tar that whoever reads it locks."""
    return target.with_name(f".{target.name}{_LOCK}")


@contextlib.contextmanager
def reading(target: Path) -> Iterator[None]:
    """Say that a plain tar is read, or will be, in this context: nobody removes it meanwhile."""
    with storage.shared_lock(lock_of(target)):
        yield


@contextlib.contextmanager
def in_use(resolved: ResolvedJob) -> Iterator[None]:
    """Say that a command reads plain tars of packed archives: no other removes them meanwhile."""
    targets = [storage.on_this_machine(resolved.raw_file(each)) for each in _packed(resolved)]
    try:
        with contextlib.ExitStack() as stack:
            for target in targets:
                with contextlib.suppress(NoPermission):  # then nobody here can remove it, either
                    stack.enter_context(reading(target))
            yield
    finally:
        for target in targets:
            if plain_tars.known(target) is None:
                remove_alone(target)


def remove_unneeded(resolved: ResolvedJob) -> list[Path]:
    """Remove the plain tars of a job that is complete and has written shards, or class folders.

    One that another command reads stays, and one whose packed archive is gone or has changed: it
    could not be made again.

    Returns:
        what was removed.
    """
    removed = list[Path]()
    if not resolved.job.wants("shards", "extract"):
        return removed
    for archive in _packed(resolved):
        target = storage.on_this_machine(resolved.raw_file(archive))
        packed, known = storage.stat(resolved.raw / archive.packed), plain_tars.known(target)
        if known is None or packed is None or not plain_tars.is_of(known, packed):
            continue
        if remove_alone(target):
            removed.append(target)
    return removed


def is_idle(target: Path) -> bool:
    """Whether no command reads a plain tar now."""
    return storage.is_locked(lock_of(target)) is False


def remove_alone(target: Path) -> bool:
    """Remove all that is kept of a plain tar, unless a command reads it; return whether it went."""
    with contextlib.suppress(NoPermission), storage.sole_lock(lock_of(target)) as is_alone:
        if is_alone:
            known, info = plain_tars.known(target), storage.stat(target)
            is_own = info is None or plain_tars.is_own(info, known)
            if known is not None and is_own:
                plain_tars.remove(target)
            storage.remove(target.parent, lock_of(target))
            return is_own
    return False


def _packed(resolved: ResolvedJob) -> list[Archive]:
    return [archive for archive in resolved.archives if archive.packed]
