"""What every store does, by where a location lies: the one place that asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar, cast

from pipeline.errors import Vanished
from pipeline.storage import remote
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local import below, listing, local_path, mounts, stamps, tar_folder
from pipeline.storage.local import folders as local_folders
from pipeline.storage.local.listing import Entry
from pipeline.storage.local.ranges import RangeReader, SourceReader
from pipeline.storage.local.tar_folder import TarFolderReader, is_tar_folder
from pipeline.storage.location import S3, Location, Remote, is_address, parse
from pipeline.storage.readers import Ranges, Sources

Where = TypeVar("Where", bound=Location)
"""A `Path` or a `Remote`: what is returned is of the same kind."""

_LONGEST_NAME: Final = 1024  # bytes of what a pointer holds


def watch(out: Location) -> None:
    """Answer for everything below an output folder from listings; once a process and folder.

    Of a local folder nothing is kept. See also `renew`.
    """
    if isinstance(out, Remote):
        remote.store(out).known.watch(out)


def renew(after_s: float = 0.0) -> None:
    """Take in what other processes have written: when a task begins, and when one looks anew.

    All is listed again when it is next asked for.

    Args:
        after_s: seconds for which what was listed is taken for new; in a forked process nothing is.
    """
    remote.renew(after_s)
    if not after_s:
        tar_folder.forget()


def stat(location: Location | str) -> FileInfo | None:
    """Return size and stamp of a file or object without reading it; None: there is none.

    A folder of tars has those of the tar that it is read as, see `local.tar_folder`.
    """
    if isinstance(location, Remote):
        return remote.stat(location)
    if is_tar_folder(location):
        return tar_folder.look(Path(location))
    return listing.stat(location)


def stat_whole(location: Location) -> FileInfo | None:
    """Do as `stat` does, of a file that is read from its first byte to its last.

    Then a web server needs to send no ranges of it.
    """
    if isinstance(location, Remote) and location.scheme != S3:
        return remote.ask(location.parent, [location.name])[0]
    return stat(location)


def told_md5(location: Location) -> str | None:
    """Return the MD5 of a file in hex as a web server tells it; None: nobody does."""
    return remote.told_md5(location) if isinstance(location, Remote) else None


def kind(location: Location) -> str | None:
    """Return what is there: a ``file``, ``folder``, ``special file``, or None: nothing."""
    if isinstance(location, Remote):
        return remote.store(location).kind(location)
    return listing.kind(location)


def modified_ns(location: Location) -> int | None:
    """Return when a file was modified last, in nanoseconds since the epoch; None: no file.

    Of an object it is 0: the clocks of several hosts are not compared.
    """
    info = stat(location)
    return None if info is None else int(info.stamp) if isinstance(location, Path) else 0


def sizes(folder: Location) -> dict[str, int]:
    """Return the files of a folder by name, with their sizes; empty where there is no folder."""
    return remote.sizes(folder) if isinstance(folder, Remote) else listing.sizes(folder)


def entries(folder: Location) -> list[Entry]:
    """Return everything that a folder holds, links followed, in no order; [] if it is absent."""
    return remote.entries(folder) if isinstance(folder, Remote) else listing.entries(folder)


def kinds(folder: Location) -> list[Entry]:
    """Do as `entries` does, but without sizes and stamps of what is no link."""
    return remote.entries(folder) if isinstance(folder, Remote) else listing.kinds(folder)


def folders(folder: Location, *, links: bool = False) -> list[str]:
    """Return the names of the folders in a folder, sorted; [] if it is absent.

    Args:
        folder: where to look.
        links: whether links to folders count; a store has none.
    """
    if isinstance(folder, Remote):
        return remote.store(folder).folders(folder)
    return listing.folders(folder, links=links)


def documents(folder: Where) -> list[Where]:
    """Return the locations of the JSON documents in a folder, sorted, without hidden ones.

    Links to files count: what is asked for by its path is read through them, too.
    """
    where: Location = folder
    names = sorted(remote.sizes(where)) if isinstance(where, Remote) else listing.file_names(where)
    documents = (name for name in names if name.endswith(".json") and name[0] != ".")
    return [cast("Where", folder / name) for name in documents]


def is_empty(location: Location) -> bool:
    """Whether there is nothing in a folder; true if it is absent."""
    if isinstance(location, Remote):
        return not remote.entries(location)
    return listing.is_empty(location)


def open_ranges(location: Location) -> Ranges:
    """Return what reads byte ranges of one file or object."""
    if isinstance(location, Remote):
        return remote.open_ranges(location)
    return open_local(location)


def open_local(location: Path) -> RangeReader | TarFolderReader:
    """Return what reads byte ranges of a file of this machine, or of a folder of tars as one."""
    return TarFolderReader(location) if is_tar_folder(location) else RangeReader(location)


def open_sources(root: Location, *, whole_files: bool = False) -> Sources:
    """Return what reads byte ranges of the files or objects below a folder.

    Args:
        root: the folder.
        whole_files: whether each is read from its first byte to its last: nothing is asked of an
            object before it is read then.
    """
    if isinstance(root, Path):
        return SourceReader(root)
    return remote.open_whole(root) if whole_files else remote.open_sources(root)


def many_may_read(root: Location) -> bool:
    """Whether several processes read below a folder as well as one.

    Of objects one process asks for many at once, within the limits that it was given.
    """
    return isinstance(root, Path)


def read_bytes(location: Location, most: int | None = None) -> bytes:
    """Return a whole (small) file; of an object what is known already, if it is still that one.

    Args:
        location: of the file.
        most: how many bytes it may have; None: any number.

    Raises:
        OutputDamaged: it has more; they are not read.
        Vanished: there is none.
    """
    if isinstance(location, Path):
        return listing.read_bytes(location, most)
    content = read_many([location], most).get(location)
    if content is None:
        raise Vanished(
            "there is no such object", file=str(location), remedy="run the same command again"
        )
    return content


def read_ahead(locations: Iterable[Location]) -> None:
    """Read small objects at once that will be asked for one by one; local files are not read."""
    remote.read_many(each for each in locations if isinstance(each, Remote))


def read_many(locations: Iterable[Where], most: int | None = None) -> dict[Where, bytes]:
    """Read many small files, those of a store at once and each once a process; see `read_bytes`.

    What is absent is not in the answer. What was read is kept: `read_bytes` asks for it no more,
    for as long as a listing says that it is the same.

    Raises:
        OutputDamaged: one has more than `most` bytes.
    """
    wanted: list[Location] = list(locations)
    places = [each for each in wanted if isinstance(each, Remote)]
    contents = dict[Location, bytes](remote.read_many(places, most).items())
    for each in wanted:
        if isinstance(each, Path) and listing.stat(each) is not None:
            contents[each] = listing.read_bytes(each, most)
    return cast("dict[Where, bytes]", contents)


def pointed(link: Location) -> str | None:
    """Return the name that `point` has put there; None: there is none."""
    if isinstance(link, Path):
        return listing.pointed(link)
    content = read_many([link], most=_LONGEST_NAME).get(link)
    return None if content is None else content.decode(errors="replace").strip() or None


def real_folder(location: Location) -> Path | None:
    """Return where a folder really lies, links followed; None: it is no folder of this machine."""
    return None if isinstance(location, Remote) else listing.real_folder(location)


def is_folder(location: Location) -> bool:
    """Whether there is a folder, links followed; of a web server nobody knows, and it is false."""
    if isinstance(location, Remote):
        return location.scheme == S3 and kind(location) == "folder"
    return listing.real_folder(location) is not None


def reachable(root: Location, folder: Location) -> bool:
    """Whether a folder is there, below `root` or the root itself, with no link on the way."""
    if isinstance(root, Path) and isinstance(folder, Path):
        return below.reachable(root, folder)
    return kind(folder) == "folder"


def free_bytes(folder: Location) -> int | None:
    """Return the bytes that may still be written where a folder lies; None: a store knows none."""
    return None if isinstance(folder, Remote) else listing.free_bytes(folder)


def is_sent(location: Location) -> bool:
    """Whether files are kept in the scratch folder until they were sent there, when published."""
    return isinstance(location, Remote)


def on_one_file_system(folder: Path, other: Location) -> bool:
    """Whether what is written to two locations, which may be absent, takes room of one another."""
    return isinstance(other, Path) and mounts.on_one_file_system(folder, other)


def same_folder(one: Location, other: Location) -> bool:
    """Whether two locations are of one folder; false if either is absent."""
    if isinstance(one, Path) and isinstance(other, Path):
        return local_folders.same_folder(one, other)
    return one == other and kind(one) == "folder"


def same_place(one: Location, other: Location) -> bool:
    """Whether two locations are of one file or folder, or would be if it were there."""
    if isinstance(one, Path) and isinstance(other, Path):
        return local_folders.same_place(one, other)
    return one == other


def is_within(location: Location, folder: Location) -> bool:
    """Whether a location, which may be absent, lies in a folder, links resolved."""
    if isinstance(location, Path) and isinstance(folder, Path):
        return local_folders.is_within(location, folder)
    return location != folder and str(location).startswith(f"{folder}/")


def relative(location: Location, folder: Location) -> str:
    """Return the names that lead from a folder to a location below it, joined by slashes.

    Raises:
        ValueError: the location is not below the folder.
    """
    if isinstance(location, Path) and isinstance(folder, Path):
        return location.relative_to(folder).as_posix()
    if isinstance(location, Remote) and isinstance(folder, Remote):
        return location.relative_to(folder)
    raise ValueError(f"{location} is not below {folder}")


def placed(location: Location) -> str:
    """Return what differs once a file was replaced or restored; of an object its stamp does."""
    if isinstance(location, Remote):
        return ""
    if is_tar_folder(location):
        info = tar_folder.look(location)
        return info.stamp if info else ""
    return stamps.placed(location)


def absolute(text: str, name: str, *, whole_bucket: bool = False) -> str:
    """Return a path or an address that means the same in every process.

    Args:
        text: as it was given.
        name: the option or argument, which the message names.
        whole_bucket: whether it may be the address of a whole bucket.

    Raises:
        UsageError: it is empty, no text, or an address that cannot be.
    """
    if is_address(text):
        return str(parse(text, name, whole_bucket=whole_bucket))
    return local_path.absolute(text, name)
