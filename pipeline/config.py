"""Dataset configurations: a TOML file that says which archives make which splits.

The form is documented by the comments of ``config/ilsvrc2012.toml``. Unknown keys, wrong types
and dangling references are refused, each with its line.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import storage
from pipeline.errors import ConfigError

LAYOUTS = ("class-tars", "flat")
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"([^#=]+)=")


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
    """Checks a parsed document; `where` is the dotted name of a table, "" the top level."""

    path: Path
    text: str

    def dataset(self, document: dict[str, Any]) -> DatasetConfig:
        top = self.table(document, "", {"dataset", "labels", "archives", "splits"}, {"optional"})
        labels = self.table(self.value(top, "", "labels", dict), "labels", {"table"})
        archives = self.archives(top, "archives", set())
        files = {archive.file for archive in archives.values()}
        splits = {
            name: self.split(name, value, archives)
            for name, value in self.value(top, "", "splits", dict).items()
        }
        if not splits:
            raise self.error("there is no split", "", "splits", "[splits.NAME]", "none")
        return DatasetConfig(
            path=self.path,
            dataset=self.value(top, "", "dataset", str),
            label_table=self.relative(labels, "labels", "table"),
            archives=archives,
            optional=self.archives(top, "optional", files) if "optional" in top else {},
            splits=splits,
        )

    def archives(
        self, top: dict[str, Any], section: str, taken: set[str]
    ) -> dict[str, ArchiveConfig]:
        found = {}
        files = set(taken)
        for name, value in self.value(top, "", section, dict).items():
            where = f"{section}.{name}"
            table = self.table(value, where, {"file", "url", "md5"}, {"bytes"})
            md5 = self.value(table, where, "md5", str).lower()
            if not re.fullmatch(r"[0-9a-f]{32}", md5):
                raise self.error(f"[{where}] md5 is no MD5", where, "md5", "32 hex digits", md5)
            found[name] = ArchiveConfig(
                name=name,
                file=self.file_name(table, where, files),
                url=self.value(table, where, "url", str),
                md5=md5,
                bytes=self.positive(table, where, "bytes") if "bytes" in table else None,
            )
            files.add(found[name].file)
        return found

    def split(self, name: str, value: object, archives: Mapping[str, ArchiveConfig]) -> SplitConfig:
        where = f"splits.{name}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", name):
            raise self.error(
                f"[{where}] is no usable name", "splits", name, "letters, digits, _", name
            )
        table = self.split_table(value, where)
        archive = self.value(table, where, "archive", str)
        if archive not in archives:
            known = ", ".join(archives)
            what = f"[{where}] archive {archive!r} is not defined"
            raise self.error(what, where, "archive", known, archive)
        flat = table["layout"] == "flat"
        return SplitConfig(
            name=name,
            archive=self.tar(archives[archive].file, where),
            layout=table["layout"],
            shards=self.positive(table, where, "shards"),
            counts=self.counts(table, where) if "counts" in table else None,
            member=self.pattern(table, where) if flat else None,
            labels=self.relative(table, where, "labels") if flat else None,
            images=self.positive(table, where, "images") if "images" in table else None,
        )

    def split_table(self, value: object, where: str) -> dict[str, Any]:
        layout = value.get("layout", "none") if isinstance(value, dict) else None
        if layout is not None and layout not in LAYOUTS:
            expected = " or ".join(LAYOUTS)
            raise self.error(f"[{where}] layout is unknown", where, "layout", expected, str(layout))
        common = {"archive", "layout", "shards"}
        if layout == "class-tars":
            return self.table(value, where, common | {"counts"})
        table = self.table(value, where, common | {"member", "labels"}, {"images", "counts"})
        if ("images" in table) == ("counts" in table):
            raise self.error(
                f"[{where}] must say how many images there are",
                where,
                "images",
                "one of the keys images and counts",
                "both" if "images" in table else "neither",
            )
        return table

    def table(
        self, value: object, where: str, required: set[str], optional: Iterable[str] = ()
    ) -> dict[str, Any]:
        shown = f"[{where}]" if where else "the top level"
        known = required.union(optional)
        if not isinstance(value, dict):
            parent, _, key = where.rpartition(".")
            raise self.error(f"{shown} is no table", parent, key, f"[{where}]", repr(value))
        for key in value:
            if key not in known:
                raise self.unknown(key, where, known)
        for key in sorted(required):
            if key not in value:
                found = ", ".join(value) or "an empty table"
                raise self.error(f"{shown} lacks the key {key!r}", where, key, key, found)
        return value

    def value(self, table: dict[str, Any], where: str, key: str, kind: type) -> Any:
        value = table[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            expected = {str: "a text", int: "a whole number", dict: "a table"}[kind]
            what = f"{f'[{where}] ' if where else ''}{key} is not {expected}"
            raise self.error(what, where, key, expected, repr(value))
        return value

    def positive(self, table: dict[str, Any], where: str, key: str) -> int:
        value: int = self.value(table, where, key, int)
        if value < 1:
            raise self.error(f"[{where}] {key} is too few", where, key, "1 or more", str(value))
        return value

    def pattern(self, table: dict[str, Any], where: str) -> str:
        text: str = self.value(table, where, "member", str)
        try:
            groups = re.compile(text).groups
        except re.error as error:
            what = f"[{where}] member is no regular expression"
            raise self.error(what, where, "member", "a pattern", f"{text!r}: {error}") from error
        if groups != 1:
            what = f"[{where}] member does not say where the image's number is"
            raise self.error(what, where, "member", "one group", f"{groups} groups")
        return text

    def tar(self, file: str, where: str) -> str:
        if not file.endswith(".tar"):
            raise self.error(
                f"[{where}] needs an uncompressed tar", where, "archive", "a name in .tar", file
            )
        return file

    def file_name(self, table: dict[str, Any], where: str, taken: set[str]) -> str:
        name: str = self.value(table, where, "file", str)
        if not name or "/" in name or name in {".", ".."}:
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

    def relative(self, table: dict[str, Any], where: str, key: str) -> Path:
        name: str = self.value(table, where, key, str)
        path = self.path.parent / name
        if storage.stat(path) is None:
            what = f"[{where}] {key} names a file that is not there"
            raise self.error(what, where, key, "a file", str(path))
        return path

    def unknown(self, key: str, where: str, known: Iterable[str]) -> ConfigError:
        near = difflib.get_close_matches(key, list(known), 1)
        return ConfigError(
            f"unknown key {key!r} in {f'[{where}]' if where else 'the top level'}",
            file=str(self.path),
            place=self.line(where, key),
            expected=", ".join(sorted(known)),
            found=key,
            remedy=f"did you mean {near[0]!r}?" if near else "remove it, or correct its name",
        )

    def error(self, what: str, where: str, key: str, expected: str, found: str) -> ConfigError:
        place = self.line(where, key)
        return ConfigError(what, file=str(self.path), place=place, expected=expected, found=found)

    def line(self, where: str, key: str) -> str | None:
        """Return the line of a key, or else of the innermost table around it that has one."""
        wanted = f"{where}.{key}".removeprefix(".")
        section = around = ""
        place = None
        for number, line in enumerate(self.text.split("\n"), start=1):
            if opened := _HEADER.match(line):
                name = section = _bare(opened[1])
            elif assigned := _KEY.match(line):
                name = f"{section}.{_bare(assigned[1])}".removeprefix(".")
            else:
                continue
            if f"{name}.".startswith(f"{wanted}."):
                return f"line {number}"
            if f"{wanted}.".startswith(f"{name}.") and len(name) > len(around):
                around, place = name, f"line {number}"
        return place


def _bare(name: str) -> str:
    return re.sub(r"[\s\"']", "", name)
