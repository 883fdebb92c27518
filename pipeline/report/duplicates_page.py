"""The page of duplicates, its sheets of thumbnails, and the table of all of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.documents.duplicates import DuplicatesMark
from pipeline.duplicates.finding import EXACT, Found
from pipeline.errors import BadImage, OutputDamaged, Vanished
from pipeline.finished.outputs import brief
from pipeline.finished.stored import StoredImages
from pipeline.quantities import counted, size
from pipeline.report import places, rendering, thumbnails
from pipeline.report.chosen import CELLS
from pipeline.report.duplicates_view import (
    DuplicateGroup,
    DuplicatesPage,
    DuplicatesPart,
    Unhashed,
)
from pipeline.report.image_views import show_command
from pipeline.report.survey import Survey
from pipeline.report.view import ImageView
from pipeline.storage import Location

if TYPE_CHECKING:
    from PIL import Image

MOST_GROUPS: Final = 100
"""Groups of a kind that are shown, at most."""
MOST_IMAGES: Final = 6
"""Images of a group that are shown, at most."""
MOST_UNHASHED: Final = 200
_PARTS: Final = (
    ("between-splits", "Between splits", "What is learned from one split is known in the other."),
    (
        "between-classes",
        "Within a split, of several classes",
        "The same image is said to be of different things.",
    ),
    ("within-a-class", "Within a split, of one class", "Such an image counts more than once."),
)


def duplicates_summary(mark: DuplicatesMark) -> str:
    """Return in words how many duplicates there are."""
    groups = counted(mark.near, "near group")
    said = f"{mark.exact:,} exact and {groups}; {mark.between_splits:,} between splits"
    without = mark.undecodable + mark.damaged
    said += f"; {counted(without, 'image')} could not be decoded" if without else ""
    return said + (f"; {counted(mark.missing, 'image')} not compared" if mark.missing else "")


def page_files(
    survey: Survey, found: Found, mark: DuplicatesMark
) -> Iterator[tuple[Location, bytes]]:
    """Yield path and content of the sheets, the table and the page.

    Args:
        survey: of the output.
        found: the duplicates.
        mark: the counts.
    """
    with contextlib.ExitStack() as stack:
        sheets = _Sheets(survey, mark.digest, stack)
        parts = list[DuplicatesPart]()
        yield from _shown_parts(sheets, found.table, parts)
    yield places.duplicates_table(survey.out), _parquet(found.table)
    apart = found.table.filter(pc.not_equal(found.table["why"], ""))
    listed = apart.slice(0, MOST_UNHASHED).to_pylist()
    page = DuplicatesPage(
        lead=f"{duplicates_summary(mark)}, of {counted(found.images, 'image')}",
        distance=mark.distance,
        table=places.duplicates_table(survey.out).name,
        parts=tuple(parts),
        without_shards=tuple(
            name for name, each in survey.splits.items() if not each.shard_format.holds_images
        ),
        unhashed=tuple(Unhashed(row["split"], row["key"], row["why"]) for row in listed),
        unhashed_total=apart.num_rows,
    )
    for name in (places.STYLE, places.SCRIPT):  # its own: the other pages may change without it
        yield places.files(survey.out, mark.digest) / name, rendering.asset(name)
    content = rendering.render("duplicates.html", page, f"{mark.digest}/")
    yield places.duplicates(survey.out), content


def _shown_parts(
    sheets: _Sheets, table: pa.Table, parts: list[DuplicatesPart]
) -> Iterator[tuple[Location, bytes]]:
    """Add the parts of the page to `parts`; yield path and content of their sheets meanwhile."""
    ranks = _ranks(table)
    for rank, (anchor, title, hint) in enumerate(_PARTS):
        of_rank = table.filter(pc.equal(ranks, rank))
        numbers = pc.unique(of_rank["group"])
        groups = list[DuplicateGroup]()
        for number in numbers[:MOST_GROUPS].to_pylist():
            rows = of_rank.filter(pc.equal(of_rank["group"], number))
            groups.append(_group(sheets, number, rows))
            yield from sheets.draw()
        if groups:
            parts.append(DuplicatesPart(anchor, title, hint, len(numbers), tuple(groups)))
    yield from sheets.draw(last=True)


def _ranks(table: pa.Table) -> pa.ChunkedArray:
    """Return of each image the place in `_PARTS` of its group; null: it is in none."""
    within = pc.if_else(table["between_classes"], 1, 2)
    return pc.if_else(table["between_splits"], 0, within)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_statistics=False)
    return sink.getvalue()


def _group(sheets: _Sheets, number: int, table: pa.Table) -> DuplicateGroup:
    splits = ", ".join(pc.unique(table["split"]).to_pylist())
    shown = _shown(table)
    summary = f"{counted(table.num_rows, 'image')} in {splits}"
    if len(shown) < table.num_rows:
        summary += f"; {len(shown)} shown"
    is_exact = table["kind"][0].as_py() == EXACT
    title = "the same bytes" if is_exact else "they look alike"
    images = tuple(
        sheets.add(f"g{number}-{place}", row, _likeness(row, is_first=not place))
        for place, row in enumerate(shown)
    )
    return DuplicateGroup(number, title, summary, images)


def _shown(table: pa.Table) -> list[dict[str, Any]]:
    """Return the images of a group that are shown: of each split and each class one, then others.

    The first image of the group, which the distances are from, is always among them.
    """
    chosen = dict[int, None]()
    for name in ("split", "class"):
        first = dict[str, int]()
        for place, value in enumerate(table[name].to_pylist()):
            first.setdefault(value, place)
        chosen.update(dict.fromkeys(first.values()))
    chosen.update(dict.fromkeys(range(min(MOST_IMAGES, table.num_rows))))
    rows: list[dict[str, Any]] = table.take(pa.array(sorted([*chosen][:MOST_IMAGES]))).to_pylist()
    return rows


class _Sheets:
    """Thumbnails of duplicates, `CELLS` on a sheet, in the order in which they are added."""

    def __init__(self, survey: Survey, digest: str, stack: contextlib.ExitStack) -> None:
        self._survey = survey
        self._digest = digest
        self._stack = stack
        self._readers: dict[str, StoredImages] = {}
        self._images: dict[int, Any] = {}  # thumbnails, of sheets that are not drawn yet
        self._added = 0
        self._drawn = 0

    def add(self, anchor: str, row: Mapping[str, Any], likeness: str) -> ImageView:
        """Draw an image and return it as the page shows it.

        Args:
            anchor: its id on the page.
            row: of `finding.DUPLICATES`.
            likeness: how like the first image of its group it is.
        """
        number, damaged = self._added, ""
        self._added += 1
        try:
            self._images[number] = self._thumbnail(row)
        except BadImage as error:
            damaged = error.brief
        except (OutputDamaged, Vanished) as error:
            damaged = brief(error, self._survey.out).what
        except LookupError:
            damaged = "this output has no shards to read it from"
        sheet, cell = divmod(number, CELLS)
        width, height = (0, 0) if damaged else self._images[number].size
        x, y = thumbnails.corner(cell, (width, height))
        sheet_width, sheet_height = thumbnails.sheet_size(CELLS)
        has_shards = self._survey.splits[row["split"]].shard_format.holds_images
        return ImageView(
            anchor=anchor,
            key=row["key"],
            facts=f"{row['width']:,} x {row['height']:,}, {size(row['bytes'])}, {row['mode']}",
            labels="",
            repair="",
            chips=tuple(filter(None, (row["split"], row["class"], likeness))),
            sheet=self._address(sheet),
            sheet_width=sheet_width,
            sheet_height=sheet_height,
            x=x,
            y=y,
            width=width,
            height=height,
            masks="",
            boxes=(),
            full="",
            command=show_command(row["split"], row["key"]) if has_shards else "",
            damaged=damaged,
        )

    def draw(self, *, last: bool = False) -> Iterator[tuple[Location, bytes]]:
        """Yield the sheets that are full, the last one anyway."""
        while self._added - self._drawn * CELLS >= (1 if last else CELLS):
            first = self._drawn * CELLS
            cells = range(first, first + CELLS)
            images = {
                each - first: self._images.pop(each) for each in cells if each in self._images
            }
            yield self._path(self._drawn), thumbnails.sheet(images, CELLS)
            self._drawn += 1

    def _thumbnail(self, row: Mapping[str, Any]) -> Image.Image:
        split = row["split"]
        if split not in self._readers:
            reader = StoredImages(self._survey.splits[split])
            self._readers[split] = self._stack.enter_context(contextlib.closing(reader))
        return thumbnails.thumbnail(self._readers[split].read(row))

    def _path(self, sheet: int) -> Location:
        return places.duplicates_sheet(self._survey.out, self._digest, sheet)

    def _address(self, sheet: int) -> str:
        return storage.relative(self._path(sheet), places.folder(self._survey.out))


def _likeness(row: Mapping[str, Any], *, is_first: bool) -> str:
    """Return how like the first image of its group an image is."""
    if is_first:
        return "" if row["kind"] == EXACT else "distances are from this one"
    if row["same_bytes"]:
        return "same bytes"
    if row["distance"] is None:
        return ""
    return f"{counted(row['distance'], 'bit')} apart"
