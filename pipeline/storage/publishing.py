"""Gives files their names, marks last, and makes and takes away small files."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ObjectChanged, ObjectMissing
from pipeline.storage import remote, scratch
from pipeline.storage.local import deleting
from pipeline.storage.local.hardlinks import hard_link
from pipeline.storage.local.staging import Buffer, link_to, sync_folder
from pipeline.storage.local.tempnames import WRITE_PROBE
from pipeline.storage.location import Location, Remote
from pipeline.storage.staged_file import StagedFile


def publish(*staged: StagedFile, superseding: bool = False) -> None:
    """Make the files durable and give them their final names, in the order given.

    The last one is the mark that the others are there: it gets its name after the names of the
    others are durable, or the store has confirmed them.

    Args:
        staged: the files, their mark last.
        superseding: whether a mark that stands there is taken away before the others get their
            names, because it speaks of the files that they replace; see `remove`.
    """
    for file in staged:
        file.sync()
    *first, last = staged
    if superseding:
        remove(last.path.parent, last.path)
    for file in first:
        file.rename()
    for folder in sorted({file.path.parent for file in first if isinstance(file.path, Path)}):
        sync_folder(folder)
    last.rename()
    if isinstance(last.path, Path):
        sync_folder(last.path.parent)


def publish_bytes(path: Location, content: bytes) -> None:
    """Publish one small file."""
    if isinstance(path, Remote):
        remote.store(path).put_bytes(path, content)
        return
    with StagedFile(path) as staged:
        staged.write(content)
        publish(staged)


def write_unsynced(path: Path, content: Buffer) -> None:
    """Replace a small file that may be lost in a crash: a counter, or one of many small files.

    Whoever records those syncs their file system before.
    """
    with StagedFile(path) as staged:
        staged.write(content)
        staged.rename()


def point(link: Location, target: str) -> None:
    """Have `link` name `target`, a name in the same folder, atomically; see `storage.pointed`.

    It becomes a symbolic link, or an object that holds the name and a line feed.
    """
    if isinstance(link, Remote):
        remote.store(link).put_bytes(link, f"{target}\n".encode())
    else:
        link_to(link, target)


def duplicate(source: Location, target: Location) -> bool:
    """Have what lies at one place lie at another, too, without its bytes passing through here.

    A local file gets one more name, a hard link; an object is copied by its store. So what becomes
    of `source` later, its removal included, does not change `target`.

    Args:
        source: a file or object that nobody writes to any more.
        target: where it is to lie; what is there is replaced, atomically.

    Returns:
        Whether it does; where it cannot be done, or `source` is gone, nothing has changed.

    Raises:
        ShardmillError: `target` may not be written, or the store refuses or does not answer.
    """
    if isinstance(source, Path) and isinstance(target, Path):
        return hard_link(source, target)
    if not isinstance(target, Remote):
        return False
    piece = remote.piece(source, target)
    try:
        return piece is not None and remote.store(target).join(target, [piece])
    except (ObjectChanged, ObjectMissing):  # it was removed or replaced since it was listed
        return False


def remove(root: Location, path: Location) -> None:
    """Remove a file, a link itself or an empty folder below `root`; absent is fine.

    An object is not removed, because a run needs no right for that: it is replaced by one without
    a byte, which counts as absent. Only documents, tables and pointers can be taken away like
    this, none of which is ever empty; all else is removed by `carry_out`.

    Raises:
        OutputConflict: a link is on the way, or the path leads out of the root.
        ShardmillError: it cannot be removed.
    """
    if isinstance(path, Remote):
        remote.store(path).withdraw(path)
    elif isinstance(root, Path):
        deleting.remove(root, path)


def probe_writable(folder: Location) -> None:
    """Create the folder and write a byte in it, or raise why that cannot be done.

    Of a store only what can be asked without leaving something is: whether the bucket is there, and
    whether the keys may list it. Whether they may write shows the first document that is put.
    """
    if isinstance(folder, Remote):
        remote.store(folder).objects(folder)
        folder = scratch.folder()
    with StagedFile(folder / WRITE_PROBE) as staged:
        staged.write(b"x")
        staged.sync()
