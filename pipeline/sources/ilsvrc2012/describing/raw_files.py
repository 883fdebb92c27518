"""The files of a folder of archives: which are tars, packed, texts, or nothing of use."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

from pipeline import names, storage
from pipeline.archives import signatures
from pipeline.archives.decompression import packing_of
from pipeline.archives.tarheader import BLOCK, Malformed, parse_header
from pipeline.sources.ilsvrc2012.describing import label_lists
from pipeline.storage.clutter import is_clutter

_LIKE_AN_ARCHIVE: Final = re.compile(
    r"\.(?:tar(?:\.\w{1,5})?|t[gbx]z2?|zip|gz|bz2|xz|zst|7z|rar)\Z", re.IGNORECASE
)
_ZEROS: Final = bytes(BLOCK)


@dataclass(frozen=True)
class RawFiles:
    """The files of a folder, by what they are; each group sorted by name.

    Attributes:
        tars: plain tars.
        packed: what is packed as a whole, see `decompression.PACKINGS`.
        texts: files that may be lists of labels.
        refused: what is called as an archive is, or is one, and cannot be read -> why.
        others: names of all other files.
        folders: names of the folders.
        tar_folders: folders of class tars, by the names that they are read by as one tar.
    """

    tars: tuple[Path, ...]
    packed: tuple[Path, ...]
    texts: tuple[Path, ...]
    refused: dict[str, str]
    others: tuple[str, ...]
    folders: tuple[str, ...]
    tar_folders: tuple[Path, ...] = ()

    @property
    def has_archives(self) -> bool:
        """Whether there is an archive that can be described, or a folder of tars."""
        return bool(self.tars or self.packed or self.tar_folders)


def look(raw: Path, is_written: Callable[[Path], bool]) -> RawFiles:
    """Look at the first bytes of each file of a folder.

    Args:
        raw: the folder.
        is_written: whether a file is one that the description goes into, and none of the data.
    """
    groups: dict[str, list[Path]] = {"tar": [], "packed": [], "text": [], "other": []}
    refused, folders, class_tars = dict[str, str](), list[str](), list[str]()
    for entry in sorted(storage.entries(raw), key=attrgetter("name")):
        path = raw / entry.name
        if is_clutter(entry.name) or is_written(path):
            continue
        if entry.kind == "folder":
            folders.append(entry.name)
        elif storage.is_class_tar(entry.name) and entry.kind == "file":
            class_tars.append(entry.name)
        elif flaw := _flaw(entry.name, entry.kind):
            refused[entry.name] = flaw
        else:
            group, why = _group(path)
            if why:
                refused[entry.name] = why
            else:
                groups[group].append(path)
    of_tars = [name for name in folders if _is_of_tars(raw / name)]
    tar_folders = [raw / f"{name}{storage.TAR_FOLDER}" for name in of_tars]
    if class_tars:
        tar_folders.append(raw / storage.TARS_OF_FOLDER)
    return RawFiles(
        tuple(groups["tar"]),
        tuple(groups["packed"]),
        tuple(groups["text"]),
        refused,
        tuple(path.name for path in groups["other"]),
        tuple(name for name in folders if name not in of_tars),
        tuple(tar_folders),
    )


def _is_of_tars(folder: Path) -> bool:
    """Whether a folder holds tars, and no image or folder beside them."""
    entries = [each for each in storage.kinds(folder) if not is_clutter(each.name)]
    tars = [each for each in entries if each.kind == "file" and each.name.endswith(".tar")]
    others = [each for each in entries if not each.name.endswith((".tar", label_lists.SUFFIX))]
    return bool(tars) and not others


def _flaw(name: str, kind: str) -> str:
    """Return why something in the folder can be no archive; "": it can."""
    if kind != "file":
        return f"neither a file nor a folder: {kind}"
    try:
        return names.file_flaw(name)
    except UnicodeEncodeError:
        return "its name is not UTF-8"


def _group(path: Path) -> tuple[str, str]:
    """Return what a file is by its first bytes, or why it cannot be read as an archive."""
    with storage.open_ranges(path) as reader:
        head = bytes(reader.read(0, max(BLOCK, signatures.HEAD_BYTES)))
    if packing_of(head) is not None:
        return "packed", ""
    if _is_tar(head):
        return "tar", ""
    like_one = _LIKE_AN_ARCHIVE.search(path.name) is not None
    foreign = signatures.recognise(head)
    if foreign is not None and (foreign.unpack is not None or like_one):
        return "", f"{foreign.kind}, and no tar archive: {_remedy(foreign, path.name)}"
    if like_one:
        return "", "no tar archive by its first bytes" if head else "an empty file"
    is_text = path.name.lower().endswith(label_lists.SUFFIX)
    return ("text" if is_text else "other"), ""


def _remedy(foreign: signatures.Foreign, name: str) -> str:
    if foreign.unpack is None:
        return foreign.cause
    command = foreign.unpack.format(file=shlex.quote(name))
    return f"unpack it, `{command}`; images are read out of a plain tar"


def _is_tar(head: bytes) -> bool:
    if len(head) < BLOCK:
        return False
    if head == _ZEROS:
        return True  # one without a member
    try:
        parse_header(head)
    except Malformed:
        return False
    return True
