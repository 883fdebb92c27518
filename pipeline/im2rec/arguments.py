"""Arguments of the function `im2rec` as people give them, of the types that are needed.

Values come from configuration files and from numpy: 95.0 is a whole number, ``"3"`` is not, and
``"no"`` is not a switch, though Python would take it for true.
"""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from pipeline.errors import UsageError
from pipeline.storage.local.local_path import check_local


def whole_number(name: str, value: object) -> int:
    """Return a whole number.

    Raises:
        UsageError: it is none.
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, SupportsIndex):
        raise _refused(name, "a whole number", value)
    return operator.index(value)


def switch(name: str, value: object) -> bool:
    """Return true or false; 1 and 0 are taken for them.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool | np.bool_ | int | np.integer) and value in {0, 1}:
        return bool(value)
    raise _refused(name, "True or False", value)


def local_path(name: str, value: object) -> Path:
    """Return the path of a file or folder.

    Raises:
        UsageError: it is no path, or the address of something remote.
    """
    if not isinstance(value, str | os.PathLike):
        raise _refused(name, "a path, as str or pathlib.Path", value)
    check_local(value, name)
    return Path(value)


def _refused(name: str, expected: str, value: object) -> UsageError:
    return UsageError(
        f"{name} has a value of another type",
        expected=expected,
        found=f"{value!r} ({type(value).__name__})",
        remedy=f"give {name} as {expected}",
    )
