"""The scratch folder: where this host keeps files that are on their way to another place.

It is a folder of one user, with mode 0700: in a folder such as ``/scratch``, which everybody may
write to, others could put files of known names there. What lies in it has hidden temporary names,
as all staged files have, or can be fetched again. A process says once, by `use`, where it is; what
is forked from it inherits that.
"""

from __future__ import annotations

import os
import stat as stat_module
from pathlib import Path
from typing import Final

from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.storage.local import userfolders
from pipeline.storage.local.local_path import absolute
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.removalplan import plan_files
from pipeline.storage.local.temps import remove_temp, temp_files

OPTION: Final = "--scratch"

_MODE: Final = 0o700
_OTHERS: Final = 0o077
_used = [""]  # of this process, as it was given; the one place that holds it
_ready = set[Path]()


def use(folder_name: str) -> None:
    """Keep scratch files in a folder from now on; "": in one below the user's cache.

    Raises:
        UsageError: it is an address.
    """
    _used[0] = absolute(folder_name, OPTION) if folder_name else ""


def place() -> Path:
    """Return where scratch files go; nothing is looked at or made.

    Raises:
        UsageError: none was chosen, and the user has no home folder.
    """
    if _used[0]:
        return Path(_used[0]) / f"shardmill-{os.geteuid()}"
    return userfolders.cache(f"{OPTION} DIR") / "scratch"


def folder() -> Path:
    """Return where scratch files go, made with mode 0700 where it is absent.

    It is made again where somebody has removed it since. When a process asks first, temporary
    files that dead processes have left in it are removed.

    Raises:
        UsageError: none was chosen, and the user has no home folder.
        EnvironmentRefused: it belongs to somebody else.
        ShardmillError: it cannot be made.
    """
    path = place()
    if path not in _ready or not path.is_dir():
        _make(path)
        sweep_temps(path)
        _ready.add(path)
    return path


def close_around(path: Path) -> None:
    """Have the scratch folder, if a path lies in it, before anything makes the folders above that.

    Raises:
        ShardmillError: see `folder`.
    """
    try:
        inside = path.is_relative_to(place())
    except UsageError:  # without a home there is none, and so the path is not in it
        return
    if inside:
        folder()


def sweep_temps(path: Path) -> None:
    """Remove the temporary files that processes of this host which are gone have left in a folder.

    Raises:
        ShardmillError: the folder cannot be listed.
    """
    for temp in temp_files(path):
        if temp.owner_gone and not temp.is_folder:
            remove_temp(temp, plan_files(path, [temp.path]))


def _make(path: Path) -> None:
    with translate_oserrors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=_MODE)
        except FileExistsError:
            _check_own(path)


def _check_own(path: Path) -> None:
    """Check that nobody else can put files into a folder; one of this user's is closed to others.

    Raises:
        EnvironmentRefused: it is a link, no folder, or another user's.
        OSError: it cannot be looked at.
    """
    info = path.lstat()
    if not stat_module.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        raise EnvironmentRefused(
            "scratch files cannot be kept here",
            file=str(path),
            expected="a folder of this user, or nothing yet",
            found=_described(info),
            remedy=f"choose another place with {OPTION} DIR",
        )
    if info.st_mode & _OTHERS:
        path.chmod(_MODE)


def _described(info: os.stat_result) -> str:
    if stat_module.S_ISLNK(info.st_mode):
        return "a link"
    is_folder = stat_module.S_ISDIR(info.st_mode)
    return f"a folder of user {info.st_uid}" if is_folder else "no folder"
