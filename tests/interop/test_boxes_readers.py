"""Exports of boxes and masks, read by pycocotools and Datumaro, which reads the official files too.

Datumaro's reading of the published CSV files and masks of Open Images is an oracle of its own: what
we export of them has to be the same. It rounds boxes to hundredths of a pixel, and resizes masks
by their corners and not by the centres of pixels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from drawnannotations import draw_coco
from support import ROOT, RawSet, prepare, shardmill

READERS = Path(__file__).with_name("readers")
SPLITS = ("train", "validation", "test")
MIDS = {"Bear": "/m/01dws", "Waffle": "/m/01dwsz"}
COMPLETE = {0, 4}  # images are missing in the drawn set
FLAGS = {"occluded": "occluded", "truncated": "truncated", "is_depiction": "depiction"}
FLAGS |= {"is_inside": "inside"}

Found = dict[str, list[Any]]


class Box(NamedTuple):
    label: str
    box: tuple[float, ...]


def read(reader: str, *arguments: object) -> Any:
    """Return what a reader prints, as JSON."""
    given = os.environ.get("SHARDMILL_DATUMARO_PYTHON")
    python = given or str(ROOT / ".venv-datumaro" / "bin" / "python")
    command = [python, *map(str, (READERS / reader, *arguments))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def made(openimages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of two classes of Open Images, with masks and every export of boxes."""
    out = tmp_path_factory.mktemp("openimages") / "out"
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    classes = [word for name in MIDS for word in ("--class", name)]
    exports = ("--format", "none", "--export", "coco,voc,yolo")
    run = shardmill("openimages", *where, *classes, "--masks", *exports)
    assert run.returncode in COMPLETE, run.stderr
    return out


@pytest.fixture(scope="module")
def documents(made: Path) -> dict[str, Any]:
    """What pycocotools finds in the document of each split."""
    return {split: read("read_coco.py", made / f"coco/instances_{split}.json") for split in SPLITS}


@pytest.fixture(scope="module")
def official(openimages: Path, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What Datumaro finds in the published files, with the images and masks that were collected."""
    folder = tmp_path_factory.mktemp("official")
    annotations = folder / "annotations"
    annotations.mkdir()
    for path in (openimages / "raw").iterdir():
        if path.suffix in {".csv", ".json"} and not path.name.startswith("oidv7"):
            # It looks for the training images under the names of the other splits.
            shutil.copy(path, annotations / path.name.replace("images-boxable", "images"))
    for name in ("images", "masks"):
        (folder / name).symlink_to(made / name)
    found: Found = read("read_datumaro.py", "open_images", folder, *MIDS.values())
    return found


def entries(documents: dict[str, Any]) -> dict[str, list[tuple[dict[str, Any], str]]]:
    """Annotations of each image, by split and ImageID, with the names of their classes."""
    found = defaultdict[str, list[tuple[dict[str, Any], str]]](list)
    for split, document in documents.items():
        images = {image["id"]: image["source_id"] for image in document["images"]}
        for annotation in document["annotations"]:
            name = document["categories"][str(annotation["category_id"])]
            found[f"{split}/{images[annotation['image_id']]}"].append((annotation, name))
    return found


def boxes(found: Found) -> dict[str, list[Box]]:
    """The boxes of each image that Datumaro found, sorted; an image without any is left out."""
    listed = {
        image: sorted(Box(label, tuple(box)) for label, kind, box, _ in each if kind == "bbox")
        for image, each in found.items()
    }
    return {image: each for image, each in listed.items() if each}


def check_same(ours: dict[str, list[Box]], theirs: dict[str, list[Box]], pixels: float) -> None:
    assert ours.keys() == theirs.keys()
    for image, expected in theirs.items():
        assert [each.label for each in ours[image]] == [each.label for each in expected]
        for mine, other in zip(ours[image], expected, strict=True):
            assert mine.box == pytest.approx(other.box, abs=pixels)


def test_areas_and_boxes_are_those_that_pycocotools_computes(documents: dict[str, Any]) -> None:
    with_masks = 0
    for document in documents.values():
        sizes = {each["id"]: [each["height"], each["width"]] for each in document["images"]}
        for annotation in document["annotations"]:
            computed = annotation["computed"]
            if computed:
                with_masks += 1
                assert annotation["area"] == computed["area"] == computed["pixels"] > 0
                assert annotation["bbox"] == computed["bbox"]
                assert computed["size"] == sizes[annotation["image_id"]]
    assert with_masks > 5


def test_boxes_and_flags_are_those_of_the_official_files(
    documents: dict[str, Any], official: Found
) -> None:
    seen = 0
    for image, listed in entries(documents).items():
        theirs = [each for each in official[image] if each[1] == "bbox"]
        assert len(listed) == len(theirs)
        for ours, name in listed:
            box = pytest.approx(ours.get("oid_box", ours["bbox"]), abs=0.02)
            ((label, _, _, flags),) = [each for each in theirs if each[2] == box]
            assert label == MIDS[name]
            assert ours["iscrowd"] == flags.get("is_group_of", False)
            known = {mine: flags[their] for their, mine in FLAGS.items() if their in flags}
            assert ours["attributes"] == known
            seen += 1
    assert seen > 10


def test_masks_are_those_of_the_official_files(documents: dict[str, Any], official: Found) -> None:
    for image, listed in entries(documents).items():
        ours = sorted(each["area"] for each, _ in listed if each["segmentation"])
        masks = [each[2][0] for each in official[image] if each[1] == "mask"]
        theirs = sorted(area for area in masks if area)
        assert ours == pytest.approx(theirs, rel=0.05, abs=20)


def test_datumaro_reads_coco(documents: dict[str, Any], made: Path, tmp_path: Path) -> None:
    (tmp_path / "annotations").symlink_to(made / "coco")
    (tmp_path / "images").symlink_to(made / "images")
    found = boxes(read("read_datumaro.py", "coco", tmp_path))
    ours = {
        image: sorted(Box(name, tuple(each["bbox"])) for each, name in listed)
        for image, listed in entries(documents).items()
    }
    check_same(ours, found, 0.02)


@pytest.mark.parametrize(("name", "folder"), [("voc_detection", "voc"), ("yolo", ".")])
def test_datumaro_reads_voc_and_yolo(
    documents: dict[str, Any], made: Path, name: str, folder: str
) -> None:
    found = boxes(read("read_datumaro.py", name, made / folder))
    there = {
        f"{image.partition('/')[0]}/{image.rpartition('/')[2]}": each
        for image, each in found.items()
    }
    ours = {
        image: sorted(Box(name, tuple(each.get("oid_box", each["bbox"]))) for each, name in listed)
        for image, listed in entries(documents).items()
    }
    check_same(ours, there, 2.0 if name == "voc_detection" else 1.0)


def test_boxes_of_archives_are_read_too(small: RawSet, out: Path) -> None:
    run = prepare(small, out, "--format", "none", "--export", "coco,voc")
    assert run.returncode == 0, run.stderr
    document = read("read_coco.py", out / "coco/instances_train.json")
    found = boxes(read("read_datumaro.py", "voc_detection", out / "voc"))
    assert sum(map(len, found.values())) == len(document["annotations"])
    assert len(document["annotations"]) == len((out / "bboxes.csv").read_text().splitlines())


def test_annotations_that_were_read_are_read_by_both(tmp_path: Path) -> None:
    drawn = draw_coco(tmp_path)
    out = tmp_path / "out"
    run = shardmill(
        "imagelist", *drawn.words, "--out", out, "--format", "none", "--export", "coco,voc"
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(drawn.path.read_text())
    document = read("read_coco.py", out / "coco/instances_train.json")
    names = {each["id"]: each["name"] for each in said["categories"]}
    assert sorted(document["categories"].values()) == sorted(names.values())
    assert [each["file_name"] for each in document["images"]] == [
        each["file_name"] for each in said["images"]
    ]
    for ours, theirs in zip(document["annotations"], said["annotations"], strict=True):
        assert document["categories"][str(ours["category_id"])] == names[theirs["category_id"]]
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1e-6)
        assert ours["iscrowd"] == theirs["iscrowd"]
    found = boxes(read("read_datumaro.py", "voc_detection", out / "voc"))
    assert sum(map(len, found.values())) == len(said["annotations"])
