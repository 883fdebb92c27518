"""The plots of a page: which there are, and of what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.quantities import counted
from pipeline.report import charts, figures, places
from pipeline.report.charts import Chart, ClassSize
from pipeline.report.gathered import Gathered, GatheredSplit

_SAMPLINGS = {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4"}


def charts_of(gathered: Gathered) -> Iterator[Chart]:
    """Yield the plots of a page, those that have something to show."""
    numbers = {split.name: split.number for split in gathered.splits}
    for chart in filter(None, _charts(gathered)):
        series = (replace(one, number=numbers[one.split]) for one in chart.series)
        yield replace(chart, series=tuple(series))


def _charts(gathered: Gathered) -> Iterator[Chart | None]:
    splits = gathered.splits
    names = [split.name for split in splits]
    empty = len(gathered.empty_classes)
    note = f"{counted(empty, 'class')} of the label table without an image" if empty else ""
    yield charts.ranked("classes", "Images a class", _classes(gathered), names, note=note)
    for name, title in ((figures.WIDTH, "Widths"), (figures.HEIGHT, "Heights")):
        yield charts.histogram(name, f"{title}, pixels", _counts(gathered, name))
    note = "width by height: wider than tall above 1"
    yield charts.histogram(
        "aspect", "Aspect ratios", _counts(gathered, figures.ASPECT), text=_ratio, note=note
    )
    yield charts.histogram(
        "bytes", "Bytes of an image", _counts(gathered, figures.BYTES), text=charts.weight, log=True
    )
    yield charts.words("modes", "Colour modes of the sources", _words(gathered, figures.MODE))
    sampled = {split.name: _samplings(split) for split in splits}
    note = "of the JPEGs in colour that are shown: how many pixels share a colour"
    yield charts.words("sampling", "Chroma sampling", sampled, note=note)
    if any(row["boxes"] for split in splits for row in split.classes.values()):
        boxed = {split.name: _boxes(split) for split in splits}
        yield charts.histogram("boxes", "Boxes on an image", boxed)
        yield charts.histogram(
            "areas",
            "Areas of boxes",
            _counts(gathered, figures.BOX_AREA),
            text=charts.percent,
            note="as a share of the image",
            unit="boxes",
        )
    yield charts.words("notes", "Notes", _words(gathered, figures.NOTE))
    shards = {split.name: _shards(split) for split in splits}
    yield charts.histogram("shards", "Bytes of a shard", shards, text=charts.weight, unit="shards")


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _counts(gathered: Gathered, what: str) -> dict[str, dict[float, int]]:
    return {split.name: dict(split.figures.get(what, {})) for split in gathered.splits}


def _words(gathered: Gathered, what: str) -> dict[str, dict[str, int]]:
    return {split.name: dict(split.figures.get(what, {})) for split in gathered.splits}


def _classes(gathered: Gathered) -> list[ClassSize]:
    """Return the size of each class, but not of the images of none.

    Those without an image are among them, but where they are the most: a set that has ten classes
    of a table of a thousand is shown as one of ten.
    """
    with_images = [
        ClassSize(
            each.name,
            {
                split.name: split.classes[each.index]["images"]
                for split in gathered.splits
                if each.index in split.classes
            },
            f"{gathered.survey.digest}/{places.CLASSES}/{each.page}",
        )
        for each in gathered.classes
        if each.index >= 0
    ]
    empty = [ClassSize(each.name, {}, "") for each in gathered.empty_classes]
    return with_images + (empty if len(empty) <= len(with_images) else [])


def _boxes(split: GatheredSplit) -> dict[float, int]:
    """Return how many images have so many boxes; nothing of a split whose boxes were not read."""
    counts = dict(split.figures.get(figures.BOXES, {}))
    return counts if any(counts) else {}


def _samplings(split: GatheredSplit) -> dict[str, int]:
    """Return how many images of the classes are sampled so: a repaired one is drawn twice."""
    counts: dict[str, int] = {}
    for (sheet, _), drawn in split.drawn.items():
        if drawn.sampling and sheet < len(split.classes):
            name = _SAMPLINGS.get(drawn.sampling, drawn.sampling)
            counts[name] = counts.get(name, 0) + 1
    return counts


def _shards(split: GatheredSplit) -> dict[float, int]:
    counts: dict[float, int] = {}
    document = split.output.document
    for shard in document.shards if document else ():
        if shard.file is not None:
            counts[float(shard.bytes)] = counts.get(float(shard.bytes), 0) + 1
    return counts
