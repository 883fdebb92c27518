"""The hashes of the files that make a page, so that one of an earlier release is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import xxhash

from pipeline import storage

_ENDINGS: Final = (".py", ".html", ".css", ".js")
SHEETS: Final = (
    *("chosen.py", "figures.py", "images.py", "places.py", "sheets.py", "tables.py"),
    "thumbnails.py",
)
"""The modules beside this one that choose images and draw sheets, and all that they use of it."""
IMAGES: Final = ("header.py", "masks.py", "reduced.py", "sampling.py")
"""The modules of images that these ask: for pixels, masks, and what is said of an image."""


@cache
def of_this_page() -> str:
    """Return the hash of the modules, templates, style and script that make the pages."""
    here = _here()
    return hash_of(here, here.with_name("duplicates"), *_reading(here))


@cache
def of_sheets() -> str:
    """Return the hash of the modules that choose images and draw sheets: no template is of them."""
    here = _here()
    return hash_of(*(here / name for name in SHEETS), *_reading(here))


def hash_of(*makers: Path) -> str:
    """Return the hash of the names and bytes of modules, and of the files of packages."""
    whole = xxhash.xxh3_128()
    for maker in makers:
        is_module = maker.suffix in _ENDINGS
        package = maker.parent if is_module else maker
        for name in [maker.name] if is_module else _files(package, ""):
            content = storage.read_bytes(package / name)
            whole.update(f"{package.name}/{name} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _here() -> Path:
    return storage.resolved(Path(__file__)).parent


def _reading(here: Path) -> tuple[Path, ...]:
    """Return what reads images from shards and decodes them to a size, and masks."""
    return here.with_name("finished"), *(here.with_name("images") / name for name in IMAGES)


def _files(package: Path, within: str) -> Iterator[str]:
    """Yield the names of the files, relative to the package, in a fixed order."""
    for entry in sorted(storage.kinds(package / within)):
        name = within + entry.name
        if entry.kind == "folder":
            yield from _files(package, f"{name}/")
        elif name.endswith(_ENDINGS):
            yield name
