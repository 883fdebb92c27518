"""Reads the images of a list whose sizes nobody has noted; says what keeps one from being read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.errors import BadImage, ShardmillError, Vanished
from pipeline.im2rec.job import PackJob, check_root
from pipeline.storage import FileInfo
from pipeline.storage.closing import Closing

_LARGEST: Final = 1 << 28  # bytes of an image: half of what a record holds


class ImageFiles(Closing):
    """The files of the images that a job packs.

    Args:
        job: names their root; paths are as `PackJob.source` gives them.
    """

    def __init__(self, job: PackJob) -> None:
        self._job = job
        self._sources = storage.SourceReader(job.root)

    def path(self, source: str) -> Path:
        """Return where an image lies."""
        return self._sources.path(source)

    def announce(self, source: str) -> FileInfo | None:
        """Return size and time of an image, which the disk is asked to have ready soon.

        None: this is not known. What fails here fails once more, and is then raised, in `read`.
        """
        with contextlib.suppress(ShardmillError):
            info = self._sources.look(source)
            if info is None:
                return None
            with contextlib.suppress(ShardmillError):
                if 0 < info.size <= _LARGEST:
                    self._sources.will_need(source, 0, info.size)
            return info
        return None

    def read(self, source: str, info: FileInfo | None) -> memoryview:
        """Return the bytes of an image; the next read may overwrite them.

        Args:
            source: the image.
            info: what `announce` gave.

        Raises:
            BadImage: it is not there, is too large, or is being changed.
            UsageError: the folder of all images is not there.
            ShardmillError: the system cannot read it.
        """
        if info is None:
            info = self._look(source)
        check_bytes(info.size)
        try:
            data, size = self._sources.read_whole(source, info.size)
        except Vanished:
            info = self._look(source)
            data, size = self._sources.read_whole(source, info.size)
        if size != info.size:
            raise BadImage(
                "the image was changed while it was read",
                expected=f"{info.size:,} bytes",
                found=f"{size:,} bytes",
                remedy="leave the images alone, then run the same command again",
            )
        return data

    def close(self) -> None:
        """Close every file."""
        self._sources.close()

    def _look(self, source: str) -> FileInfo:
        """Return size and time of an image; only here is one said to be absent."""
        try:
            info = self._sources.look(source)
        except Vanished as error:  # a name that is too long, a link to itself
            raise BadImage("no such file can be there", found=error.what) from error
        if info is not None:
            return info
        check_root(self._job.root)
        kind = storage.kind(self._sources.path(source))
        if kind is not None:
            remedy = "name the file of an image in the list, or leave it out with --error-limit"
            raise BadImage("this is not the file of an image", found=f"a {kind}", remedy=remedy)
        remedy = "put it there, correct the list, or leave it out with --error-limit"
        if self._job.below_root:
            remedy += "; a name that begins with / lies below ROOT too: / as ROOT makes it absolute"
        raise BadImage("there is no such image", remedy=remedy)


def check_bytes(size: int) -> None:
    """Refuse an image of more bytes than are packed.

    Raises:
        BadImage: it has more than half of what a record holds.
    """
    if size > _LARGEST:
        raise BadImage(
            "an image too large to pack",
            expected=f"at most {_LARGEST:,} bytes",
            found=f"{size:,} bytes",
        )
