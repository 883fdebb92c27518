"""Selecting bucket by bucket gives what one row after another gives, whatever is asked for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from annotationcsvs import BEAR, CAT, WAFFLE, Annotations, chosen, image, read_tables
from plainselecting import plainly_selected

from pipeline.job.selection_options import BY, FLAGS, SelectionOptions
from pipeline.sources.openimages import config, published, requests, tables
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import CsvFile, RowOptions, Selection

_CLASSES = (BEAR, WAFFLE, CAT)


def drawn(random: Random) -> Annotations:
    """Draw annotations of which many meet: few images, few places, every flag."""
    found = Annotations()
    for number in range(40):
        image_id = image(number % 25, random.choice("0f"))
        label = random.choice(_CLASSES)
        corners = (0.1 * random.randrange(3), 0.5, 0.25, 0.75)
        if random.random() < 0.8:
            flags = [random.choice((0, 0, 0, 1, -1)) for _ in tables.FLAGS]
            found.box(image_id, label, corners, flags, random.choice(("xclick", "activemil")))
        if random.random() < 0.5:
            shifted = (corners[0] + random.choice((0, 1e-6, 4e-7)), *corners[1:])
            found.mask(image_id, label, f"{number:08x}", shifted)
        if random.random() < 0.5:
            found.label(image(random.randrange(30)), random.choice(_CLASSES), number % 2)
    for rows in (found.boxes, found.masks, found.labels):
        random.shuffle(rows)
    return found


def asked(random: Random) -> tuple[Chosen, dict[str, Any], frozenset[str]]:
    """Draw options, and the kinds of files that they read."""
    by = random.choice(BY)
    kinds = {by, *(kind for kind in BY if random.random() < 0.6)}
    flags = tables.FLAGS if "boxes" in kinds else ()
    options: dict[str, Any] = {
        "by": by,
        "limit": random.choice((None, None, 1, 3)),
        "seed": random.randrange(2),
        "negatives": random.choice((0, 2)) if "labels" in kinds else 0,
        "image_labels": "labels" in kinds and random.random() < 0.5,
        "drop_boxes": tuple(flag for flag in flags if random.random() < 0.1),
        "drop_images": tuple(flag for flag in flags if random.random() < 0.1),
    }
    classes = random.choice(
        (chosen(BEAR), chosen(*_CLASSES), chosen(BEAR, CAT, members={CAT: (WAFFLE,)}))
    )
    if random.random() < 0.3:
        options["all_objects"] = True
        classes = replace(chosen(*_CLASSES), selecting=frozenset({BEAR}))
    return classes, options, frozenset(kinds)


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_agree(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    files = drawn(random).written(tmp_path / "csv")
    classes, options, kinds = asked(random)
    rows = RowOptions(boxes="boxes" in kinds, masks="masks" in kinds, **options)
    ids = random.choice((None, frozenset(image(number) for number in range(0, 30, 2))))
    read = {kind: files[kind] for kind in kinds}
    selection = Selection("train", classes, rows, ids=ids, **read)
    found = read_tables(tmp_path, select(tmp_path, selection))
    assert (found.images, found.objects) == plainly_selected(selection)


@pytest.mark.parametrize(
    ("split", "options"),
    [
        ("train", {"classes": ("Bear",)}),
        ("validation", {"classes": ("Bear", "handgun"), "masks": True}),
        ("test", {"classes": ("Vehicle",), "with_subclasses": True, "masks": True, "by": "masks"}),
        ("train", {"classes": ("Vehicle",), "merge_subclasses": True, "drop_boxes": FLAGS[:3]}),
        ("validation", {"classes": ("Airplane", "Waffle"), "negatives": 2, "limit": 2}),
        ("test", {"classes": ("Airplane", "Waffle"), "negatives": 2, "version": "v7"}),
        ("train", {"classes": ("Handgun",), "all_objects": True, "drop_images": FLAGS}),
    ],
)
def test_both_ways_agree_on_the_drawn_set(
    openimages: Path, tmp_path: Path, split: str, options: dict[str, Any]
) -> None:
    settings = config.load(openimages / "openimages.toml")

    def locate(file: PublishedFile) -> CsvFile:
        path = published.find(file, openimages / "raw")
        assert path is not None
        return CsvFile(path, file.md5 or hashlib.md5(path.read_bytes()).hexdigest())

    selection = requests.selections(SelectionOptions(**options), 0, (split,), settings, locate)[
        split
    ]
    found = read_tables(tmp_path, select(tmp_path, selection))
    assert (found.images, found.objects) == plainly_selected(selection)
    assert found.images
