"""The hash of the files that make a page, so that a page of an earlier release is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import xxhash

from pipeline import storage

_ENDINGS: Final = (".py", ".html", ".css", ".js")


@cache
def of_this_page() -> str:
    """Return the hash of the modules, templates, style and script that make the pages."""
    here = storage.resolved(Path(__file__)).parent
    return hash_of(here, *map(here.with_name, ("duplicates", "finished")))


def hash_of(*packages: Path) -> str:
    """Return the hash of the names and bytes of the files of packages that make a page."""
    whole = xxhash.xxh3_128()
    for package in packages:
        for name in _files(package, ""):
            content = storage.read_bytes(package / name)
            whole.update(f"{package.name}/{name} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _files(package: Path, within: str) -> Iterator[str]:
    """Yield the names of the files, relative to the package, in a fixed order."""
    for entry in sorted(storage.kinds(package / within)):
        name = within + entry.name
        if entry.kind == "folder":
            yield from _files(package, f"{name}/")
        elif name.endswith(_ENDINGS):
            yield name
