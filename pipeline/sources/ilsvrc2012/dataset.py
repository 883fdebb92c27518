"""Dataset configurations: a TOML file that says which archives make which splits.

The form is documented by the comments of ``config/ilsvrc2012.toml``. Unknown keys, wrong types
and dangling references are refused, each with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import names, paths
from pipeline.archives.decompression import plain_name
from pipeline.names import meant
from pipeline.sources.ilsvrc2012.member_names import NoPattern, check_pattern
from pipeline.sources.inputs import NO_MD5, PLAIN, Archive
from pipeline.sources.strict_toml import StrictToml, read_configuration, shown_value

LAYOUTS = ("class-tars", "flat")
MAX_IMAGES = 20_000_000
"""Of a flat split."""
MAX_SHARDS = 1_000_000
"""Of a split."""


@dataclass(frozen=True)
class SplitConfig:
    """How one split lies in its archive.

    Attributes:
        name: e.g. ``train``.
        archive: the archive's published file name.
        folder: the split's folder in trees of images.
        layout: ``class-tars`` or ``flat``.
        shards: default number of shards.
        counts: expected images per class: ``labels:COLUMN`` or a path; None for flat splits
            that expect the images 1..`images`, and where nothing says it.
        member: flat only: regular expression of a member, its group the image's number.
        labels: flat only: path of the list whose line n is the WNID of image n; None: nobody
            knows the classes.
        images: flat only: the number of images, each of 1..images once.
        blacklist: flat only: path of a list of images' numbers, for `Job.skip_blacklisted`.
        boxes: name of the archive of bounding boxes.
        optional: prepared only when its name, or its archive's, is given.
        counted: images per class as the first pass has counted them, where nothing else says it.
    """

    name: str
    archive: str
    folder: str
    layout: str
    shards: int
    counts: str | None = None
    member: str | None = None
    labels: Path | None = None
    images: int | None = None
    blacklist: Path | None = None
    boxes: str | None = None
    optional: bool = False
    counted: tuple[tuple[str, int], ...] | None = None

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many images it has."""
        return (self.counts, self.images, self.counted) != (None, None, None)

    @property
    def by_class(self) -> bool:
        """Whether images and annotations lie in archives or folders of their classes."""
        return self.layout == LAYOUTS[0]

    @property
    def has_classes(self) -> bool:
        """Whether anybody knows the classes of its images."""
        return self.by_class or self.labels is not None


@dataclass(frozen=True)
class DatasetConfig:
    """A whole configuration file; `path` is where it was read."""

    path: Path
    dataset: str
    label_table: Path
    archives: Mapping[str, Archive]
    optional: Mapping[str, Archive]
    splits: Mapping[str, SplitConfig]

    @property
    def says_all(self) -> bool:
        """Whether it says the MD5 of every archive, and how many images every split has."""
        archives = (*self.archives.values(), *self.optional.values())
        return all(archive.md5 != NO_MD5 for archive in archives) and all(
            split.is_counted for split in self.splits.values()
        )

    def named(self, name: str) -> Archive:
        """Return the archive that the configuration calls `name`."""
        return {**self.archives, **self.optional}[name]

    def archive(self, file: str) -> Archive:
        """Return the archive with this published file name."""
        every = [*self.archives.values(), *self.optional.values()]
        return next(archive for archive in every if archive.file == file)


def is_folder_name(name: str) -> bool:
    """Whether a split's folder may be called so."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None


def load(path: Path, taken: Iterable[str] = ()) -> DatasetConfig:
    """Read a configuration file.

    Args:
        path: the file.
        taken: names that no folder of a split may have, besides `paths.LISTS`.

    Raises:
        ConfigError: the file is absent, too large, no TOML, or not of the documented form.
    """
    text, document = read_configuration(path, "ILSVRC2012")
    return _Reader(path, text, frozenset({paths.LISTS, *taken})).dataset(document)


@dataclass(frozen=True)
class _Reader(StrictToml):
    taken: frozenset[str]

    def dataset(self, document: dict[str, Any]) -> DatasetConfig:
        top = self.table(document, "", {"dataset", "labels", "archives", "splits"}, {"optional"})
        labels = self.table(self.value(top, "", "labels", dict), "labels", {"table"})
        archives = self.archives(top, "archives", {})
        optional = self.archives(top, "optional", archives) if "optional" in top else {}
        of_splits = self.value(top, "", "splits", dict)
        archives, optional = (self.unpacked(each, of_splits) for each in (archives, optional))
        splits = {
            name: self.split(name, value, archives, optional) for name, value in of_splits.items()
        }
        self.check_folders(splits)
        if not splits:
            raise self.error("there is no split", "", "splits", "[splits.NAME]", "none")
        return DatasetConfig(
            path=self.path,
            dataset=self.value(top, "", "dataset", str),
            label_table=self.relative(labels, "labels", "table"),
            archives=archives,
            optional=optional,
            splits=splits,
        )

    def archives(
        self, top: dict[str, Any], section: str, others: Mapping[str, Archive]
    ) -> dict[str, Archive]:
        found = {}
        files = {archive.file for archive in others.values()}
        for name, value in self.value(top, "", section, dict).items():
            where = f"{section}.{name}"
            if name in others:
                what = f"[{where}] has the name of another archive"
                raise self.error(what, section, name, "a name of its own", name)
            table = self.table(value, where, {"file", "url"}, {"bytes", "md5"})
            md5 = self.value(table, where, "md5", str).lower() if "md5" in table else NO_MD5
            if "md5" in table and not re.fullmatch(r"[0-9a-f]{32}", md5):
                raise self.error(f"[{where}] md5 is no MD5", where, "md5", "32 hex digits", md5)
            found[name] = Archive(
                name=name,
                file=self.file_name(table, where, files),
                url=self.value(table, where, "url", str),
                md5=md5,
                bytes=self.positive(table, where, "bytes") if "bytes" in table else None,
            )
            files.add(found[name].file)
        return found

    def unpacked(
        self, archives: Mapping[str, Archive], splits: Mapping[str, Any]
    ) -> dict[str, Archive]:
        """Return archives; those of images that are packed as the plain tars in them."""
        named = {value.get("archive") for value in splits.values() if isinstance(value, dict)}
        files = {archive.file for archive in archives.values()}
        found = dict(archives)
        for name, archive in archives.items():
            plain = plain_name(archive.file) if name in named else None
            if plain is None:
                continue
            found[name] = replace(archive, file=plain, packed=archive.file)
            if found[name].file in files:
                what = f"[{name}] is unpacked into the file of another archive"
                raise self.error(what, name, "file", "a name of its own", archive.file)
        return found

    def split(
        self,
        name: str,
        value: object,
        archives: Mapping[str, Archive],
        optional: Mapping[str, Archive],
    ) -> SplitConfig:
        where = f"splits.{name}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", name):
            raise self.error(
                f"[{where}] is no usable name", "splits", name, "letters, digits, _", name
            )
        table = self.split_table(value, where)
        known = {**archives, **optional}
        archive = self.reference(table, where, "archive", known)
        flat = table["layout"] == "flat"
        return SplitConfig(
            name=name,
            archive=self.tar(known[archive].file, where),
            folder=self.folder(table, where) if "folder" in table else name,
            layout=table["layout"],
            shards=self.positive(table, where, "shards", MAX_SHARDS),
            counts=self.counts(table, where) if "counts" in table else None,
            member=self.pattern(table, where) if flat else None,
            labels=self.optional_path(table, where, "labels"),
            images=self.positive(table, where, "images", MAX_IMAGES) if "images" in table else None,
            blacklist=self.optional_path(table, where, "blacklist"),
            boxes=self.reference(table, where, "boxes", known) if "boxes" in table else None,
            optional=archive in optional,
        )

    def split_table(self, value: object, where: str) -> dict[str, Any]:
        layout = value.get("layout", "none") if isinstance(value, dict) else None
        if isinstance(value, dict) and "layout" not in value:
            for key in value:
                if meant(key, ["layout"]):
                    raise self.unknown(key, where, ["layout"])
        if layout is not None and layout not in LAYOUTS:
            expected = " or ".join(LAYOUTS)
            found = layout if isinstance(layout, str) else shown_value(layout)
            raise self.error(f"[{where}] layout is unknown", where, "layout", expected, found)
        common = {"archive", "layout", "shards"}
        may = {"folder", "boxes"}
        if layout == "class-tars":
            return self.table(value, where, common, may | {"counts"})
        may |= {"labels", "images", "counts", "blacklist"}
        table = self.table(value, where, common | {"member"}, may)
        if "images" in table and "counts" in table:
            what = f"[{where}] says twice how many images there are"
            expected = "one of the keys images and counts, or neither"
            raise self.error(what, where, "images", expected, "both")
        if "counts" in table and "labels" not in table:
            what = f"[{where}] counts images of classes that nobody knows"
            raise self.error(what, where, "counts", "the key labels, or images", "no labels")
        return table

    def check_folders(self, splits: Mapping[str, SplitConfig]) -> None:
        seen: set[str] = set()
        for name, split in splits.items():
            if split.folder in seen:
                what = f"[splits.{name}] folder is that of another split"
                place = f"splits.{name}"
                raise self.error(what, place, "folder", "a folder for each split", split.folder)
            seen.add(split.folder)

    def pattern(self, table: dict[str, Any], where: str) -> str:
        text: str = self.value(table, where, "member", str)
        try:
            check_pattern(text)
        except NoPattern as error:
            what = f"[{where}] member does not say what names and numbers images have"
            expected = "a regular expression of RE2 with one group, the image's number"
            found = f"{shown_value(text)}: {error}"
            raise self.error(what, where, "member", expected, found) from error
        return text

    def reference(
        self, table: dict[str, Any], where: str, key: str, archives: Mapping[str, Archive]
    ) -> str:
        name: str = self.value(table, where, key, str)
        if name not in archives:
            what = f"[{where}] {key} {name!r} is not defined"
            raise self.error(what, where, key, ", ".join(archives), name)
        return name

    def folder(self, table: dict[str, Any], where: str) -> str:
        name: str = self.value(table, where, "folder", str)
        if not is_folder_name(name) or name in self.taken:
            what = f"[{where}] folder is no usable name"
            expected = f"letters, digits, _ and -, none of {', '.join(sorted(self.taken))}"
            raise self.error(what, where, "folder", expected, repr(name))
        return name

    def tar(self, file: str, where: str) -> str:
        if not file.endswith(PLAIN):
            what = f"[{where}] needs a tar"
            expected = "a name in .tar, .tars, .tar.gz, .tar.bz2 or .tar.xz"
            raise self.error(what, where, "archive", expected, file)
        return file

    def file_name(self, table: dict[str, Any], where: str, taken: set[str]) -> str:
        name: str = self.value(table, where, "file", str)
        if names.file_flaw(name):
            what = f"[{where}] file is no file name"
            raise self.error(what, where, "file", "a name without folders", repr(name))
        if name in taken:
            what = f"[{where}] file is that of another archive"
            raise self.error(what, where, "file", "a file for each archive", name)
        return name

    def counts(self, table: dict[str, Any], where: str) -> str:
        counts: str = self.value(table, where, "counts", str)
        if counts.startswith("labels:"):
            return counts
        return str(self.relative(table, where, "counts"))
