"""The folder of one class in a classic tree: what stands there, and what is made for it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline import storage
from pipeline.errors import EnvironmentRefused, InputRefused, OutputConflict
from pipeline.storage import clutter


class ImageRow(NamedTuple):
    """Where an image lies and where it goes; sorted as they lie in their sources.

    Attributes:
        source: the file that holds it.
        offset: bytes from the start of that file.
        length: bytes.
        folder: of its class.
        name: of its file.
    """

    source: str
    offset: int
    length: int
    folder: str
    name: str


class ClassFolder:
    """The folder of one class: what stands there, and what is being made for it.

    Args:
        path: the folder; it may be absent.
        names: of the files that belong there.
        sources: where images are read and linked from.
        transfer: how they get there, of `TRANSFERS`.
        stack: discards what was staged and not published.

    Raises:
        OutputConflict: something stands there that does not belong there; from `take`, when an
            image is moved onto a different one.
    """

    def __init__(
        self,
        path: Path,
        names: set[str],
        sources: storage.Sources,
        transfer: str,
        stack: ExitStack,
    ) -> None:
        self.path = path
        self.staged: storage.StagedFolder | None = None
        self._sources = sources
        self._transfer = transfer
        self._stack = stack
        present = storage.entries(path)
        self._check(present, names)
        self._sizes = storage.sizes(path)
        self._links = {entry.name for entry in present} - self._sizes.keys()
        # Beside what is there, and through a link, files can only go one by one.
        self._merge = bool(present or storage.pointed(path))

    def take(self, image: ImageRow, data: memoryview) -> None:
        """Make an image's file, unless it stands."""
        if self._stands(image, data):
            return
        if self._transfer == "move" and image.name in self._sizes:
            raise OutputConflict(
                "two different images have one name, and none may be lost",
                file=str(self._sources.path(image.source)),
                expected=f"what is in {self.path / image.name}",
                found="something else",
                remedy="look at both, and remove one of them",
            )
        if self.staged is None:
            staged = storage.StagedFolder(self.path, merge=self._merge)
            self.staged = self._stack.enter_context(staged)
        if self._transfer == "copy" or not self._linked(self.staged, image):
            self.staged.write(image.name, data)

    def _linked(self, staged: storage.StagedFolder, image: ImageRow) -> bool:
        source = storage.on_this_machine(self._sources.path(image.source))
        if self._transfer == "symlink":
            staged.symlink(image.name, source)
            return True
        linked = staged.hard_link(image.name, source)
        if not linked and self._transfer == "link":
            raise EnvironmentRefused(
                "the file can have no hard link there",
                file=str(source),
                place=str(self.path),
                expected="both on one file system that knows hard links, and the file your own",
                remedy="say --transfer copy or --transfer symlink",
            )
        return linked

    def _stands(self, image: ImageRow, data: memoryview) -> bool:
        path = self.path / image.name
        if image.name in self._links:
            # A link does not outlive what it leads to.
            source = storage.on_this_machine(self._sources.path(image.source))
            return self._transfer != "move" and storage.resolved(path) == storage.resolved(source)
        same_size = self._sizes.get(image.name) == len(data)
        return same_size and storage.read_bytes(path) == bytes(data)

    def _check(self, present: Sequence[storage.Entry], names: set[str]) -> None:
        misfits = {
            self.path / entry.name: entry.kind
            for entry in present
            if entry.name not in names or entry.kind in {"folder", "special file"}
            if not clutter.is_clutter(entry.name)
        }
        kind = storage.kind(self.path)
        if kind not in {None, "folder"} or (kind is None and storage.pointed(self.path)):
            misfits[self.path] = "file"
        for path, kind in sorted(misfits.items()):
            raise OutputConflict(
                "something that does not belong there stands in the tree",
                file=str(path),
                expected=f"a folder of the {len(names)} images of {self.path.name}, no others",
                found=f"a {kind}",
                remedy="move it away, or choose another --out",
            )


def check_names(rows: pa.Table, root: Path) -> None:
    """Check that no two images of a class have one name.

    Args:
        rows: of images, with the columns `folder`, `name` and `key`.
        root: the folder of the class folders.

    Raises:
        InputRefused: two have.
    """
    places = pa.table([rows["folder"], rows["name"]], ["folder", "name"])
    count = places.group_by(["folder", "name"]).aggregate([]).num_rows
    if count == rows.num_rows:
        return
    seen: dict[tuple[str, str], str] = {}
    columns = (rows[name].to_pylist() for name in ("folder", "name", "key"))
    for folder, name, key in zip(*columns, strict=True):
        other = seen.setdefault((folder, name), key)
        if other != key:
            raise InputRefused(
                "two images of one class would have one name in its folder, and none may be lost",
                file=str(root / folder / name),
                expected="one image of that name",
                found=_named_alike(other, key),
                remedy="rename one of them, or leave out what needs class folders",
            )


def _named_alike(one: str, other: str) -> str:
    """Return two names, with what tells them apart if that cannot be seen."""
    if unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other):
        return f"{one} and {other}"
    return f"{one!a} and {other!a}, which differ in Unicode normalisation only"
