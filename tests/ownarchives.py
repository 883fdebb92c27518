"""Archives of one's own that nobody has described: tars of any names, drawn for tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from drawnlists import encoded

CLASSES = {"bee keepers": 3, "Ägel": 2, "zz_9": 4}
"""Class -> how many images it has in `lay_classes`."""


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Pack members in the order given."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def images(count: int, name: str = "{}.jpg", first: int = 1) -> dict[str, bytes]:
    """Draw images with numbered names."""
    return {name.format(number): encoded(number) for number in range(first, first + count)}


def class_tars(counts: Mapping[str, int] = CLASSES) -> bytes:
    """Return a tar of class tars."""
    return tar_of(
        {f"{name}.tar": tar_of(images(count, f"{name} {{}}.jpg")) for name, count in counts.items()}
    )


def class_folders(counts: Mapping[str, int] = CLASSES, above: str = "set/") -> bytes:
    """Return a tar of class folders."""
    return tar_of(
        {
            f"{above}{name}/{leaf}": content
            for name, count in counts.items()
            for leaf, content in images(count, f"{name} {{}}.jpg").items()
        }
    )


def lay(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
