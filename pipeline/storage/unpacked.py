"""Files of this host that hold what was unpacked of others, so that it is done once.

They lie in the scratch folder, in a folder for each root of sources, and can be made again at any
time: whoever misses one makes it. Two processes that make one at once do no harm: each has a hidden
file of its own, and their content is the same. Those that nobody reads for a day are removed, as
copies are; `give_up` removes those of a root when a command ends.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import NoSpace, ShardmillError
from pipeline.storage import scratch
from pipeline.storage.local import copykeeping, deleting, listing
from pipeline.storage.local.removalplan import plan_folder
from pipeline.storage.local.staging import Buffer
from pipeline.storage.location import Location
from pipeline.storage.staged_file import StagedFile

_FOLDER: Final = "unpacked"
_DIGITS: Final = 32
_SPARE: Final = 10  # one part in so many of what is free stays free
_swept = set[Path]()  # by this process, or the one that it was forked from


def unpacked_folder(root: Location) -> Path:
    """Return the folder of what was unpacked of the sources below a root; old files of it go."""
    folder = scratch.folder() / _FOLDER / _name(str(root))
    if folder not in _swept:
        _swept.add(folder)
        if listing.kind(folder) is not None:
            copykeeping.sweep(folder)
    return folder


def unpacked_name(identity: str) -> str:
    """Return the name of what was unpacked of something, by all that decides its content."""
    return _name(identity)


def is_unpacked(path: Path) -> bool:
    """Whether something was unpacked; if so, it is said to be in use."""
    return copykeeping.is_kept(path)


def keep_unpacked(path: Path, pieces: Sequence[Buffer]) -> bool:
    """Keep what was unpacked, whole or not at all; return whether there was room for it."""
    needed = sum(map(len, pieces))
    scratch.close_around(path)  # it may have been removed a moment ago
    if needed > listing.free_bytes(listing.existing(path.parent)) * (1 - 1 / _SPARE):
        return False
    try:
        with StagedFile(path) as staged:
            staged.write(*pieces)
            staged.rename()
    except NoSpace:
        return False
    return True


def forget_unpacked(path: Path) -> None:
    """Remove what was unpacked, such as when it is not what it should be; absent is fine."""
    deleting.remove(path.parent, path)


def give_up_unpacked(root: Location) -> None:
    """Remove all that was unpacked of the sources below a root; others make it again.

    What cannot be removed stays until it is as old as what nobody reads.
    """
    with contextlib.suppress(ShardmillError):  # without a home there is none
        folder = scratch.place() / _FOLDER / _name(str(root))
        if listing.kind(folder) is not None:
            deleting.carry_out(plan_folder(folder.parent, folder, lambda _: True))


def _name(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]
