"""The first page: splits, classes, plots, what was repaired or left out, and files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline import paths, storage
from pipeline.documents.outputs import Input
from pipeline.documents.shards import LeftOutImage
from pipeline.finished.outputs import CountingOutput
from pipeline.quantities import counted, size
from pipeline.report import places, thumbnails
from pipeline.report.duplicates_page import duplicates_summary
from pipeline.report.gathered import Gathered, GatheredClass, GatheredSplit
from pipeline.report.image_views import image_view
from pipeline.report.plots import charts_of
from pipeline.report.view import (
    ClassCard,
    CountIn,
    EmptyClass,
    FileLine,
    IndexPage,
    InputLine,
    LeftOutPart,
    LeftOutRow,
    OutputLine,
    RepairedPart,
    SplitLine,
)

_MOST_LEFT_OUT = 200
_MOST_FILES = 8
_SELECTION = "a selection of images"
_UP = "../"  # from the page to the output folder
_PATH = r"(?<![^\s'\"(\[=,;])/(?=[^\s/])"  # where an absolute path begins


def index_page(gathered: Gathered) -> IndexPage:
    """Return the first page."""
    survey, splits = gathered.survey, gathered.splits
    images = sum(split.mark.images for split in splits)
    lead = f"{counted(images, 'image')} in {counted(len(splits), 'split')}"
    lead += f", {counted(len(gathered.classes), 'class')}"
    if gathered.empty_classes:
        lead += f"; {counted(len(gathered.empty_classes), 'more class')} without an image"
    return IndexPage(
        title=_title(gathered),
        lead=lead,
        digest=survey.digest,
        shown=sum(split.shown for split in splits),
        damage=gathered.damage,
        splits=tuple(_split(gathered, split) for split in splits),
        classes=tuple(_card(gathered, each) for each in gathered.classes),
        empty_classes=tuple(
            EmptyClass(each.name, each.label, _find(each)) for each in gathered.empty_classes
        ),
        charts=tuple(charts_of(gathered)),
        repairs=tuple(_repairs(gathered)),
        left_out=tuple(_left_out(gathered)),
        stored=_stored(gathered),
        dropped=tuple(_dropped(gathered)),
        outputs=tuple(map(_output, survey.outputs)),
        inputs=tuple(_inputs(gathered)),
        products=tuple(_products(gathered)),
        duplicates=duplicates_summary(gathered.duplicates) if gathered.duplicates else "",
    )


def _title(gathered: Gathered) -> str:
    """Return what the page is about: the first input of each split, once; else its classes."""
    names = dict[str, None]()
    for split in gathered.splits:
        document = split.output.document
        for each in document.inputs[:1] if document else ():
            names[_input_name(each)] = None
    if [*names] == [_SELECTION]:
        names = dict.fromkeys(each.name for each in gathered.classes)
    return ", ".join([*names][:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")  # noqa: PLR2004 - two are named


def _split(gathered: Gathered, split: GatheredSplit) -> SplitLine:
    document = split.output.document
    formats = [each.format for each in gathered.survey.outputs if each.split == split.name]
    counts = document.counts if document else None
    return SplitLine(
        name=split.name,
        number=split.number,
        images=split.mark.images,
        classes=sum(index >= 0 for index in split.classes),
        bytes=size(sum(row["bytes"] for row in split.classes.values())),
        boxes=sum(row["boxes"] for row in split.classes.values()),
        repaired=counts.repaired if counts else 0,
        left_out=counts.left_out if counts else 0,
        formats=tuple(dict.fromkeys(formats)),
    )


def _card(gathered: Gathered, each: GatheredClass) -> ClassCard:
    counts = [(split, split.classes.get(each.index)) for split in gathered.splits]
    sheet, width, height = "", *thumbnails.sheet_size(1)
    for split, row in counts:
        if row is not None and split.has_sheet(row["sheet"]):
            sheet = f"{split.digest}/{split.name}/{places.sheet_name(row['sheet'])}"
            width, height = thumbnails.sheet_size(split.cells(row["sheet"]))
            break
    return ClassCard(
        name=each.name,
        label=each.label,
        find=_find(each),
        images=sum(row["images"] for _, row in counts if row is not None),
        page=f"{gathered.survey.digest}/{places.CLASSES}/{each.page}",
        sheet=sheet,
        sheet_width=width,
        sheet_height=height,
        splits=tuple(
            CountIn(split.name, split.number, row["images"] if row is not None else 0)
            for split, row in counts
        ),
    )


def _find(each: GatheredClass) -> str:
    """Return what a class is found by."""
    return f"{each.name} {each.id} {each.index if each.index >= 0 else ''}".lower()


def _repairs(gathered: Gathered) -> Iterator[RepairedPart]:
    for split in gathered.splits:
        document = split.output.document
        total = document.counts.repaired if document else 0
        if not total:
            continue
        images = [image_view(gathered, split, row, "") for row in split.repaired]
        notes = sorted(split.figures.get("note", {}).items(), key=lambda note: (-note[1], note[0]))
        reasons = ", ".join(f"{note} {count:,}" for note, count in notes)
        codecs = sorted({each.codec for each in document.repairs} - {""}) if document else []
        by = f"; encoded anew by {' and '.join(codecs)}" if codecs else ""
        yield RepairedPart(split.name, total, len(images), f"{reasons}{by}", tuple(images))


def _stored(gathered: Gathered) -> str:
    """Return how the images that are neither repaired nor left out are stored."""
    documents = [split.output.document for split in gathered.splits if split.output.document]
    others = any(each.counts.repaired or each.counts.left_out for each in documents)
    every = "Every other image" if others else "Every image"
    encoding = [each.split for each in documents if each.parameters.image.encodes]
    if not encoding:
        left_out = "" if others else ", and none is left out"
        return f"{every} is stored byte for byte as it was{left_out}."
    where = "" if len(encoding) == len(documents) else f" of {' and '.join(encoding)}"
    return f"{every}{where} is encoded anew, as the options of the command ask."


def _left_out(gathered: Gathered) -> Iterator[LeftOutPart]:
    for split in gathered.splits:
        document = split.output.document
        if document is None or not document.left_out:
            continue
        rows = tuple(
            LeftOutRow(each.key, _reason(each), f"{each.source}{_place(each.line, each.offset)}")
            for each in document.left_out[:_MOST_LEFT_OUT]
        )
        yield LeftOutPart(split.name, len(document.left_out), len(rows), rows)


def _reason(left_out: LeftOutImage) -> str:
    """Return why an image is left out: of a path of this machine no more than the name in it."""
    name = left_out.source.rpartition("/")[2]
    # No address, and no more than one path: what lies between two of them stays.
    path = rf"{_PATH}(?:(?!{_PATH}).)*?{re.escape(name)}"
    return re.sub(path, lambda _: name, left_out.reason) if name else left_out.reason


def _place(line: int, offset: int) -> str:
    if line:
        return f", line {line:,} of the list"
    return f", byte {offset:,}" if offset else ""


def _dropped(gathered: Gathered) -> Iterator[str]:
    """Yield what else is not in shards: images without boxes, and clutter that was passed over."""
    for split in gathered.splits:
        document = split.output.document
        if document is not None and document.counts.without_boxes:
            images = counted(document.counts.without_boxes, "image")
            yield f"{split.name}: {images} without boxes, where labels are boxes"
    for name, mark in gathered.survey.products:
        counts = {"repaired": mark.repaired, "dropped": mark.dropped, "refused": mark.refused}
        told = [f"{count:,} {word}" for word, count in counts.items() if count]
        if told:
            yield f"{name}: of its boxes {', '.join(told)}; its report is among the files below"


def _output(output: CountingOutput) -> OutputLine:
    document, place = output.document, _UP + output.place
    if document is None:
        state = "damaged: no manifest to read"
        return OutputLine(output.place, "", "", "", state, ())
    links = [("manifest", f"{place}/{paths.manifest(output.folder).name}")]
    if storage.stat(output.facts) is not None:
        links.append(("facts", f"{place}/{output.facts.name}"))
    missing = len(output.damage)
    state = f"damaged: {counted(missing, 'file')}" if missing else "complete"
    counts = document.counts
    return OutputLine(
        output.place,
        f"{len(document.shards):,}" if output.shard_format.holds_images else "none",
        f"{counts.records:,}",
        size(counts.bytes) if output.shard_format.holds_images else "",
        state if not counts.left_out or missing else f"complete, {counts.left_out:,} left out",
        tuple(links),
    )


def _inputs(gathered: Gathered) -> Iterator[InputLine]:
    for split in gathered.splits:
        document = split.output.document
        for each in document.inputs if document else ():
            yield InputLine(
                split.name, _input_name(each), each.md5 or each.digest or each.selection
            )


def _input_name(each: Input) -> str:
    known = each.list or each.folder or each.file or each.annotations
    return known or _SELECTION


def _products(gathered: Gathered) -> Iterator[FileLine]:
    for name, mark in gathered.survey.products:
        for entry in mark.files[:_MOST_FILES]:
            if not entry.file.startswith("."):
                yield FileLine(entry.file, _UP + entry.file, size(entry.bytes))
        if mark.folder:
            yield FileLine(f"{mark.folder}/", f"{_UP}{mark.folder}/", counted(mark.images, "image"))
        elif len(mark.files) > _MOST_FILES:
            yield FileLine(f"{name}: {len(mark.files):,} files", _UP, "")
