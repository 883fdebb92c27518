"""Models the page of ILSVRC2012's size: ``python -m benchmarks.report_scale``.

A thousand classes in three splits, 12 images of each on a sheet, three boxes on every image. The
pages are written as they would be; the sheets are those of photographs, or else of drawn images,
as many times as there would be some.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import corpus as corpora
from benchmarks import report
from benchmarks.corpus import ROOT
from benchmarks.report import Aim, Spread
from pipeline.catalog.objects import UNKNOWN
from pipeline.documents.outputs import Counts, Digests, Input, OutputManifest, Parameters
from pipeline.documents.report import DrawnImage, ReportImagesMark
from pipeline.finished.outputs import CountingOutput
from pipeline.images.prepare import PLAIN
from pipeline.report import figures, page_files, thumbnails
from pipeline.report.chosen import CELLS
from pipeline.report.gathered import Gathered, GatheredSplit
from pipeline.report.survey import Survey

CLASSES: Final = 1000
IMAGES: Final = {"train": 1_281_167, "validation": 50_000, "test": 100_000}
MB: Final = 1_000_000
_BOXES: Final = 3
_SHEETS: Final = 16
"""Sheets that are drawn, for what one weighs."""
_DIGEST: Final = "0123456789ab"
_BOX: Final = {
    "xmin": 0.123456,
    "ymin": 0.234567,
    "xmax": 0.765432,
    "ymax": 0.876543,
    "class_index": UNKNOWN,
    "class_id": None,
    "flags": None,
    "mask": None,
}
"""An object of the class of its image."""


def gathered(out: Path) -> Gathered:
    """Return what would have been made for the page; no file is read or written."""
    splits = tuple(_split(out, name, number) for number, name in enumerate(IMAGES))
    return Gathered(Survey(out, tuple(split.output for split in splits), (), ()), splits)


def _split(out: Path, name: str, number: int) -> GatheredSplit:
    """Return a split of all classes, with a full sheet of each."""
    rows = {sheet: [_row(name, sheet, cell) for cell in range(CELLS)] for sheet in range(CLASSES)}
    size = thumbnails.fitted((500, 375))
    drawn = {
        (sheet, cell): DrawnImage(
            sheet, cell, *thumbnails.corner(cell, size), *size, sampling="420"
        )
        for sheet in rows
        for cell in range(CELLS)
    }
    of_class = {"images": IMAGES[name] // CLASSES, "bytes": 143 * MB, "boxes": 900, "repaired": 0}
    classes = {
        each: {
            "class_index": each,
            "class_id": f"n{each:08}",
            "class_text": f"a name of an animal of some length, and its name in Latin, {each}",
            "sheet": each,
            **of_class,
        }
        for each in range(CLASSES)
    }
    sizes = {float(each): 100 + each for each in range(20, 3000)}
    counts: dict[str, dict[Any, int]] = {
        figures.WIDTH: sizes,
        figures.HEIGHT: sizes,
        figures.ASPECT: {each / 100: each for each in range(10, 400)},
        figures.BYTES: {float(each * 997): each for each in range(1, 2000)},
        figures.BOXES: {float(each): 100 for each in range(60)},
        figures.BOX_AREA: {each / 1000: 100 for each in range(1001)},
        figures.MODE: {"RGB": IMAGES[name]},
    }
    mark = ReportImagesMark(_DIGEST, name, IMAGES[name], CLASSES, False, ())
    folder = out / "tfrecord" / name / _DIGEST
    output = CountingOutput(out, folder, _manifest(name), ())
    return GatheredSplit(output, _DIGEST, number, mark, rows, classes, counts, drawn)


def _manifest(split: str) -> OutputManifest:
    return OutputManifest(
        format="tfrecord",
        split=split,
        digests=Digests(_DIGEST, _DIGEST),
        inputs=(Input(file=f"ILSVRC2012_img_{split}.tar", md5="0" * 32),),
        parameters=Parameters(1, "class", "", PLAIN, None, True),
        counts=Counts(0, IMAGES[split], 0, IMAGES[split]),
        shards=(),
        files=(),
    )


def _row(split: str, sheet: int, cell: int) -> dict[str, Any]:
    """Return an image on the sheet of a class."""
    return {
        "sheet": sheet,
        "cell": cell,
        "class_index": sheet,
        "key": f"n{sheet:08}/ILSVRC2012_{split}_{sheet:05}{cell:03}.JPEG",
        "shard": 0,
        "offset": sheet * CELLS + cell,
        "width": 500,
        "height": 375,
        "bytes": 110_000,
        "mode": "RGB",
        "repair": "",
        "labels": [],
        "objects": [_BOX] * _BOXES,
    }


def main() -> None:
    """Model it, print the sizes, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "scale-report.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        origin, photographs = corpora.photographs(Path(folder))
    whole, began = gathered(Path("OUT")), time.process_time()
    first = {path.name: len(content) for path, content in page_files.first_page(whole)}
    pages = [len(content) for _, content in page_files.pages_of_classes(whole)]
    seconds = time.process_time() - began
    sheets = _bytes_of_a_sheet(photographs) * CLASSES * len(IMAGES)
    aims = [
        Aim("the first page, MB", 2, _once(first["index.html"] / MB), most=True),
        Aim("the largest page of a class, MB", 1, _once(max(pages) / MB), most=True),
        Aim("what is searched, MB", None, _once(first["keys.js"] / MB)),
        Aim("sheets, MB", None, _once(sheets / MB)),
        Aim(
            "all of it, MB", 400, _once((sum(first.values()) + sum(pages) + sheets) / MB), most=True
        ),
        Aim("seconds of a core for the pages", None, _once(seconds)),
    ]
    print(
        f"{CLASSES:,} classes in {len(IMAGES)} splits; sheets of {len(photographs)} {origin}; load "
        f"{os.getloadavg()[0]:.1f}\n\n{report.render([], aims, [])}"
    )
    met = {aim.name: [aim.measured.median, aim.met] for aim in aims}
    report.write(options.output, {"machine": report.machine(), "aims": met})


def _once(value: float) -> Spread:
    return Spread.of([value])


def _bytes_of_a_sheet(photographs: list[bytes]) -> float:
    """Return the mean of some sheets."""
    sizes = []
    for first in range(0, _SHEETS * CELLS, CELLS):
        chosen = [photographs[n % len(photographs)] for n in range(first, first + CELLS)]
        small = dict(enumerate(map(thumbnails.thumbnail, chosen)))
        sizes.append(len(thumbnails.sheet(small, CELLS)))
    return statistics.mean(sizes)


if __name__ == "__main__":
    main()
