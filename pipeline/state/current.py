"""The finished output that `current` names: what a training script reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline import manifest, paths, storage
from pipeline.documents.listed import ListedShards
from pipeline.errors import OutputDamaged, UsageError
from pipeline.names import meant
from pipeline.storage import Location

REMEDY: Final = "run the shardmill command again: it makes what is missing and keeps the rest"


class NamedFile(Protocol):
    """What a manifest says of a file: its name relative to the manifest, and its size."""

    @property
    def file(self) -> str:
        """The name."""

    @property
    def bytes(self) -> int:
        """The size."""


@dataclass(frozen=True)
class CurrentOutput:
    """A finished output, by its manifest.

    Attributes:
        folder: where its files lie. A command that finishes another one later changes what
            `current` names, and not this.
        listed: its shards and all of its files.
    """

    folder: Location
    listed: ListedShards


def find(
    out: Location, shard_format: str, split: str, formats: Iterable[str] = ()
) -> CurrentOutput:
    """Return the output of a split that is current, if it is finished.

    Of its files nothing is asked; see `check_sizes`.

    Args:
        out: the output folder of the shardmill command.
        shard_format: in which format.
        split: of which split.
        formats: those that are looked for where there is nothing in this one.

    Raises:
        UsageError: there is no such split or nothing in such a format, but there are others.
        OutputDamaged: the output is not finished, is being withdrawn, or its manifest is damaged.
    """
    folder = _folder(out, shard_format, split)
    path = paths.manifest(folder)
    if storage.stat(path) is None:
        raise _missing(out, shard_format, split, formats)
    if storage.stat(paths.withdrawal(out)) is not None:
        raise OutputDamaged(
            "outputs are being withdrawn, because an image was replaced",
            file=str(out),
            remedy="run the shardmill command again: it makes those anew that hold the image",
        )
    return CurrentOutput(folder, manifest.read(path, ListedShards))


def check_sizes(folder: Location, files: Iterable[NamedFile]) -> None:
    """Check that files of an output are there with the sizes that its manifest says.

    There is one listing of each folder that they lie in.

    Raises:
        OutputDamaged: one is not.
    """
    listings: dict[str, dict[str, int]] = {}
    for entry in files:
        below, _, name = entry.file.rpartition("/")
        if below not in listings:
            listings[below] = storage.sizes(folder / below if below else folder)
        size = listings[below].get(name)
        if size != entry.bytes:
            raise OutputDamaged(
                "a file is not as the manifest says",
                file=str(folder / entry.file),
                expected=f"{entry.bytes} bytes",
                found="no such file" if size is None else f"{size} bytes",
                remedy=REMEDY,
            )


def _folder(out: Location, shard_format: str, split: str) -> Location:
    """Return the folder that `current` names, or is: a copy may have a folder in its place."""
    current = paths.current(out, shard_format, split)
    digest = storage.pointed(current)
    if digest is not None and paths.is_digest(digest):
        return paths.output(out, shard_format, split, digest)
    return storage.real_folder(current) or current


def _missing(
    out: Location, shard_format: str, split: str, formats: Iterable[str]
) -> UsageError | OutputDamaged:
    """Return why there is no finished output: what is there says whether another was meant."""
    splits = storage.folders(paths.outputs(out, shard_format, split).parent)
    if splits and split not in splits:
        likely = meant(split, splits)
        return UsageError(
            f"there is no split {split!r} here",
            file=str(out),
            expected=", ".join(splits),
            found=split,
            remedy=f"say {likely!r}"
            if likely
            else "name one of these, or run the shardmill command again if it is still to be made",
        )
    others = [] if splits else sorted({*formats}.intersection(storage.folders(out)))
    if others:
        return UsageError(
            f"there is nothing in the format {shard_format} here",
            file=str(out),
            expected=", ".join(others),
            found=shard_format,
            remedy=f"say --format {others[0]}",
        )
    return OutputDamaged(
        "the output has no manifest: it was not finished, or is not here",
        file=str(paths.manifest(paths.current(out, shard_format, split))),
        expected=f"a finished split {split!r}",
        found=f"splits begun: {', '.join(splits) or 'none'}",
        remedy=REMEDY,
    )
