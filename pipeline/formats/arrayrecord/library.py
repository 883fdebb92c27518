"""The library that writes ArrayRecord files, which few installations have."""

from __future__ import annotations

import errno
import functools
import importlib
import os
from pathlib import Path
from typing import Any, Final

from pipeline.errors import EnvironmentRefused, ShardmillError
from pipeline.storage import translated

REMEDY: Final = "run pip install '.[arrayrecord]' in the checkout of shardmill"
"""How to get it."""
KNOWN: Final = "0.8.*"
"""Releases whose files are laid out as they are read back."""
OPTIONS: Final = "group_size:1,uncompressed"
"""What it is told: each record by itself, as it is."""

_MODULE: Final = "array_record.python.array_record_module"
_CODES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)


@functools.cache
def library() -> Any:
    """Load it: a module in C++, whose writer starts no thread.

    Raises:
        EnvironmentRefused: it is not installed.
    """
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise EnvironmentRefused(
            "ArrayRecord shards are written by the package array_record, which cannot be imported",
            expected=f"the module {_MODULE}",
            found=str(error),
            remedy=f"{REMEDY}, or choose another format",
        ) from error


def other_layout(footer: int, found: str) -> EnvironmentRefused:
    """Return the error of a release whose files are not laid out as they are read back.

    Args:
        footer: offset of the footer that was expected.
        found: what there was instead.
    """
    return EnvironmentRefused(
        "this release of array_record lays ArrayRecord files out in another way",
        expected=f"a footer at byte {footer}",
        found=found,
        remedy=f"run pip install 'array-record=={KNOWN}', or choose another format",
    )


def refused(error: RuntimeError, path: Path) -> ShardmillError:
    """Return this program's error for one of the library's, which only has its text.

    Args:
        error: what the writer raised.
        path: of the file.
    """
    said = str(error)
    code = next((code for code in _CODES if os.strerror(code) in said), errno.EIO)
    return translated(OSError(code, said), path)
