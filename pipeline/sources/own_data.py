"""Describes data that nobody has described: the door to the source that takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from pipeline import resources, storage
from pipeline.errors import OutputConflict
from pipeline.sources.ilsvrc2012 import dataset as configuration
from pipeline.sources.ilsvrc2012.describing import description
from pipeline.sources.ilsvrc2012.describing.description import Description

__all__ = ["Description", "copy_shipped", "describe", "write"]

_SHIPPED = "config/ilsvrc2012.toml"


def describe(
    raw: Path, name: str, written: Collection[Path], tell: Callable[[str, int, int], None]
) -> Description:
    """Describe a folder of archives; arguments and errors as of `description.describe`."""
    return description.describe(raw, name, written, tell)


def copy_shipped(folder: Path) -> list[Path]:
    """Write the shipped configuration and the files that it names into a folder.

    Returns:
        where they lie, the configuration first.

    Raises:
        OutputConflict: a file of other contents is there.
    """
    shipped = resources.shipped(_SHIPPED)
    above = shipped.parent
    names = [storage.relative(path, above) for path in (shipped, *_named(shipped))]
    files = {folder / name: storage.read_bytes(above / name) for name in names}
    remedy = "move it away, or give another folder"
    write(dict(reversed(files.items())), replace=False, remedy=remedy)
    return list(files)


def write(files: Mapping[Path, bytes], *, replace: bool, remedy: str) -> None:
    """Write files, in their order; those that hold the same already are left as they are.

    Args:
        files: path -> content; what names the others comes last.
        replace: whether files of other contents are replaced.
        remedy: what to do where one is there and is not replaced.

    Raises:
        OutputConflict: a file of other contents is there, and nothing was written; or what is
            there is no file.
    """
    targets = {storage.output_file(path): content for path, content in files.items()}
    there = [path for path in targets if storage.stat(path) is not None]
    same = {path for path in there if storage.read_bytes(path) == targets[path]}
    for path in there:
        if not replace and path not in same:
            raise OutputConflict(
                "a file of other contents is there",
                file=str(path),
                expected="nothing, or the same bytes",
                remedy=remedy,
            )
    for path, content in targets.items():
        if path not in same:
            storage.publish_bytes(path, content)


def _named(config: Path) -> Iterator[Path]:
    read = configuration.load(config)
    yield read.label_table
    for split in read.splits.values():
        yield from (path for path in (split.labels, split.blacklist) if path is not None)
