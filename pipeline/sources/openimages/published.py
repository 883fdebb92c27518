"""Published files in RAW: they are looked for, verified, and fetched where they are not there.

A file is known by its size and MD5, where those are pinned. It gets its name in RAW only when both
are right, and a download that was cut goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.archives.passage import Passage, read_once
from pipeline.errors import InputRefused, RemoteUnavailable
from pipeline.plaintext import Lines
from pipeline.quantities import counted
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.storage import remote
from pipeline.storage.http.fetch.addresses import Address
from pipeline.storage.http.fetch.file import FileFetch, Pinned, alone
from pipeline.storage.http.fetch.leftovers import clear, present
from pipeline.storage.http.fetch.places import Place, place_of
from pipeline.storage.http.fetch.session import Session

_FOLDERS: Final = ("", "csv", "masks")
"""Folders of RAW in which files are looked for, beside those of their paths."""
_CONNECTIONS: Final = 4

Say = Callable[[str], None]
Tell = Callable[[int, int | None], None]


@dataclass(frozen=True)
class VerifiedFile:
    """A file that is what it should be.

    Attributes:
        path: where it is.
        info: its size and stamp.
        md5: 32 lower-case hex digits.
        url: where it was fetched from just now; "": it was there.
    """

    path: Path
    info: storage.FileInfo
    md5: str
    url: str = ""


def find(file: PublishedFile, raw: Path) -> Path | None:
    """Return where a file is in RAW, by its name or its path; None: it is not there."""
    for names in (*((folder, file.name) for folder in _FOLDERS), (file.path,)):
        place = storage.below(raw, *names)
        if storage.stat(place) is not None:
            return place
    return None


def bytes_left(file: PublishedFile, raw: Path) -> int:
    """Return how many bytes of a file are still to be fetched; 0 where its size is not known."""
    if find(file, raw) is not None:
        return 0
    return max(0, (file.bytes or 0) - present(raw / file.name))


def check_all_there(files: tuple[PublishedFile, ...], raw: Path, perhaps: str = "") -> None:
    """Check that nothing has to be fetched.

    Args:
        files: which are needed.
        raw: the folder where they are looked for.
        perhaps: what may be needed beside them; "": nothing.

    Raises:
        InputRefused: files are not there; all are named, with address, size and place.
    """
    missing = [file for file in files if find(file, raw) is None]
    if not missing:
        return
    lines = [f"{file.name} ({_size(file)}) from {file.url or 'nowhere'}" for file in missing]
    raise InputRefused(
        f"{counted(len(missing), 'file')} of Open Images not there, and --offline fetches nothing",
        file=str(raw),
        expected=Lines.of([*lines, perhaps] if perhaps else lines),
        found=f"{len(files) - len(missing)} of {counted(len(files), 'file')} needed",
        remedy=f"put each into {raw} under its name, or leave --offline out",
    )


def fetch(
    file: PublishedFile,
    raw: Path,
    *,
    offline: bool = False,
    say: Say = lambda _text: None,
    tell: Tell = lambda _done, _total: None,
) -> VerifiedFile:
    """Return a file that is verified, fetched into RAW if it is not there.

    Args:
        file: which.
        raw: the folder; it may be read-only where the file is there.
        offline: fetch nothing.
        say: told what a person should know.
        tell: told how many bytes are there, or read, and of how many; None: not known.

    Raises:
        InputRefused: what is there, or what the server has, is another file; there is none.
        TransientError: the server failed at every try; what has arrived is kept.
        EnvironmentRefused: there is no room, or no permission.
        AlreadyAtWork: another process is fetching it.
    """
    if path := find(file, raw):
        return verify(file, path, tell)
    if offline:
        check_all_there((file,), raw)
    place = _place(file, raw)
    target = storage.output_file(raw / file.name)
    with alone(target):
        if (path := find(file, raw)) is not None:  # another process was faster
            return verify(file, path, tell)
        session = Session(remote.transfer(), _CONNECTIONS, tell=tell, say=say)
        md5 = _download(file, target, place, session)
        clear(target, say)
    path = raw / file.name  # as it is looked for later: of a link on the way `target` has the end
    info = storage.stat(path)
    if info is None:
        raise _missing(file, raw, "somebody has moved it away after it was fetched")
    return VerifiedFile(path, info, md5, url=place.name)


def verify(
    file: PublishedFile, path: Path, tell: Tell = lambda _done, _total: None
) -> VerifiedFile:
    """Read a file that is there, and compare it with what is pinned.

    Raises:
        InputRefused: it is another file.
        TransientError: it changed while it was read.
    """
    info = storage.stat(path)
    if info is None:
        raise _missing(file, path.parent, "nothing")
    if file.bytes in {None, info.size}:
        read = read_once(path, None, lambda _view: None, lambda done: tell(done, info.size))
        if file.md5 in {None, read.md5}:
            return VerifiedFile(path, read.info, read.md5)
        raise _other(file, path, read.md5, info.size)
    raise _other(file, path, None, info.size)


def _download(file: PublishedFile, target: Path, place: Place, session: Session) -> str:
    """Fetch a file and give it its name; return its MD5."""

    def refusal(path: Path, md5: str, size: int, _head: bytes, _pinned: Pinned) -> InputRefused:
        return _other(file, path, md5, size)

    def read(front: Passage) -> None:
        read_once(target, front, lambda _view: None, lambda _done: None)

    download = FileFetch(target, Pinned(file.name, file.md5, file.bytes, refusal), session, read)
    try:
        outcome = download.run([place])
    except (InputRefused, RemoteUnavailable) as error:
        by_hand = f"get {file.name} by hand from {file.url} and put it into {target.parent}"
        remedy = f"{by_hand}; then run the same command again"
        if isinstance(error, RemoteUnavailable):
            remedy = f"{error.remedy or 'run the same command again'}; or {remedy}"
        raise error.altered(remedy=remedy) from error
    finally:
        download.close()
    return str(outcome.md5)


def _place(file: PublishedFile, raw: Path) -> Place:
    """Return where a file is fetched from.

    Raises:
        InputRefused: nowhere.
    """
    if not file.url:
        raise _missing(file, raw, "nothing, and no address in the table of files")
    return place_of(Address(file.url, file.url), None, netrc=False)


def _missing(file: PublishedFile, raw: Path, found: str) -> InputRefused:
    return InputRefused(
        "a file of Open Images is not there",
        file=str(raw / file.name),
        expected=f"{_size(file)}, MD5 {file.md5 or 'not known'}",
        found=found,
        remedy="put it there",
    )


def _other(file: PublishedFile, path: Path, md5: str | None, size: int) -> InputRefused:
    """Return the refusal of a file that is not the pinned one."""
    short = file.bytes is not None and size < file.bytes
    cause = (
        "its download broke off, most likely" if short else "it is of another version, or damaged"
    )
    return InputRefused(
        "not the published file of this name",
        file=str(path),
        expected=f"{_size(file)}, MD5 {file.md5 or 'not known'}",
        found=f"{size:,} bytes" + (f", MD5 {md5}" if md5 else ""),
        remedy=f"{cause}: move it away, then run the same command again: it is fetched"
        if file.url
        else f"{cause}: put the right one in its place",
    )


def _size(file: PublishedFile) -> str:
    return "size not known" if file.bytes is None else f"{file.bytes:,} bytes"
