"""Reads one picture from where a catalog says that it lies, and does not trust what has changed."""

from __future__ import annotations

from pipeline import storage
from pipeline.errors import ArchiveRefused, TreeRefused


def read_picture(
    sources: storage.SourceReader,
    key: str,
    where: tuple[str, int, int],
    *,
    whole_file: bool,
) -> memoryview:
    """Return the bytes of a picture; the next read may overwrite them.

    Args:
        sources: reads them.
        key: what errors call the picture.
        where: its source, its offset there and its length, in bytes.
        whole_file: whether it is a file by itself, as in a tree.

    Raises:
        TreeRefused: the file is not as long any more as when the tree was listed.
        ArchiveRefused: the archive ends before the picture does.
    """
    source, offset, length = where
    data = sources.read(source, offset, length)
    if whole_file:
        size = len(data) if len(data) < length else sources.now(source).size
        if size != length:
            raise TreeRefused(
                "the picture has changed since the tree was listed",
                file=str(sources.path(source)),
                expected=f"{length} bytes",
                found=f"{size} bytes",
                remedy="leave the tree alone, then run the same command again: it is listed anew",
            )
    elif len(data) != length:
        raise ArchiveRefused(
            "the file ends before an image that it should hold",
            file=str(sources.path(source)),
            place=f"{key}, offset {offset}",
            expected=f"{length} bytes",
            found=f"{len(data)} bytes",
            remedy="the file changed after it was verified: get it again",
        )
    return data
