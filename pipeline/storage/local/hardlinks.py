"""One file under a second name: a hard link, which needs no room and no byte to be read."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

from pipeline.storage.local.deleting import discard_second_name
from pipeline.storage.local.oserrors import translated
from pipeline.storage.local.staging import sync_folder
from pipeline.storage.local.tempnames import temp_path

UNLINKABLE: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
)
"""What systems say where a file cannot have one more name: on another file system, on one without
hard links, of a file of another user, or of one that has as many names as it may have."""
_UNDONE: Final = UNLINKABLE | {errno.ENOENT}  # the file is gone, or the link was swept up


def hard_link(source: Path, target: Path) -> bool:
    """Have `target` be the file that `source` is, replacing what is there, atomically and durably.

    Args:
        source: a file that nobody writes to any more.
        target: its second name; the folder is made.

    Returns:
        Whether it is; where it cannot be, or `source` is gone, or is no file but a link to one,
        nothing has changed.

    Raises:
        ShardmillError: the folder of `target` cannot be written to.
    """
    temp = temp_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, temp, follow_symlinks=False)
            if not stat.S_ISREG(os.lstat(temp).st_mode):
                return False
            os.replace(temp, target)
        except OSError as error:
            if error.errno in _UNDONE:
                return False
            raise
        finally:
            # Where `target` was that file already, to rename does nothing, and the link stays.
            with contextlib.suppress(OSError):
                discard_second_name(temp, source)
        sync_folder(target.parent)
    except OSError as error:
        raise translated(error, target) from error
    return True
