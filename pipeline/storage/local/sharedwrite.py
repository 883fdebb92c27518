"""A staged file that several processes write, each at the places that it is told."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.storage.closing import Closing
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.staging import Buffer
from pipeline.storage.location import Location


class SharedFile(Closing):
    """A file that another process has staged and will publish, opened to write parts of it.

    The places are that process's business: parts that do not overlap need no lock. It syncs them
    with all the rest, see `publish`.

    Args:
        temp: `StagedFile.temp`.
        path: `StagedFile.path`, which errors name; of an object they name `temp`.
    """

    def __init__(self, temp: Path, path: Location) -> None:
        self.path = path if isinstance(path, Path) else temp
        with translate_oserrors(self.path):
            self._fd = os.open(temp, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of `data` from a place, in bytes, that may lie behind the end.

        The disk is set to work on it at once, so that little is left when the file is synced.

        Raises:
            NoSpace: it does not fit.
        """
        view, end = memoryview(data), offset
        with translate_oserrors(self.path):
            while view:
                written = os.pwrite(self._fd, view, end)
                view, end = view[written:], end + written
            if hasattr(os, "posix_fadvise"):  # Linux begins to write what it cannot drop yet
                os.posix_fadvise(self._fd, offset, end - offset, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Close the file."""
        try:
            os.close(self._fd)
        except OSError as error:
            raise translated(error, self.path) from error
