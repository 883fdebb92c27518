"""Locks between commands: over an output folder, shared or alone, and over a target.

Where the file system's locks exclude nobody, a command lays a claim instead: a temporary file
that others see while its process lives. A claim of another host, whose processes nobody sees from
here, counts as held.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.errors import AlreadyAtWork, ShardmillError
from pipeline.plaintext import Lines
from pipeline.storage.local import flocks, owner
from pipeline.storage.local.deleting import discard, remove_empty
from pipeline.storage.local.flocks import Lock
from pipeline.storage.local.holders import Holder, holders, note
from pipeline.storage.local.lockfiles import acquire, lock_file, no_lock_file, wait_until
from pipeline.storage.local.oserrors import check_link, translate_oserrors, translated
from pipeline.storage.local.tempnames import temp_prefix
from pipeline.storage.local.temps import TempFile, temp_files
from pipeline.storage.staged_file import StagedFile

_SHARED, _SOLE = "shared", "sole"
_LONGEST_NAME = 100  # bytes
_ATTEMPTS = 100  # more than others remove a file; some file systems give each look another inode
_REMOVED = {errno.ENOENT, errno.ESTALE}  # the latter where another host has removed it, over NFS


@contextlib.contextmanager
def target_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock over a target: one file, or a set of files that are published together.

    Whoever makes a set holds it from before the first file is staged until all are published: so
    the files of two commands never mix. It also works where the file system's locks exclude
    nobody, but there only between processes of one host for certain. A hidden file beside the
    target is locked and removed again; nothing of it is left but by a kill, and that is used
    again, or swept. Folders that are made for it are removed, where they are empty, by an error.

    Args:
        path: a file that stands for the set, such as the ``.rec`` of ``.rec``, ``.idx`` and
            manifest; links are followed, it may be absent.
        wait: wait for another holder, see `lockfiles.wait_until`; else it is refused.

    Raises:
        AlreadyAtWork: another command holds it, and `wait` is false.
        OutputConflict: a link on the way to its folder leads nowhere.
        EnvironmentRefused: it was waited for in vain.
        ShardmillError: the folder cannot be made or written.
    """
    check_link(path.parent)
    lock = lock_of(path)
    with _folder_for(path, lock.parent), _held(path, lock, wait=wait):
        yield


@contextlib.contextmanager
def _folder_for(path: Path, folder: Path) -> Iterator[None]:
    """Make a folder; after an error, whatever of it was made here and is empty is removed."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    with translate_oserrors(path):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(ShardmillError):  # somebody may have put something there
            for each in missing:
                if not remove_empty(each):
                    break
        raise


@contextlib.contextmanager
def _held(path: Path, lock: Path, *, wait: bool) -> Iterator[None]:
    hold = _locked if flocks.exclude(lock.parent, make=True) else _claimed_alone
    with contextlib.ExitStack() as stack:

        def taken() -> bool:
            with contextlib.ExitStack() as attempt:
                held = attempt.enter_context(hold(lock))
                if held:
                    stack.enter_context(attempt.pop_all())
            return held

        if not taken():
            if not wait:
                raise _busy(path, lock)
            wait_until(taken, lock, lambda: lock_holders(lock))
        yield


@contextlib.contextmanager
def shared_lock(path: Path, *, claim: bool = False) -> Iterator[None]:
    """Hold a lock on `path` that others may share, after waiting for who wants it alone.

    With `claim` it is seen by others also where the file system's locks exclude nobody.
    """
    with contextlib.ExitStack() as stack:
        _acquire(stack, path, fcntl.LOCK_SH)
        if claim and not flocks.exclude(path.parent):
            stack.enter_context(_claim(path, _SHARED))
            wait_until(lambda: not _claims(path, _SOLE), path, lambda: lock_holders(path))
        yield


@contextlib.contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold a lock on `path` alone, after waiting for all who hold it."""
    with contextlib.ExitStack() as stack:
        _acquire(stack, path, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def sole_lock(path: Path, *, then_share: bool = False) -> Iterator[bool]:
    """Hold a lock on `path` alone; yields whether it was to be had at once.

    With `then_share` it is shared as soon as it is held: only who else wants it alone is kept
    out.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_file(path))  # with its folder, where locks may exclude nobody
        if flocks.exclude(path.parent):
            fd, held = _take(stack, path)
            if held:
                note(fd)
            if held and then_share:
                acquire(fd, path, fcntl.LOCK_SH)
        else:
            alone = stack.enter_context(contextlib.ExitStack())
            held = alone.enter_context(_claimed_alone(path))
            if held and then_share:
                stack.enter_context(_claim(path, _SHARED))
                alone.close()
        yield held


def is_locked(path: Path) -> bool | None:
    """Whether somebody holds a lock on `path`; nothing is written to ask.

    None: it is not known, because only the owner of the file and its group may ask.
    """
    try:
        fd = flocks.open_to_lock(path)
    except FileNotFoundError:
        return False
    except PermissionError:
        return bool(_claims(path, _SHARED, _SOLE)) or None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise no_lock_file(path, "a link") from error
        raise translated(error, path) from error
    try:
        return flocks.take(fd) is Lock.HELD or bool(_claims(path, _SHARED, _SOLE))
    finally:
        os.close(fd)


def lock_holders(path: Path) -> str:
    """Return who holds a lock, a line each, as far as that can be known; "": it cannot."""
    all_holders = list[object]()
    with contextlib.suppress(OSError):
        fd = flocks.open_to_lock(path)
        try:
            all_holders += holders(fd)
        finally:
            os.close(fd)
    claims = _claims(path, _SHARED, _SOLE)
    mine = (os.getpid(), owner.host())
    all_holders += [Holder(c.host, c.pid, "") for c in claims if (c.pid, c.host) != mine]
    return Lines.of(all_holders)


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[bool]:
    """Hold the lock on a file that is there only meanwhile; yields whether it was free."""
    with contextlib.ExitStack() as stack:
        fd, held = _take(stack, lock)
        if held:
            note(fd)
        try:
            yield held
        finally:
            if held:
                with contextlib.suppress(OSError):  # what stays is used again
                    discard(lock, fd)
                with contextlib.suppress(OSError):  # forked processes have the descriptor, too
                    fcntl.flock(fd, fcntl.LOCK_UN)


def _take(stack: contextlib.ExitStack, lock: Path) -> tuple[int, bool]:
    """Try to take the lock on a file alone; return its descriptor, and whether it was free."""
    return _on_what_is_there(stack, lock, lambda fd: flocks.take(fd) is Lock.FREE)


def _acquire(stack: contextlib.ExitStack, lock: Path, operation: int) -> None:
    """Take the lock on a file after waiting for others, one of which may remove the file."""

    def acquired(fd: int) -> bool:
        acquire(fd, lock, operation)
        return True

    _on_what_is_there(stack, lock, acquired)


def _on_what_is_there(
    stack: contextlib.ExitStack, lock: Path, take: Callable[[int], bool]
) -> tuple[int, bool]:
    """Take the lock on the file that a path leads to when it is taken.

    A file that is not the one is closed before the next is opened: where it is the same after all,
    its lock would keep this process itself out.
    """
    for left in reversed(range(_ATTEMPTS)):
        with contextlib.ExitStack() as attempt:
            fd = attempt.enter_context(lock_file(lock))
            held = take(fd)
            if not held or not left or _leads_to(lock, fd):
                stack.enter_context(attempt.pop_all())
                break
    return fd, held


def _leads_to(path: Path, fd: int) -> bool:
    """Whether a path leads to an open file: who held the lock before has removed its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError as error:
        if error.errno not in _REMOVED:
            raise translated(error, path) from error
        return False


@contextlib.contextmanager
def _claimed_alone(path: Path) -> Iterator[bool]:
    """Claim a lock alone; yields whether nobody else has a claim on it."""
    with _claim(path, _SOLE) as mine:
        yield all(other.path == mine for other in _claims(path, _SHARED, _SOLE))


@contextlib.contextmanager
def _claim(path: Path, kind: str) -> Iterator[Path]:
    with StagedFile(_claim_path(path, kind)) as file:
        yield file.temp


def _claims(path: Path, *kinds: str) -> list[TempFile]:
    """Return the claims of processes that are not provably gone."""
    prefixes = tuple(temp_prefix(_claim_path(path, kind)) for kind in kinds)
    return [
        temp
        for temp in temp_files(path.parent)
        if temp.path.name.startswith(prefixes) and not temp.owner_gone
    ]


def _claim_path(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}")


def lock_of(target: Path) -> Path:
    """Return the hidden file that `target_lock` locks; links are followed."""
    real = Path(os.path.realpath(target))
    name = os.fsencode(real.name)
    if len(name) > _LONGEST_NAME:
        return real.with_name(f".{hashlib.blake2s(name, digest_size=16).hexdigest()}.lock")
    return real.with_name(f".{real.name}.lock")


def _busy(path: Path, lock: Path) -> AlreadyAtWork:
    holders = _claims(lock, _SOLE)
    claims = Lines.of(f"{each.path}: process {each.pid} on {each.host}" for each in holders)
    return AlreadyAtWork(
        "another command is making this",
        file=str(path),
        found=claims or None,
        remedy="wait until it has ended, then run the same command again"
        + ("; if it is dead, remove its file" if claims else ""),
    )
