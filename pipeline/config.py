"""Dataset configurations: a TOML file that says which archives make which splits.

The form is documented by the comments of ``config/ilsvrc2012.toml``. Unknown keys, wrong types
and dangling references are refused, each with its line.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import storage
from pipeline.errors import ConfigError

LAYOUTS = ("class-tars", "flat")


@dataclass(frozen=True)
class ArchiveConfig:
    """One archive as it is published: file name, where to get it, bytes (if known), MD5."""

    name: str
    file: str
    url: str
    md5: str
    bytes: int | None


@dataclass(frozen=True)
class SplitConfig:
    """How one split lies in its archive.

    Attributes:
        name: e.g. ``train``.
        archive: the archive's published file name.
        layout: ``class-tars`` or ``flat``.
        shards: default number of shards.
        counts: expected images per class: ``labels:COLUMN`` or a path; None for flat splits
            that expect the images 1..`images`.
        member: flat only: regular expression of a member, its group the image's number.
        labels: flat only: path of the list whose line n is the WNID of image n.
        images: flat only: the number of images, each of 1..images once.
    """

    name: str
    archive: str
    layout: str
    shards: int
    counts: str | None = None
    member: str | None = None
    labels: Path | None = None
    images: int | None = None


@dataclass(frozen=True)
class DatasetConfig:
    """A whole configuration file; `path` is where it was read."""

    path: Path
    dataset: str
    label_table: Path
    archives: Mapping[str, ArchiveConfig]
    optional: Mapping[str, ArchiveConfig]
    splits: Mapping[str, SplitConfig]

    def archive(self, file: str) -> ArchiveConfig:
        """Return the archive with this published file name."""
        every = [*self.archives.values(), *self.optional.values()]
        return next(archive for archive in every if archive.file == file)


def load(path: Path) -> DatasetConfig:
    """Read a configuration file.

    Raises:
        ConfigError: the file is absent, no TOML, or not of the documented form.
    """
    if storage.stat(path) is None:
        raise ConfigError(
            "there is no such configuration file",
            file=str(path),
            remedy="name an existing file with --config, or leave --config out for ILSVRC2012",
        )
    try:
        text = storage.read_bytes(path).decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", file=str(path), place=str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not valid TOML", file=str(path), place=str(error)) from error
    return _Reader(path, text).dataset(document)


@dataclass(frozen=True)
class _Reader:
    path: Path
    text: str
    _lines: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lines", self.text.splitlines())

    def dataset(self, document: dict[str, Any]) -> DatasetConfig:
        top = self.table(document, "", {"dataset", "labels", "archives", "splits"}, {"optional"})
        labels = self.table(self.value(top, "", "labels", dict), "labels", {"table"}, set())
        archives = self.archives(top, "archives")
        splits = {
            name: self.split(name, value, archives)
            for name, value in self.value(top, "", "splits", dict).items()
        }
        return DatasetConfig(
            path=self.path,
            dataset=self.value(top, "", "dataset", str),
            label_table=self.relative(self.value(labels, "labels", "table", str), "table"),
            archives=archives,
            optional=self.archives(top, "optional"),
            splits=splits,
        )

    def archives(self, top: dict[str, Any], section: str) -> dict[str, ArchiveConfig]:
        found = {}
        for name, value in (self.value(top, "", section, dict) if section in top else {}).items():
            where = f"{section}.{name}"
            table = self.table(value, where, {"file", "url", "md5"}, {"bytes"})
            md5 = self.value(table, where, "md5", str).lower()
            if not re.fullmatch(r"[0-9a-f]{32}", md5):
                raise self.error(f"[{where}] md5 is no MD5", "md5", "32 hex digits", md5)
            found[name] = ArchiveConfig(
                name=name,
                file=self.file_name(self.value(table, where, "file", str)),
                url=self.value(table, where, "url", str),
                md5=md5,
                bytes=self.value(table, where, "bytes", int) if "bytes" in table else None,
            )
        return found

    def split(self, name: str, value: object, archives: Mapping[str, ArchiveConfig]) -> SplitConfig:
        where = f"splits.{name}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", name):
            raise self.error(f"[{where}] is no usable name", name, "letters, digits, _", name)
        layout = value.get("layout") if isinstance(value, dict) else None
        if layout not in LAYOUTS:
            raise self.error(f"[{where}] layout", "layout", " or ".join(LAYOUTS), repr(layout))
        common = {"archive", "layout", "shards"}
        if layout == "class-tars":
            table = self.table(value, where, common | {"counts"}, set())
        else:
            table = self.table(value, where, common | {"member", "labels"}, {"images", "counts"})
            if ("images" in table) == ("counts" in table):
                raise self.error(
                    f"[{where}] must say how many images there are",
                    name,
                    "one of the keys images and counts",
                    "both" if "images" in table else "neither",
                )
        archive = self.value(table, where, "archive", str)
        if archive not in archives:
            known = ", ".join(archives)
            raise self.error(
                f"[{where}] archive {archive!r} is not defined", archive, known, archive
            )
        counts = self.value(table, where, "counts", str) if "counts" in table else None
        if counts is not None and not counts.startswith("labels:"):
            counts = str(self.relative(counts, "counts"))
        return SplitConfig(
            name=name,
            archive=archives[archive].file,
            layout=layout,
            shards=self.positive(table, where, "shards"),
            counts=counts,
            member=self.pattern(table, where) if layout == "flat" else None,
            labels=self.relative(self.value(table, where, "labels", str), "labels")
            if layout == "flat"
            else None,
            images=self.positive(table, where, "images") if "images" in table else None,
        )

    def table(
        self, value: object, where: str, required: set[str], optional: set[str]
    ) -> dict[str, Any]:
        shown = f"[{where}]" if where else "the top level"
        if not isinstance(value, dict):
            last = where.rpartition(".")[2]
            raise self.error(f"{shown} is no table", last, f"[{where}]", repr(value))
        for key in value:
            if key not in required | optional:
                raise self.unknown(key, shown, required | optional)
        for key in sorted(required):
            if key not in value:
                last = where.rpartition(".")[2]
                raise self.error(f"{shown} lacks the key {key!r}", last, key, ", ".join(value))
        return value

    def value(self, table: dict[str, Any], where: str, key: str, kind: type) -> Any:
        value = table[key]
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            names = {str: "a text", int: "a whole number", dict: "a table"}
            raise self.error(f"{where or 'top level'}: {key}", key, names[kind], repr(value))
        return value

    def positive(self, table: dict[str, Any], where: str, key: str) -> int:
        value: int = self.value(table, where, key, int)
        if value < 1:
            raise self.error(f"[{where}] {key}", key, "1 or more", str(value))
        return value

    def pattern(self, table: dict[str, Any], where: str) -> str:
        text: str = self.value(table, where, "member", str)
        try:
            groups = re.compile(text).groups
        except re.error as error:
            raise self.error(
                f"[{where}] member is no regular expression", "member", "a pattern", str(error)
            ) from error
        if groups != 1:
            raise self.error(
                f"[{where}] member", "member", "one group: the image's number", f"{groups} groups"
            )
        return text

    def file_name(self, name: str) -> str:
        if not name or "/" in name or name in {".", ".."}:
            raise self.error("an archive's file", name, "a file name without folders", name)
        return name

    def relative(self, name: str, key: str) -> Path:
        path = self.path.parent / name
        if storage.stat(path) is None:
            raise self.error(f"{key} names a file that is not there", name, "a file", str(path))
        return path

    def unknown(self, key: str, shown: str, known: Iterable[str]) -> ConfigError:
        near = difflib.get_close_matches(key, list(known), 1)
        return ConfigError(
            f"unknown key {key!r} in {shown}",
            file=str(self.path),
            place=self.line(key),
            expected=", ".join(sorted(known)),
            found=key,
            remedy=f"did you mean {near[0]!r}?" if near else "remove it, or correct its name",
        )

    def error(self, what: str, key: str, expected: str, found: str) -> ConfigError:
        return ConfigError(
            what, file=str(self.path), place=self.line(key), expected=expected, found=found
        )

    def line(self, word: str) -> str | None:
        pattern = re.compile(rf"(^|[^\w-]){re.escape(word)}([^\w-]|$)")
        for number, line in enumerate(self._lines, start=1):
            if pattern.search(line.split("#", 1)[0]):
                return f"line {number}"
        return None
