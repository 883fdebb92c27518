"""How large the pages of a set of a thousand classes in three splits are: no image is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from finishedoutputs import empty_manifest

from pipeline import manifest
from pipeline.catalog.objects import UNKNOWN
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.report import DrawnImage, ReportImagesMark
from pipeline.finished.outputs import CountingOutput
from pipeline.report import figures, page_files, places, thumbnails
from pipeline.report.chosen import CELLS
from pipeline.report.gathered import Gathered, GatheredSplit
from pipeline.report.survey import Survey

CLASSES: Final = 1000
IMAGES: Final = {"train": 1_281_167, "validation": 50_000, "test": 100_000}
BOXES: Final = 3
MB: Final = 1_000_000


BOX: Final = {
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


def row(split: str, sheet: int, cell: int) -> dict[str, Any]:
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
        "objects": [BOX] * BOXES,
    }


def split_of(out: Path, name: str, number: int) -> GatheredSplit:
    """Return a split of all classes, with a full sheet of each."""
    folder = out / "tfrecord" / name / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(empty_manifest(name, folder.name))
    document = manifest.read(folder / "manifest.json", OutputManifest)
    rows = {sheet: [row(name, sheet, cell) for cell in range(CELLS)] for sheet in range(CLASSES)}
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
    mark = ReportImagesMark("0123456789ab", name, IMAGES[name], CLASSES, False, ())
    output = CountingOutput(out, folder, document, ())
    return GatheredSplit(output, number, mark, rows, classes, counts, drawn)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """All three splits of the set."""
    out = tmp_path_factory.mktemp("large")
    splits = tuple(split_of(out, name, number) for number, name in enumerate(IMAGES))
    return Gathered(Survey(out, tuple(split.output for split in splits), (), ()), splits)


def test_the_first_page_is_less_than_two_megabytes(gathered: Gathered) -> None:
    sizes = {path.name: len(content) for path, content in page_files.first_page(gathered)}
    assert 0.5 * MB < sizes["index.html"] < 2 * MB
    assert sizes[places.KEYS] < 4 * MB


def test_a_page_of_a_class_is_less_than_a_megabyte(gathered: Gathered) -> None:
    _, content = next(page_files.pages_of_classes(gathered))
    assert content.count(b"<figure ") == CELLS * len(IMAGES)
    assert len(content) < MB / 10  # so those of all classes leave room for 183 MB of sheets
