"""The drawn set of Open Images."""

import csv
import io
import json
import shlex
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import shardmill
from openimagesbucket import Bucket
from PIL import Image

from pipeline.errors import OutputConflict, UsageError
from pipeline.images.header import read_header
from pipeline.sample import openimages as sample
from pipeline.sample.openimages_plan import (
    BEAR,
    HANDGUN,
    LAND_VEHICLE,
    WAFFLE,
    WITH_MASKS,
    Mask,
    PlannedImage,
    PlannedObject,
    plan,
)
from pipeline.sources.openimages import config, published

TABLES = {
    "train": "oidv6-train-annotations-bbox.csv",
    "validation": "validation-annotations-bbox.csv",
    "test": "test-annotations-bbox.csv",
}
INFO = {
    "train": "train-images-boxable-with-rotation.csv",
    "validation": "validation-images-with-rotation.csv",
    "test": "test-images-with-rotation.csv",
}
BOXES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside"
)
MASKED = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
MASKS = "{}-annotations-object-segmentation.csv"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


def objects() -> list[tuple[PlannedImage, PlannedObject]]:
    return [(image, each) for image in plan() for each in image.objects]


def in_state(state: str, split: str = "train") -> PlannedImage:
    (image,) = [each for each in plan() if (each.state, each.split) == (state, split)]
    return image


def served(drawn: Path, image: PlannedImage) -> bytes:
    return (drawn / "bucket" / image.split / f"{image.image_id}.jpg").read_bytes()


def masks_of(drawn: Path, kind: Mask) -> list[tuple[np.ndarray[Any, Any], str, tuple[int, int]]]:
    """Pixels and mode of all masks of a kind, each with its image's size."""
    found = []
    for image in [each for each in plan() if each.state == "usual"]:
        header = read_header(served(drawn, image))
        stored = [each for each in image.objects if each.mask not in {None, "missing"}]
        with zipfile.ZipFile(drawn / f"raw/{image.split}-masks-{image.image_id[0]}.zip") as zipped:
            names = [name for name in zipped.namelist() if name.startswith(image.image_id)]
            for name, each in zip(names, stored, strict=True):
                if each.mask == kind:
                    mask = Image.open(io.BytesIO(zipped.read(name)))
                    pixels = np.asarray(mask.convert("L"))
                    found.append((pixels, mask.mode, (header.width, header.height)))
    assert found
    return found


def test_the_same_arguments_draw_the_same_bytes_and_another_seed_others(
    tmp_path: Path, openimages: Path
) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    for seed in (0, 1):
        sample.draw_openimages(tmp_path / str(seed), seed=seed)
    assert content(tmp_path / "0") == content(openimages)
    assert content(tmp_path / "1").keys() != content(openimages).keys()


def test_the_configuration_describes_what_was_drawn(openimages: Path) -> None:
    found = config.load(openimages / "openimages.toml")
    assert found.bucket == str(openimages / "bucket")
    assert len(found.files) == len(list((openimages / "raw").iterdir())) == 4 + 3 * 20
    for file in found.files.values():
        verified = published.verify(file, openimages / "raw" / file.name)
        assert file.md5 in {verified.md5, None}
    assert [file.name for file in found.files.values() if file.md5 is None] == [
        found.version().hierarchy.name
    ]


@pytest.mark.parametrize("split", TABLES)
def test_files_have_the_columns_of_the_published_ones(openimages: Path, split: str) -> None:
    header = (openimages / "raw" / TABLES[split]).read_text().splitlines()[0].split(",")
    assert header[:13] == BOXES.split(",")
    assert len(header) == (21 if split == "train" else 13)
    masks = rows(openimages / "raw" / MASKS.format(split))
    assert list(masks[0]) == MASKED.split(",")
    assert {bool(row["Clicks"]) for row in masks} == {split == "train"}
    ids = [row["ImageID"] for row in masks]
    assert ids != sorted(ids)
    drawn = [image for image in plan() if image.split == split]
    info = rows(openimages / "raw" / INFO[split])
    assert {row["ImageID"] for row in info} == {image.image_id for image in drawn}
    assert {row["Rotation"] for row in info} >= {"0.0", "90.0", ""}


def test_every_first_digit_class_flag_and_source_occurs() -> None:
    images = plan()
    train = [image for image in images if image.split == "train"]
    assert {image.image_id[0] for image in train} == set("0123456789abcdef")
    for split in TABLES:
        held = {each.mid for image, each in objects() if image.split == split}
        assert held >= {BEAR, WAFFLE, HANDGUN, *WITH_MASKS}
    for flag in range(5):
        assert {each.flags[flag] for _, each in objects()} == {0, 1, -1}
    assert {each.source for _, each in objects()} == {"xclick", "activemil"}
    assert any(each.mid == LAND_VEHICLE for _, each in objects())
    assert not any(each.mask for _, each in objects() if 1 in each.flags[2:])


def test_rows_of_masks_and_boxes_are_of_the_same_corners_but_for_one(openimages: Path) -> None:
    lonely = 0
    for split, name in TABLES.items():
        boxes = Counter(corners(row, "") for row in rows(openimages / "raw" / name))
        for row in rows(openimages / "raw" / MASKS.format(split)):
            lonely += not boxes[corners(row, "Box")]
    assert lonely == 1


def corners(row: dict[str, str], prefix: str) -> tuple[object, ...]:
    names = [f"{prefix}{axis}{end}" for axis in "XY" for end in ("Min", "Max")]
    return (row["ImageID"], row["LabelName"], *(round(float(row[name]), 6) for name in names))


@pytest.mark.parametrize("kind", ["1", "L", "larger", "smaller"])
def test_a_mask_has_two_levels_in_whatever_mode_and_size(openimages: Path, kind: Mask) -> None:
    for pixels, mode, (width, height) in masks_of(openimages, kind):
        assert mode == ("L" if kind == "L" else "1")
        assert (pixels.shape == (height, width)) == (kind in {"1", "L"})
        assert abs(pixels.shape[1] / width - pixels.shape[0] / height) < 0.01
        assert set(pixels.ravel().tolist()) == {0, 255}


def test_masks_are_black_misshapen_and_missing(openimages: Path) -> None:
    assert not any(pixels.any() for pixels, _, _ in masks_of(openimages, "black"))
    for pixels, _, (width, height) in masks_of(openimages, "misshapen"):
        assert pixels.shape == (height // 2, width)
    named, stored = set(), set()
    for split in TABLES:
        named |= {row["MaskPath"] for row in rows(openimages / "raw" / MASKS.format(split))}
        for archive in (openimages / "raw").glob(f"{split}-masks-?.zip"):
            stored |= set(zipfile.ZipFile(archive).namelist())
    assert len(named - stored) == sum(each.mask == "missing" for _, each in objects()) > 0
    assert not stored - named


def test_a_mask_of_mode_p_has_two_indexes(openimages: Path) -> None:
    image = in_state("turned")
    with zipfile.ZipFile(openimages / "raw" / f"train-masks-{image.image_id[0]}.zip") as members:
        content = [members.read(name) for name in members.namelist() if image.image_id in name]
    modes = {Image.open(io.BytesIO(each)).mode for each in content}
    assert modes == {"P"}


def test_images_are_whole_absent_cut_turned_or_a_page(openimages: Path) -> None:
    for image in plan():
        if image.state == "usual":
            header = read_header(served(openimages, image))
            assert max(header.width, header.height) <= 1024
    for split in ("train", "validation"):
        absent = in_state("absent", split)
        assert not (openimages / "bucket" / split / f"{absent.image_id}.jpg").exists()
    assert not served(openimages, in_state("cut")).endswith(b"\xff\xd9")
    assert served(openimages, in_state("page")).startswith(b"<!DOCTYPE html>")
    with Image.open(io.BytesIO(served(openimages, in_state("turned")))) as turned:
        assert turned.getexif()[0x0112] == 6


def test_labels_say_what_is_absent_also_of_images_without_objects(openimages: Path) -> None:
    name = "test-annotations-human-imagelabels-boxable.csv"
    found = rows(openimages / "raw" / name)
    boxed = {row["ImageID"] for row in rows(openimages / "raw" / TABLES["test"])}
    bears = [row for row in found if row["LabelName"] == BEAR and row["ImageID"] not in boxed]
    assert sorted(row["Confidence"] for row in bears) == ["0", "1"]
    assert {row["Source"] for row in found} == {"verification", "crowdsource-verification"}


def test_titles_and_authors_hold_quotes_commas_line_ends_and_other_letters(
    openimages: Path,
) -> None:
    found = rows(openimages / "raw" / "train-images-boxable-with-rotation.csv")
    text = "".join(row["Author"] + row["Title"] for row in found)
    assert all(mark in text for mark in ('"', ",", "\n", "名"))


def test_names_of_classes_have_the_forms_of_both_versions(openimages: Path) -> None:
    older = (openimages / "raw/class-descriptions-boxable.csv").read_bytes()
    newer = (openimages / "raw/oidv7-class-descriptions-boxable.csv").read_bytes()
    assert older.startswith(b"/m/")
    assert b"/m/0cmf2,Airplane\r\n" in older
    assert newer.startswith(b"LabelName,DisplayName\r\n")
    assert b"/m/0cmf2,Fixed-wing aircraft\r\n" in newer
    assert b"/m/0h8n5zk,Kitchen & dining room table\r\n" in older
    tree = json.loads((openimages / "raw/bbox_labels_600_hierarchy.json").read_bytes())
    assert tree["LabelName"] == "/m/0bl9f"
    assert json.dumps(tree).count(f'"{BEAR}"') == 2


def test_a_server_has_all_of_it(openimages: Path, tmp_path: Path) -> None:
    with Bucket(openimages / "bucket", openimages / "raw") as bucket:
        found = config.load(bucket.configure(openimages, tmp_path))
        assert found.bucket == bucket.images
        file = found.version("v7").classes
        assert published.fetch(file, tmp_path / "raw").md5 == file.md5
        image = in_state("turned")
        content = bucket.content(f"train/{image.image_id}.jpg")
        assert content == served(openimages, image)


def test_the_command_draws_it_and_says_what_to_run(tmp_path: Path, openimages: Path) -> None:
    run = shardmill("sample", tmp_path / "new", "--openimages")
    assert run.returncode == 0, run.stderr
    for path in (tmp_path / "new/raw").iterdir():
        assert path.read_bytes() == (openimages / "raw" / path.name).read_bytes()
    *_, line = run.stdout.splitlines()
    words = shlex.split(line.removeprefix("now: "))[:-1]
    planned = shardmill(*words[1:], tmp_path / "out", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_a_sample_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/test-masks-0.zip").write_bytes(b"the real one")
    with pytest.raises(OutputConflict) as caught:
        sample.draw_openimages(tmp_path)
    assert caught.value.file == str(tmp_path / "raw/test-masks-0.zip")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["test-masks-0.zip"]


@pytest.mark.parametrize("argument", [{"train_images": 23}, {"other_images": 20_001}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, argument: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(argument))):
        sample.draw_openimages(tmp_path / "raw", **argument)  # type: ignore[arg-type]


def test_more_images_add_to_those_of_a_smaller_set() -> None:
    smaller, larger = plan(), plan(train_images=40, other_images=12)
    ids = {image.image_id for image in larger}
    assert {image.image_id for image in smaller if image.objects} < ids
