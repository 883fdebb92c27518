"""The lists and rows of the manual recipe, for what is selected."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotationcsvs import BEAR, CAT, WAFFLE, Annotations, chosen, image

from pipeline.sources.openimages.selecting import recipe
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import RowOptions, Selection
from pipeline.sources.openimages.selecting.single_class import split_classes

GROUP = (0, 0, 1, 0, 0)


@pytest.fixture
def drawn() -> Annotations:
    annotations = Annotations()
    for number in (9, 3, 5, 3, 7):
        annotations.box(image(number), BEAR, flags=GROUP if number == 5 else (0, 1, -1, 0, 0))
        annotations.box(image(number, "f"), WAFFLE)
    for number in (7, 3):
        annotations.mask(image(number), BEAR, "0a")
        annotations.mask(image(number), WAFFLE, "0b")
        annotations.box(image(number), WAFFLE)
    annotations.label(image(1), BEAR, 1)
    annotations.label(image(2), BEAR, 0)
    annotations.label(image(1), CAT, 1)
    return annotations


def selection_of(
    folder: Path,
    annotations: Annotations,
    classes: Chosen,
    kinds: tuple[str, ...] = ("boxes", "masks"),
    **options: object,
) -> Selection:
    files = {kind: file for kind, file in annotations.written(folder).items() if kind in kinds}
    rows = RowOptions(boxes="boxes" in kinds, masks="masks" in kinds, **options)  # type: ignore[arg-type]
    selection = Selection("train", classes, rows, ids=None, **files)
    select(folder / "out", selection)
    return selection


@pytest.mark.parametrize("by", ["boxes", "masks"])
def test_files_are_those_of_the_script(tmp_path: Path, drawn: Annotations, by: str) -> None:
    selection = selection_of(tmp_path, drawn, chosen(BEAR, WAFFLE), by=by)
    out = tmp_path / "out"
    assert recipe.complete(out, selection) is None
    marks = recipe.write(out, selection)
    assert recipe.complete(out, selection) == marks
    split = split_classes(
        Path(str(selection.files[by].path)), [BEAR, WAFFLE], "train", tmp_path / by
    )
    ending = {"boxes": "boxes", "masks": "annotations"}[by]
    for each, mark in zip(split.classes, marks, strict=True):
        name = each.label.replace("/", "")
        rows, ids = f"csv/train/{name}_{ending}.csv", f"downloader_IDs_for_{name}_train.txt"
        assert (out / rows).read_bytes() == each.rows.read_bytes()
        assert (out / ids).read_bytes() == each.list.read_bytes()
        assert mark.images == each.images


def test_rows_are_of_the_selected_images(tmp_path: Path, drawn: Annotations) -> None:
    out = tmp_path / "out"
    options = {"limit": 2, "drop_boxes": ("group_of",)}
    selection = selection_of(tmp_path, drawn, chosen(BEAR), ("boxes",), **options)
    (mark,) = recipe.write(out, selection)
    names = (out / "downloader_IDs_for_m01dws_train.txt").read_text().split()
    rows = (out / "csv/train/m01dws_boxes.csv").read_text().splitlines()
    assert mark.images == len(names) == 2
    assert {f"train/{row.partition(',')[0]}" for row in rows[1:]} == set(names)
    assert not any(row.startswith(image(5)) for row in rows)
    assert not (out / "csv/train/m01dws_annotations.csv").exists()


def test_files_follow_the_selection_that_ran_last(tmp_path: Path, drawn: Annotations) -> None:
    out, path = tmp_path / "out", tmp_path / "out/downloader_IDs_for_m01dws_train.txt"
    one = selection_of(tmp_path, drawn, chosen(BEAR), ("boxes",), limit=2, seed=1)
    contents = set()
    for seed in range(8):
        other = selection_of(tmp_path, drawn, chosen(BEAR), ("boxes",), limit=2, seed=seed)
        recipe.write(out, other)
        contents.add(path.read_bytes())
        assert recipe.complete(out, other)
        assert bool(recipe.complete(out, one)) == (one.digest == other.digest)
    assert len(contents) > 1  # all of one size
    path.unlink()
    assert recipe.complete(out, other) is None
    recipe.write(out, other)
    assert path.exists()


def test_merged_classes_have_their_members_rows(tmp_path: Path, drawn: Annotations) -> None:
    merged = chosen(BEAR, members={BEAR: (WAFFLE,)})
    selection = selection_of(tmp_path, drawn, merged, ("boxes",))
    recipe.write(tmp_path / "out", selection)
    rows = (tmp_path / "out/csv/train/m01dws_boxes.csv").read_text()
    assert rows.count(f",{BEAR},") == 5
    assert rows.count(f",{WAFFLE},") == 7


def test_a_label_that_says_no_lists_no_image(tmp_path: Path, drawn: Annotations) -> None:
    selection = selection_of(tmp_path, drawn, chosen(BEAR), ("labels",), by="labels")
    recipe.write(tmp_path / "out", selection)
    names = (tmp_path / "out/downloader_IDs_for_m01dws_train.txt").read_text()
    assert names == f"train/{image(1)}\n"
    assert not (tmp_path / "out/csv").exists()


def test_a_class_without_rows_has_files_without_rows(tmp_path: Path, drawn: Annotations) -> None:
    selection = selection_of(tmp_path, drawn, chosen(BEAR, CAT), ("boxes",))
    marks = recipe.write(tmp_path / "out", selection)
    assert [mark.images for mark in marks] == [4, 0]
    assert (tmp_path / "out/downloader_IDs_for_m01yrx_train.txt").read_bytes() == b""
    assert (tmp_path / "out/csv/train/m01yrx_boxes.csv").read_bytes().count(b"\r\n") == 1


def test_many_classes_are_written_some_at_a_time(
    tmp_path: Path, drawn: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = chosen(BEAR, WAFFLE, CAT)
    selection = selection_of(tmp_path, drawn, classes)
    whole = recipe.write(tmp_path / "out", selection)
    for path in (tmp_path / "out").glob("*.txt"):
        path.unlink()
    monkeypatch.setattr(recipe, "_AT_ONCE", 1)
    assert recipe.write(tmp_path / "out", selection) == whole
    monkeypatch.setattr(recipe, "MOST_CLASSES", 2)
    assert not recipe.is_wanted(classes, asked=False)
    assert recipe.is_wanted(classes, asked=True)
