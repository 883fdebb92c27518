"""Everything that was made for a page, as it is laid out: splits, classes, images on sheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pipeline import manifest, storage
from pipeline.documents.duplicates import DuplicatesMark
from pipeline.documents.report import DrawnImage, ReportImagesMark, ReportSheetsMark
from pipeline.finished import arrow_tables
from pipeline.finished.outputs import CountingOutput, Damage
from pipeline.quantities import counted
from pipeline.report import chosen, places, renewal, tables
from pipeline.report.survey import Survey

NO_PAGE: Final = -1
"""Stands for the number of a class that has no page."""


@dataclass(frozen=True)
class GatheredSplit:
    """A split: its output, tables, and what was drawn of it.

    Attributes:
        output: that its images are shown from.
        digest: of its sheets.
        number: 0-based, of its colour: the largest split comes first.
        mark: of its tables.
        rows: sheet -> its images, as of `tables.CHOSEN`.
        classes: class index -> its row of `tables.CLASSES`, and `sheet`, its number.
        figures: what -> value or word -> how often it occurs.
        drawn: (sheet, cell) -> what is there.
    """

    output: CountingOutput
    digest: str
    number: int
    mark: ReportImagesMark
    rows: Mapping[int, list[dict[str, Any]]]
    classes: Mapping[int, dict[str, Any]]
    figures: Mapping[str, Mapping[Any, int]]
    drawn: Mapping[tuple[int, int], DrawnImage]

    @property
    def name(self) -> str:
        """Its name."""
        return self.output.split

    @property
    def repaired(self) -> Iterator[dict[str, Any]]:
        """Its repaired images that are shown."""
        for sheet, rows in sorted(self.rows.items()):
            if sheet >= len(self.classes):
                yield from rows

    @property
    def shown(self) -> int:
        """How many images of its classes are shown."""
        return sum(len(rows) for sheet, rows in self.rows.items() if sheet < len(self.classes))

    def cells(self, sheet: int) -> int:
        """Return how many cells a sheet has."""
        return 1 + max(int(row["cell"]) for row in self.rows[sheet])

    def has_sheet(self, sheet: int) -> bool:
        """Whether something is drawn on a sheet."""
        rows = self.rows.get(sheet, [])
        return any((drawn := self.drawn.get((sheet, r["cell"]))) and drawn.width for r in rows)

    def has_masks(self, sheet: int) -> bool:
        """Whether masks lie on a sheet."""
        rows = self.rows.get(sheet, [])
        return any((drawn := self.drawn.get((sheet, r["cell"]))) and drawn.masks for r in rows)

    @property
    def damage(self) -> Iterator[Damage]:
        """What was found damaged when its images were read, but for what is known of its files."""
        said = {each.place for each in self.output.damage}
        for text in self.mark.damaged:
            place, _, what = text.partition(": ")
            if place not in said:
                yield Damage(place, what)
        for sheet, rows in sorted(self.rows.items()):
            for row in rows:
                drawn = self.drawn.get((sheet, row["cell"]))
                if drawn is None or not drawn.damaged or sheet >= len(self.classes):
                    continue
                shard = self.output.shard(row["shard"])
                if shard is None or storage.relative(shard, self.output.out) not in said:
                    yield Damage(f"{self.output.place}: {row['key']}", drawn.damaged)


@dataclass(frozen=True)
class GatheredClass:
    """A class of any split.

    Attributes:
        number: 0-based, of its page; `NO_PAGE`: it has none.
        index: in the label table; -1: the images of no class.
        id: its id; "": it has none.
        text: in words.
    """

    number: int
    index: int
    id: str
    text: str

    @property
    def name(self) -> str:
        """What it is called: its words, else its id."""
        if self.index < 0:
            return "Images of no class"
        return self.text or self.id or f"class {self.index}"

    @property
    def label(self) -> str:
        """Its id and number, as far as the name does not say them."""
        parts = [self.id if self.id != self.name else ""]
        parts.append(f"class {self.index}, from 0" if self.index >= 0 else "")
        return " · ".join(filter(None, parts))

    @property
    def page(self) -> str:
        """The file of its page."""
        return places.page_name(self.number)


@dataclass(frozen=True)
class Gathered:
    """What was made for a page.

    Attributes:
        survey: of the outputs.
        splits: the largest first.
        duplicates: the mark of their page; None: there is none.
    """

    survey: Survey
    splits: tuple[GatheredSplit, ...]
    duplicates: DuplicatesMark | None = None

    @cached_property
    def classes(self) -> tuple[GatheredClass, ...]:
        """The classes that images are of, of all splits, by their indexes."""
        return tuple(
            GatheredClass(number, index, *self._named[index])
            for number, index in enumerate(sorted(self._named))
        )

    @cached_property
    def empty_classes(self) -> tuple[GatheredClass, ...]:
        """The classes of label tables that no image is of, by their indexes: they have no page.

        A table that calls another class by an index is of another data set, and is passed over.
        """
        numbered = {index: known for index, known in self._named.items() if index >= 0}
        found = dict[int, tuple[str, str]]()
        for table in self.survey.label_tables if numbered else ():  # else no class is known at all
            if all(_agree(table.get(index), known) for index, known in numbered.items()):
                found = {**table, **found}
        return tuple(
            GatheredClass(NO_PAGE, index, *found[index])
            for index in sorted(found.keys() - numbered.keys())
        )

    @cached_property
    def by_index(self) -> Mapping[int, GatheredClass]:
        """Class index -> class."""
        return {each.index: each for each in (*self.classes, *self.empty_classes)}

    @cached_property
    def _named(self) -> dict[int, tuple[str, str]]:
        """Class index -> id and words, of the classes that images are of."""
        named = dict[int, tuple[str, str]]()
        for split in self.splits:
            for index, row in split.classes.items():
                named.setdefault(index, (row["class_id"], row["class_text"]))
        return named

    @property
    def damage(self) -> tuple[Damage, ...]:
        """Everything that is damaged."""
        found = (each for split in self.splits for each in split.damage)
        known = self.duplicates
        lost = known.damaged + known.missing if known else 0
        compared = (_uncompared(lost),) if lost else ()
        return tuple(dict.fromkeys((*self.survey.all_damage, *found, *compared)))


def _agree(said: tuple[str, str] | None, known: tuple[str, str]) -> bool:
    """Whether a label table means the class of an index that is known by id or words."""
    if said is None:
        return True
    return said[0] == known[0] if said[0] and known[0] else said[1] == known[1]


def gather(survey: Survey) -> Gathered:
    """Read what was made for the page of a survey.

    Raises:
        OutputDamaged: it is not as it was written.
        Vanished: it is not there.
    """
    marks = {
        name: manifest.read(places.images_mark(survey.out, digest, name), ReportImagesMark)
        for name, digest in survey.sheets.items()
    }
    ordered = sorted(marks, key=lambda name: (-marks[name].images, name))
    splits = (_split(survey, name, number, marks[name]) for number, name in enumerate(ordered))
    return Gathered(survey, tuple(splits), renewal.known_duplicates(survey))


def _uncompared(images: int) -> Damage:
    what = f"{counted(images, 'image')} could not be read to look for duplicates"
    return Damage("report/duplicates.html", what)


def _split(survey: Survey, name: str, number: int, mark: ReportImagesMark) -> GatheredSplit:
    out, digest = survey.out, survey.sheets[name]
    rows_of_sheets, classes, figures = (
        arrow_tables.read(places.table(out, digest, name, table), schema)
        for table, schema in tables.ALL.items()
    )
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in rows_of_sheets.to_pylist():
        rows.setdefault(row["sheet"], []).append(row)
    counted: dict[str, dict[Any, int]] = {}
    for row in figures.to_pylist():
        value = row["text"] or row["value"]
        counted.setdefault(row["what"], {})[value] = row["count"]
    by_index = {
        row["class_index"]: {**row, "sheet": sheet} for sheet, row in enumerate(classes.to_pylist())
    }
    drawn = {(each.sheet, each.cell): each for each in _drawn(survey, name, mark)}
    output = survey.splits[name]
    return GatheredSplit(output, digest, number, mark, rows, by_index, counted, drawn)


def _drawn(survey: Survey, split: str, mark: ReportImagesMark) -> Iterator[DrawnImage]:
    for group in range(chosen.groups(mark.sheets)):
        path = places.sheets_mark(survey.out, survey.sheets[split], split, group)
        yield from manifest.read(path, ReportSheetsMark).images
