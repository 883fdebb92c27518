"""Reads TOML strictly: unknown keys and wrong types are refused, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import storage
from pipeline.errors import ConfigError
from pipeline.names import meant
from pipeline.storage.local.input_file import check_shareable

MAX_BYTES = 1 << 16
"""Of a document; the one for ILSVRC2012 has 4,000."""
MAX_DOTS = 100
"""In a line."""

_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"([^#=]+)=")
_PATH = re.compile(rb"(?=.{1,1024}\Z)/?[^/\0]{1,255}(/+[^/\0]{1,255})*", re.DOTALL)  # of a file
_BITS = 63  # of a whole number, without its sign: TOML promises no more
_QUOTED = 200


def read_configuration(path: Path, shipped: str) -> tuple[str, dict[str, Any]]:
    """Return the text of a configuration file, and what it says.

    Args:
        path: the file.
        shipped: the data set whose configuration is taken where none is named.

    Raises:
        ConfigError: it is absent, too large, or no TOML.
    """
    check_shareable(path, "a configuration file")
    if storage.stat(path) is None:
        raise ConfigError(
            "there is no such configuration file",
            file=str(path),
            remedy=f"name an existing file with --config, or leave --config out for {shipped}",
        )
    try:
        text = _checked_text(path)
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", file=str(path), place=str(error)) from error
    except (ValueError, RecursionError) as error:  # of tables and numbers beyond all measure, too
        raise ConfigError("not valid TOML", file=str(path), place=str(error)) from error
    return text, document


def _checked_text(path: Path) -> str:
    """Return the text of a document, which tomllib can parse in a second or so.

    Its time grows with the square of the parts that a dotted key has, each of which is in one line.

    Raises:
        ConfigError: the file has more bytes, or a line has more dots, than such documents need.
        UnicodeDecodeError: it is not UTF-8.
    """
    info = storage.stat(path)
    size = info.size if info else 0
    if size > MAX_BYTES:
        raise _too_much("the configuration file is too large", path, None, MAX_BYTES, size, "bytes")
    text = storage.read_bytes(path).decode()
    for number, line in enumerate(text.split("\n"), start=1):
        if (dots := line.count(".")) > MAX_DOTS:
            what, place = "a line of the configuration has too many dots", f"line {number}"
            raise _too_much(what, path, place, MAX_DOTS, dots, "dots, also of dotted keys")
    return text


def _too_much(
    what: str, path: Path, place: str | None, most: int, found: int, unit: str
) -> ConfigError:
    return ConfigError(
        what,
        file=str(path),
        place=place,
        expected=f"at most {most:,} {unit}",
        found=f"{found:,}",
        remedy="put long lists into the files that the configuration names",
    )


@dataclass(frozen=True)
class StrictToml:
    """Checks a parsed document; `where` is the dotted name of a table, "" the top level."""

    path: Path
    text: str

    def table(
        self, value: object, where: str, required: set[str], optional: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return `value` if it is a table of these keys."""
        shown = f"[{where}]" if where else "the top level"
        known = required.union(optional)
        if not isinstance(value, dict):
            parent, _, key = where.rpartition(".")
            raise self.error(f"{shown} is no table", parent, key, f"[{where}]", shown_value(value))
        for key in value:
            if key not in known:
                raise self.unknown(key, where, known)
        for key in sorted(required):
            if key not in value:
                found = ", ".join(value) or "an empty table"
                raise self.error(f"{shown} lacks the key {key!r}", where, key, key, found)
        return value

    def value(self, table: dict[str, Any], where: str, key: str, kind: type) -> Any:
        """Return the value of a key if it is of this kind: str, int or dict."""
        value = table[key]
        long = isinstance(value, int) and value.bit_length() > _BITS
        if not isinstance(value, kind) or isinstance(value, bool) or long:
            expected = {str: "a text", int: "a whole number", dict: "a table"}[kind]
            what = f"{f'[{where}] ' if where else ''}{key} is not {expected}"
            raise self.error(what, where, key, expected, shown_value(value))
        return value

    def positive(self, table: dict[str, Any], where: str, key: str, most: int | None = None) -> int:
        """Return a whole number of at least 1, and at most `most`."""
        value: int = self.value(table, where, key, int)
        expected = "1 or more" if most is None else f"1 to {most:,}"
        if value < 1:
            raise self.error(f"[{where}] {key} is too few", where, key, expected, str(value))
        if most is not None and value > most:
            raise self.error(f"[{where}] {key} is too many", where, key, expected, str(value))
        return value

    def relative(self, table: dict[str, Any], where: str, key: str) -> Path:
        """Return the path of a file that is there, named relative to the document."""
        name: str = self.value(table, where, key, str)
        path = self.path.parent / name
        if not _PATH.fullmatch(name.encode()) or storage.stat(path) is None:
            what = f"{f'[{where}] ' if where else ''}{key} names a file that is not there"
            raise self.error(what, where, key, "a file", str(path))
        return path

    def optional_path(self, table: dict[str, Any], where: str, key: str) -> Path | None:
        """Return such a path, or None if the key is not there."""
        return self.relative(table, where, key) if key in table else None

    def unknown(self, key: str, where: str, known: Iterable[str]) -> ConfigError:
        """Return the error for a key that means nothing here."""
        likely = meant(key, known)
        return ConfigError(
            f"unknown key {key!r} in {f'[{where}]' if where else 'the top level'}",
            file=str(self.path),
            place=self.line(where, key),
            expected=", ".join(sorted(known)),
            found=key,
            remedy=f"did you mean {likely!r}?" if likely else "remove it, or correct its name",
        )

    def error(self, what: str, where: str, key: str, expected: str, found: str) -> ConfigError:
        """Return the error for a value that cannot be."""
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


def shown_value(value: object) -> str:
    """Return a value as a message shows it."""
    try:
        return repr(value)[:_QUOTED]
    except ValueError:  # Python spells out no number of more than 4,300 digits
        return "a number of thousands of digits"


def _bare(name: str) -> str:
    return re.sub(r"[\s\"']", "", name)
