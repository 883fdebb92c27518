"""The folders of this host that belong to a user: for what may be made again, and for state."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError

_PROGRAM: Final = "shardmill"


def cache(option: str) -> Path:
    """Return the folder of this program for what may be made again, which may be absent.

    It lies below ``$XDG_CACHE_HOME``, or else below ``.cache`` in the home folder.

    Args:
        option: what a message names as the way to choose another folder.

    Raises:
        UsageError: the user has no home folder, or what should lie there is no folder.
    """
    return _folder("XDG_CACHE_HOME", ".cache", option)


def state(option: str) -> Path:
    """Return the folder of this program for what stays on this host, which may be absent.

    It lies below ``$XDG_STATE_HOME``, or else below ``.local/state`` in the home folder.

    Args:
        option: what a message names as the way to choose another folder.

    Raises:
        UsageError: the user has no home folder, or what should lie there is no folder.
    """
    return _folder("XDG_STATE_HOME", ".local/state", option)


def _folder(variable: str, below_home: str, option: str) -> Path:
    named = os.environ.get(variable, "")
    if os.path.isabs(named):  # others are to be ignored, as the specification of XDG says
        return _checked(Path(named) / _PROGRAM, variable, option)
    home = os.environ.get("HOME", "") or _home_of_the_password_entry()
    if os.path.isabs(home):
        return _checked(Path(home) / below_home / _PROGRAM, variable, option)
    raise UsageError(
        "this user has no home folder",
        expected=f"an absolute path in ${variable} or $HOME, or one in the password entry",
        found=f"${variable} {named!r}, home {home!r}",
        remedy=f"give {option}",
    )


def _checked(folder: Path, variable: str, option: str) -> Path:
    """Return a folder that is there, or can be made as far as what is above it says."""
    first = next(each for each in (folder, *folder.parents) if os.path.exists(each))
    if not os.path.isdir(first):
        raise UsageError(
            "this user's own files cannot lie below what is no folder",
            file=str(first),
            expected=f"a folder, for {folder}, by ${variable} or the home folder",
            remedy=f"give {option}",
        )
    return folder


def _home_of_the_password_entry() -> str:
    """Return the home folder where no variable names it, as in a job of cron; "": none."""
    with contextlib.suppress(KeyError):  # a number without a name, as containers have
        return pwd.getpwuid(os.geteuid()).pw_dir
    return ""
