"""Which local copies of remote objects are kept, and for how long."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from pipeline.storage.local.deleting import carry_out
from pipeline.storage.local.listing import scan, stat
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.removalplan import plan_files
from pipeline.storage.local.temps import remove_temp, temp_files

KEPT_S: Final = 24 * 3600.0
"""Seconds after which a copy that nobody reads is removed."""

_TOUCHED_S: Final = 600.0  # one that was said to be in use so lately is not touched again
_NS: Final = 1_000_000_000


def is_kept(path: Path, size: int | None = None) -> bool:
    """Whether there is a copy, of this size if one is given; if so, it is said to be in use."""
    info = stat(path)
    if info is None or (size is not None and info.size != size):
        return False
    if _age_s(int(info.stamp)) > _TOUCHED_S:
        with translate_oserrors(path):
            try:
                os.utime(path)
            except FileNotFoundError:  # it was removed in this moment
                return False
    return True


def sweep(folder: Path) -> None:
    """Remove the copies that nobody has read for long, and what dead processes have left."""
    for temp in temp_files(folder):
        if temp.owner_gone:
            remove_temp(temp, plan_files(folder, [temp.path]))
    old = list[Path]()
    for entry in scan(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.name[0] != "." and _age_s(entry.stat().st_mtime_ns) > KEPT_S:
                old.append(folder / entry.name)
    carry_out(plan_files(folder, old))


def _age_s(modified_ns: int) -> float:
    return (time.time_ns() - modified_ns) / _NS
