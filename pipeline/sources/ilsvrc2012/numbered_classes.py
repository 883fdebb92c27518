"""Classes of a label table by their words, ids and numbers, whichever convention counts them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.catalog.classes import LabelTable
from pipeline.errors import UsageError, abbreviate
from pipeline.names import near
from pipeline.sources.ilsvrc2012 import dataset, label_files
from pipeline.sources.strict_toml import read_configuration

_ID: Final = re.compile(r"n[0-9]{8}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")
_NEAR: Final = 8


@dataclass(frozen=True)
class NumberedClass:
    """A class of a label table.

    Attributes:
        class_id: such as a WNID.
        words: its synonyms, with commas between them.
        index: its place among the sorted ids, from 0.
        columns: what else the table says of it, by the names of the columns.
    """

    class_id: str
    words: str
    index: int
    columns: Mapping[str, str]

    def is_number(self, column: str) -> bool:
        """Whether a column has what the publishers number the class by, such as ILSVRC2012's."""
        return column.endswith("_id") and _NUMBER.fullmatch(self.columns[column]) is not None


def is_configuration(path: Path) -> bool:
    """Whether a file has the form of ILSVRC2012's configuration: it names a label table.

    Raises:
        ConfigError: it is absent, too large, or no TOML.
    """
    _, document = read_configuration(path, "ILSVRC2012")
    return "labels" in document


def table_of(config: Path) -> LabelTable:
    """Return the label table of a configuration.

    Raises:
        ConfigError: one of the two cannot be understood.
    """
    return label_files.load_table(dataset.load(config).label_table)


def is_id_or_number(words: str) -> bool:
    """Whether words are a WNID or a label, and so no name of a class in words."""
    return bool(_ID.fullmatch(words) or _NUMBER.fullmatch(words))


def find(words: str, table: LabelTable, offset: int | None = None) -> list[NumberedClass]:
    """Return the classes that words mean; those that are called just so come first.

    Args:
        words: an id; a number in any convention; or words or parts of them, all of which the
            synonyms of a class have, in upper or lower case.
        table: the classes.
        offset: what one more convention adds to the 0-based number; None: there is no other.

    Raises:
        UsageError: there is no such class; those that are near are named.
    """
    known = [_known(table, place) for place in range(len(table.class_ids))]
    if words in table.index:
        return [known[table.index[words]]]
    wanted = words.casefold().split()
    if _NUMBER.fullmatch(words):
        found = [each for each in known if int(words) in _numbers(each, offset)]
    else:
        held = [each for each in known if wanted and _holds(each.words.casefold(), wanted)]
        found = sorted(held, key=lambda each: _rank(each.words.casefold(), wanted))
    if not found:
        raise _unknown(words, table)
    return found


def _known(table: LabelTable, place: int) -> NumberedClass:
    columns = {name: column[place] for name, column in table.columns.items() if name != "wnid"}
    return NumberedClass(table.class_ids[place], table.words[place], place, columns)


def _numbers(known: NumberedClass, offset: int | None) -> Iterator[int]:
    """Yield the numbers of a class: from 0, from 1, with an offset, and those called its id."""
    yield from (known.index, known.index + 1, known.index + (offset or 0))
    yield from (int(text) for name, text in known.columns.items() if known.is_number(name))


def _holds(text: str, wanted: list[str]) -> bool:
    return all(word in text for word in wanted)


def _rank(text: str, wanted: list[str]) -> int:
    """Return 0 where a synonym is what is wanted, 1 where its words are, 2 where parts are."""
    if " ".join(wanted) in [synonym.strip() for synonym in text.split(",")]:
        return 0
    return 1 if set(wanted) <= set(re.findall(r"\w+", text)) else 2


def _unknown(words: str, table: LabelTable) -> UsageError:
    named = {
        synonym.strip(): f"{synonym.strip()} ({class_id})"
        for class_id, synonyms in zip(table.class_ids, table.words, strict=True)
        for synonym in (class_id, *synonyms.split(","))
    }
    likely = near(words, named, _NEAR)
    count = len(table.class_ids)
    return UsageError(
        "no such class",
        file=str(table.path),
        expected=abbreviate(named[each] for each in likely)
        if likely
        else f"words or the id of one of {count:,} classes, or its number",
        found=words,
        remedy="ask for fewer words, for a part of a word, for an id or for a number",
    )
