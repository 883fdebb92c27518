"""What earlier processes have left of a download: whose it is, and which of it is gone on with.

A hidden file whose process is provably gone is taken over at once. Where nobody can see that from
here, as of a process of another host or container, its sidecar is watched: a process at work writes
it every few seconds. No times are compared, for clocks of two hosts differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import AlreadyAtWork
from pipeline.storage.http.fetch.partial import (
    Partial,
    left_behind,
    read_sidecar,
    sidecar_path,
)
from pipeline.storage.http.fetch.ranged import BEAT_S
from pipeline.storage.http.fetch.sidecar import MOST_BYTES, Sidecar
from pipeline.storage.local import owner
from pipeline.storage.local.deleting import remove
from pipeline.storage.local.listing import entries, read_bytes, stat
from pipeline.storage.local.tempnames import owner_of, temp_prefix, token_of
from pipeline.storage.local.temps import TempFile

WATCH_S: Final = 6 * BEAT_S
"""Seconds for which the sidecar of a process that cannot be seen from here is watched."""
_LOOK_S: Final = 1.0


@dataclass(frozen=True)
class Leftover:
    """A download that was cut, taken over.

    Attributes:
        partial: its hidden file.
        state: what its sidecar says; None: nothing that can be relied on.
    """

    partial: Partial
    state: Sidecar | None


def take_over(target: Path, say: Callable[[str], object]) -> Leftover:
    """Take over the most of what was left of a download, or begin one.

    Args:
        target: the final name; its lock is held.
        say: told what a person should know.

    Raises:
        AlreadyAtWork: a process of another host is at work on it.
    """
    files = {temp: read_sidecar(target, temp.path) for temp in left_behind(target)}
    for temp in sorted(files, key=lambda each: _present(files[each]), reverse=True):
        if not _is_free(target, temp, say):
            raise AlreadyAtWork(
                "another process is fetching this file",
                file=str(target),
                found=f"process {temp.pid} on {temp.host}, which writes {temp.path.name}",
                remedy="wait until it has ended, then run the same command again",
            )
        partial = Partial.take_over(target, temp)
        if partial is None:
            continue
        state = read_sidecar(target, partial.temp)
        if state is None and temp.size:
            say(f"{target.name}: what is there of it has no sidecar that can be read: begun anew")
        return Leftover(partial, state)
    return Leftover(Partial.create(target), None)


def present(target: Path) -> int:
    """Return how many bytes of a file are there from a download that was cut."""
    sidecars = [read_sidecar(target, temp.path) for temp in left_behind(target)]
    return max(map(_present, filter(None, sidecars)), default=0)


def clear(target: Path, say: Callable[[str], object]) -> None:
    """Remove what was left of a download whose file is there by now, and say so.

    What a process of another host may still write stays.
    """
    for temp in left_behind(target):
        if temp.owner_gone or _is_mine(temp):
            partial = Partial.take_over(target, temp)
            if partial is not None:
                say(f"removed: {temp.path}, left of an earlier download, {temp.size:,} bytes")
                partial.discard()
    tokens = {token_of(temp.path.name) for temp in left_behind(target)}
    prefix = temp_prefix(target)
    for name in [each.name for each in entries(target.parent)]:
        is_one = name.startswith(prefix) and name.endswith(".parts")
        if is_one and name.removeprefix(prefix).removesuffix(".parts") not in tokens:
            remove(target.parent, target.with_name(name))


def _present(state: Sidecar | None) -> int:
    return state.present if state else -1


def _is_free(target: Path, temp: TempFile, say: Callable[[str], object]) -> bool:
    """Whether nobody writes a hidden file any more."""
    if temp.owner_gone or _is_mine(temp):
        return True
    if temp.is_held:
        return False
    say(
        f"{target.name}: process {temp.pid} on {temp.host} has fetched some of it; looking for"
        f" {WATCH_S:.0f} seconds whether it still does"
    )
    path = sidecar_path(target, temp.path)
    before, end = _content(path), time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(min(_LOOK_S, WATCH_S))
        if _content(path) != before or stat(temp.path) is None:
            return False
    return True


def _content(path: Path) -> bytes:
    return read_bytes(path, MOST_BYTES) if stat(path) is not None else b""


def _is_mine(temp: TempFile) -> bool:
    """Whether this process made it, in an earlier call: the lock over the target is held by now."""
    return owner_of(temp.path.name) == owner.current()
