"""A split of ILSVRC2012, or of a set of its shape: in its archive, or unpacked in a tree."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline import digests, paths, storage
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.archives.index import ArchiveIndex
from pipeline.archives.tar import Member
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ShardmillError
from pipeline.manifest import Document
from pipeline.sources.ilsvrc2012 import devkit, members, tree
from pipeline.sources.ilsvrc2012 import expectation as expectations
from pipeline.sources.ilsvrc2012 import rows as catalog_rows
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.inputs import Archive
from pipeline.sources.source import Source
from pipeline.storage import Location
from pipeline.storage.clutter import PassedOver

_TAR = ".tar"
_AS_ONE = (
    f'name them in the configuration as one archive, `file = "{storage.TARS_OF_FOLDER}"`, without '
    "`bytes` and `md5`"
)


@dataclass(frozen=True)
class DevkitCheck:
    """The labels of a flat split are to agree with those of the devkit."""

    archive: Archive
    numbered: tuple[str, ...]
    file: Path
    table: LabelTable

    @property
    def digest(self) -> str:
        """A digest of the labels and of the devkit."""
        return digests.digest({"devkit": self.archive.md5, "numbered": list(self.numbered)})

    def run(self, file: Location) -> int:
        """Compare them with the devkit in a file, image by image."""
        known = devkit.read_labels(file, self.table)
        devkit.check_labels(known, self.numbered, file, self.file)
        return len(known)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ilsvrc2012Source(Source):
    """A split of a configured set, with its configuration and the label table."""

    config: SplitConfig
    table: LabelTable
    expected: Expectation

    @abstractmethod
    def _digested(self) -> Document:
        """Return what identifies the images themselves."""

    @abstractmethod
    def _parts(self, out: Location) -> Iterable[pa.Table]:
        """Return what there is, before it is counted."""

    @property
    def _origin(self) -> str:
        """What errors say the images lie in; empty: the archive."""
        return ""

    def identity(self) -> Document:
        """Return what identifies the images, and what of the configuration chooses and labels."""
        return {
            **self._digested(),
            "classes": self.classes,
            "counts": digests.digest(self.expected.counts),
            "labels": self.table.digest,
            "layout": self.config.layout,
            "left_out": sorted(self.expected.left_out),
            "member": self.config.member,
            "numbered": digests.digest({"wnids": self.expected.numbered}),
            "split": self.config.name,
        }

    def places(self) -> Document:
        """Return the digest of the boxes; a tree adds where its images lie."""
        return {"boxes": self.boxes.digest} if self.boxes else {}

    def made_of(self) -> dict[str, str]:
        """Return which classes, labels and images are chosen."""
        chosen, labels, left_out = self.classes, self.expected.numbered, self.expected.left_out
        return {
            "--classes": "all" if chosen is None else f"{len(chosen):,} of them, {_short(chosen)}",
            "labels": _short(list(labels)) if labels else "those of the folders",
            "--skip-blacklisted": f"{len(left_out):,} images" if left_out else "none",
        }

    def parameters(self) -> Document:
        """Return which classes, images and boxes are chosen."""
        return {
            "box_class_filter": self.boxes.filtered if self.boxes else None,
            "classes": list(self.classes) if self.classes is not None else None,
            "skip_blacklisted": bool(self.left_out),
        }

    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, sorted by key and counted; see `rows.build_catalog`."""
        return catalog_rows.build_catalog(
            self._parts(out),
            self.config,
            self.table,
            self.expected,
            self.classes,
            boxes,
            origin=self._origin,
            passed_over=lambda: self.passed_over(out),
        )

    def share(self) -> float:
        """Return the share of the images that are of the chosen classes."""
        if self.classes is None:
            return 1.0
        every = expectations.expectation(self.config, self.table, None).images
        return self.expected.images / every

    def unused(self) -> list[str]:
        """Return which lines of labels and choices of classes have no image."""
        return expectations.unused(self.config, self.expected, self.classes)

    def beside_missing(self, raw: Location) -> tuple[str, str] | None:
        """Return that tars of classes are there, as people unpack the archive, and how to go on."""
        if not self.config.by_class:
            return None
        names = sorted(storage.sizes(raw))
        tars = [
            name
            for name in names
            if storage.is_class_tar(name) and name.removesuffix(_TAR) in self.table.index
        ]
        if not tars:
            return None
        return (
            f"{len(tars):,} tars of classes, such as {tars[0]}",
            f"to read the tars of classes, {_AS_ONE}",
        )

    def find_in(self, folder: Path) -> str | None:
        """Return the folder of this split in an unpacked tree."""
        return tree.find_or_none(folder, self.config)


@dataclass(frozen=True, eq=False, kw_only=True)
class ArchiveSource(Ilsvrc2012Source):
    """The members of an archive.

    Attributes:
        origin: where the archive is copied from before it is read; None: it is read where it lies.
    """

    origin: Location | None = None

    @property
    def archive(self) -> Archive:
        """The archive."""
        return self.inputs[0]

    def _digested(self) -> Document:
        return {"archive": self.archive.md5, "archive_file": self.archive.file}

    def made_of(self) -> dict[str, str]:
        """Return the archive's name and MD5, and what is chosen."""
        return {
            "images": f"{self.archive.published} of MD5 {self.archive.md5}",
            **super().made_of(),
        }

    def described(self) -> list[Document]:
        """Return the archive's name and MD5."""
        return [{"file": self.archive.published, "md5": self.archive.md5}]

    def _parts(self, out: Location) -> Iterable[pa.Table]:
        return members.archive_rows(
            self._index(out), self.config, self.table, self.expected, self.classes
        )

    def passed_over(self, out: Location) -> PassedOver:
        """Return the clutter among the members, by the archive's index."""
        return members.passed_over(self._index(out))

    def _index(self, out: Location) -> ArchiveIndex:
        spell = paths.walked_index if self.is_walked else paths.archive_index
        return ArchiveIndex(spell(out, self.archive.file))

    def size(self) -> int:
        """Return how many bytes the archive has."""
        info = storage.stat(self.root / self.archive.file)
        if info is None and self.archive.packed:
            info = storage.stat(self.root / self.archive.packed)
        if info is None and self.archive.bytes is None and self.origin is not None:
            with contextlib.suppress(ShardmillError):  # who copies it says what is amiss
                info = storage.stat_whole(self.origin / self.archive.file)
        return info.size if info else (self.archive.bytes or 0)

    def needs(self, tar: str) -> bool:
        """Return whether what lies in a nested tar is needed: not that of an unchosen class."""
        return members.is_needed(tar, self.config, self.classes)

    def check_first(self, member: Member) -> None:
        """Check the first file of the archive against the layout."""
        members.check_first(member, self.config, self.table, self.expected, self.classes)


def _short(value: object) -> str:
    return digests.digest({"value": value})
