"""The configuration of Open Images: versions, splits, and the files that they are read from.

The form is documented by the comments of ``config/openimages.toml``. Unknown keys, wrong types
and files that the table of files does not have are refused, each with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline import resources, storage
from pipeline.errors import UsageError
from pipeline.job.choices import say_meant
from pipeline.sources.openimages import file_table
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.places import DIGITS, SPLITS
from pipeline.sources.strict_toml import StrictToml, read_configuration

SHIPPED: Final = "config/openimages.toml"
_ID, _DIGIT = "{id}", "{digit}"
_VERSION_FILES: Final = ("classes", "segmentation_classes", "hierarchy")
_CSV_FILES: Final = ("boxes", "masks", "labels", "images")


@dataclass(frozen=True)
class Version:
    """The names of the classes in one version.

    Attributes:
        name: such as ``v6``.
        classes: CSV of MIDs and names.
        segmentation_classes: the MIDs that have masks, a line each.
        hierarchy: JSON of parents and children.
    """

    name: str
    classes: PublishedFile
    segmentation_classes: PublishedFile
    hierarchy: PublishedFile


@dataclass(frozen=True)
class SplitFiles:
    """What a split is read from; None and {}: the configuration names no such file.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        key: of an image in the bucket, with ``{id}`` for its ImageID.
        boxes: CSV of boxes.
        masks: CSV of masks.
        labels: CSV of labels of whole images that people have verified.
        images: CSV of authors, licences and rotations.
        mask_archives: zip files, by the first digit of the ImageIDs.
    """

    name: str
    key: str
    boxes: PublishedFile | None
    masks: PublishedFile | None
    labels: PublishedFile | None
    images: PublishedFile | None
    mask_archives: Mapping[str, PublishedFile]

    def image_key(self, image_id: str) -> str:
        """Return the key of an image in the bucket."""
        return self.key.replace(_ID, image_id)


@dataclass(frozen=True)
class OpenImagesConfig:
    """A whole configuration file; `path` is where it was read.

    Attributes:
        path: of the file.
        dataset: what it calls the data set.
        bucket: an address, or the path of a folder.
        files: all published files, by name.
        versions: by name, the default first.
        splits: by name.
    """

    path: Path
    dataset: str
    bucket: str
    files: Mapping[str, PublishedFile]
    versions: Mapping[str, Version]
    splits: Mapping[str, SplitFiles]

    def version(self, name: str = "") -> Version:
        """Return a version by its name; "": the default.

        Raises:
            UsageError: there is none of this name.
        """
        chosen = self.versions.get(name or next(iter(self.versions)))
        if chosen is None:
            raise UsageError(
                "there is no such version of Open Images",
                file=str(self.path),
                expected=", ".join(self.versions),
                found=name,
                remedy=say_meant(name, self.versions),
            )
        return chosen

    def split(self, name: str) -> SplitFiles:
        """Return a split by its name.

        Raises:
            UsageError: there is none of this name.
        """
        if name not in self.splits:
            raise UsageError(
                "there is no such split",
                file=str(self.path),
                expected=", ".join(self.splits),
                found=name,
                remedy=say_meant(name, self.splits),
            )
        return self.splits[name]


def load(path: Path | None = None) -> OpenImagesConfig:
    """Read a configuration file.

    Args:
        path: the file; None: the one that is shipped.

    Raises:
        ConfigError: it is absent, too large, no TOML, or not of the documented form.
    """
    path = path or resources.shipped(SHIPPED)
    text, document = read_configuration(path, "Open Images")
    return _Reader(path, text).config(document)


@dataclass(frozen=True)
class _Reader(StrictToml):
    def config(self, document: dict[str, Any]) -> OpenImagesConfig:
        top = self.table(document, "", {"dataset", "files", "bucket", "versions", "splits"})
        files = file_table.read(self.relative(top, "", "files"))
        versions = dict[str, Version]()
        for name, value in self.sections(top, "versions", "[versions.NAME]"):
            first = next(iter(versions.values()), None)
            versions[name] = self.version(name, value, files, first)
        splits = {
            name: self.split(name, value, files)
            for name, value in self.sections(top, "splits", "[splits.NAME]")
        }
        return OpenImagesConfig(
            path=self.path,
            dataset=self.value(top, "", "dataset", str),
            bucket=self.bucket(top),
            files=files,
            versions=versions,
            splits=splits,
        )

    def sections(self, top: dict[str, Any], key: str, expected: str) -> list[tuple[str, object]]:
        sections: dict[str, object] = self.value(top, "", key, dict)
        if not sections:
            raise self.error(f"there is no section of {key}", "", key, expected, "none")
        return list(sections.items())

    def bucket(self, top: dict[str, Any]) -> str:
        """Return an address as it is, and a folder as an absolute path."""
        text: str = self.value(top, "", "bucket", str)
        if re.fullmatch(r"(https?|s3)://[^\s/]+(/\S*)?", text):
            return text
        if not text or "://" in text:
            what, expected = "bucket is no place", "https://HOST, s3://BUCKET, or a folder"
            raise self.error(what, "", "bucket", expected, repr(text))
        return storage.absolute(str(self.path.parent / text), "bucket")

    def version(
        self,
        name: str,
        value: object,
        files: Mapping[str, PublishedFile],
        first: Version | None,
    ) -> Version:
        where = f"versions.{name}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            what, expected = f"[{where}] is no usable name", "letters, digits, ., _ and -"
            raise self.error(what, "versions", name, expected, name)
        required = set() if first else set(_VERSION_FILES)
        table = self.table(value, where, required, _VERSION_FILES)
        chosen = {
            key: self.file(table, where, key, files) if key in table else getattr(first, key)
            for key in _VERSION_FILES
        }
        return Version(name=name, **chosen)

    def split(self, name: str, value: object, files: Mapping[str, PublishedFile]) -> SplitFiles:
        where = f"splits.{name}"
        if name not in SPLITS:
            what = f"[{where}] is no split of Open Images"
            raise self.error(what, "splits", name, ", ".join(SPLITS), name)
        table = self.table(value, where, {"key"}, {*_CSV_FILES, "mask_archives"})
        if not {"boxes", "masks", "labels"} & table.keys():
            what, expected = f"[{where}] has nothing to choose images by", "boxes, masks or labels"
            raise self.error(what, where, "key", expected, ", ".join(table))
        if ("masks" in table) != ("mask_archives" in table):
            what = f"[{where}] must name both masks and mask_archives, or neither"
            raise self.error(what, where, "masks", "both or neither", "one of them")
        chosen = {
            key: self.file(table, where, key, files) if key in table else None for key in _CSV_FILES
        }
        archives = self.archives(table, where, files) if "mask_archives" in table else {}
        return SplitFiles(name=name, key=self.key(table, where), mask_archives=archives, **chosen)

    def key(self, table: dict[str, Any], where: str) -> str:
        key: str = self.value(table, where, "key", str)
        parts = key.split("/")
        if key.count(_ID) != 1 or not {"", ".", ".."}.isdisjoint(parts) or not key.isprintable():
            what = f"[{where}] key does not say where an image is"
            expected = f"names joined by slashes, with {_ID} in them once"
            raise self.error(what, where, "key", expected, repr(key))
        return key

    def file(
        self, table: dict[str, Any], where: str, key: str, files: Mapping[str, PublishedFile]
    ) -> PublishedFile:
        name: str = self.value(table, where, key, str)
        return self.published(name, where, key, files)

    def archives(
        self, table: dict[str, Any], where: str, files: Mapping[str, PublishedFile]
    ) -> dict[str, PublishedFile]:
        name: str = self.value(table, where, "mask_archives", str)
        if name.count(_DIGIT) != 1:
            what = f"[{where}] mask_archives does not say which digit an archive is of"
            raise self.error(what, where, "mask_archives", f"a name with {_DIGIT}", repr(name))
        return {
            digit: self.published(name.replace(_DIGIT, digit), where, "mask_archives", files)
            for digit in DIGITS
        }

    def published(
        self, name: str, where: str, key: str, files: Mapping[str, PublishedFile]
    ) -> PublishedFile:
        if name not in files:
            what = f"[{where}] {key} is not in the table of files"
            raise self.error(what, where, key, "the last name of a path in it", repr(name))
        return files[name]
