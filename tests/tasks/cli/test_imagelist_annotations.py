"""``shardmill imagelist`` on annotations of COCO and VOC: boxes in shards, and the same again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import shardmill
from drawnannotations import NAMES, Annotated, document, draw_coco, draw_voc
from drawnlists import lay, stored

from pipeline import paths
from pipeline.catalog import table as catalog

FACTS = ("--format", "none")
LABELS = ("--format", "recordio", "--labels", "detection")


def rows(out: Path) -> list[dict[str, Any]]:
    """Return what the one catalog of an output says of images, by their keys."""
    (path,) = out.glob(".shardmill/catalogs/*.parquet")
    found = [row for part in catalog.read(path) for row in catalog.dicts(part)]
    return sorted(found, key=lambda row: str(row["key"]))


def objects(out: Path, split: str = "") -> list[tuple[object, ...]]:
    """Return what an output says of the objects of each image."""
    names = ("class_index", "boxes", "box_ids", "flags", "labels")
    return [
        (str(row["key"]).removeprefix(f"{split}/"), *(row[name] for name in names))
        for row in rows(out)
    ]


@pytest.fixture
def drawn(tmp_path: Path) -> Annotated:
    return draw_coco(tmp_path)


def prepared(drawn: Annotated, out: Path, *words: object, status: int = 0) -> str:
    run = shardmill("imagelist", *drawn.words, "--out", out, *words)
    assert run.returncode == status, run.stdout + run.stderr
    return " ".join(run.stdout.split())


def test_every_format_has_the_objects_and_every_command_knows_them(
    drawn: Annotated, out: Path
) -> None:
    formats = ("tfrecord", "recordio", "webdataset")
    words = ("--format", ",".join(formats), "--labels", "detection")
    said = prepared(drawn, out, *words, status=4)  # RecordIO has no such label of no box
    assert "train: boxes: 7 objects on 5 images; 3 images without an object, 2 with" in said
    assert "train: 3 classes: cat 0, dog 1, emu 2" in said
    assert "classes of the table without an image here: emu" in said
    for name in formats:
        assert len(list(stored(out, name, "train"))) == (5 if name == "recordio" else len(NAMES))
    assert shardmill("verify", out, "--against", drawn.root).returncode == 0
    status = shardmill("status", out)
    assert status.returncode == 4, status.stdout


def test_an_image_has_the_label_of_its_one_class_or_a_vector(drawn: Annotated, out: Path) -> None:
    prepared(drawn, out, "--format", "recordio")
    by_id = {said["id"]: said["labels"] for said, _ in stored(out, "recordio", "train")}
    assert by_id[100] == (0.0, 0.0, 0.0)
    assert by_id[101] == (0.0, 1.0, 0.0)
    assert by_id[102] == (1.0, 1.0, 0.0)
    of_key = {row["key"]: row["class_index"] for row in rows(out)}
    assert [of_key[name] for name in NAMES[:3]] == [-1, 1, 0]


def test_one_class_an_image_is_a_label(tmp_path: Path, out: Path) -> None:
    said = document(tmp_path / "images")
    said["images"] = [said["images"][place] for place in (1, 4, 7)]
    ids = {image["id"] for image in said["images"]}
    said["annotations"] = [one for one in said["annotations"] if one["image_id"] in ids]
    path = lay(tmp_path / "one.json", json.dumps(said).encode())
    prepared(Annotated(path, tmp_path / "images"), out, "--format", "recordio", "--extract")
    assert {said["labels"] for said, _ in stored(out, "recordio", "one")} == {(1.0,)}
    assert len(list(out.glob("one/dog/*.jpg"))) == 3


def test_what_is_exported_for_coco_is_read_back_the_same(drawn: Annotated, out: Path) -> None:
    prepared(drawn, out, *FACTS, "--export", "coco")
    exported = Annotated(out / "coco/instances_train.json", drawn.root)
    prepared(exported, out.parent / "again", *FACTS, "--export", "coco")
    assert objects(out.parent / "again") == objects(out)
    (first, second) = (
        json.loads((folder / "coco/instances_train.json").read_text())
        for folder in (out, out.parent / "again")
    )
    assert second["categories"] == first["categories"]
    assert len(first["images"]) == len(NAMES)  # negatives, too
    for one, other in zip(first["annotations"], second["annotations"], strict=True):
        assert one["bbox"] == pytest.approx(other.pop("bbox"), abs=1e-9)
        assert one["area"] == pytest.approx(other.pop("area"))
        assert other.items() <= one.items()


def test_what_is_exported_for_voc_is_read_back_the_same(tmp_path: Path, out: Path) -> None:
    drawn = draw_voc(tmp_path)
    prepared(drawn, out, *FACTS, "--export", "voc", "--name", "train")
    images = tmp_path / "again/JPEGImages"
    images.mkdir(parents=True)
    (images / "train").symlink_to(drawn.root)
    exported = Annotated(out / "voc/Annotations", images)
    prepared(exported, tmp_path / "again/out", *FACTS, "--export", "voc", "--name", "train")
    assert objects(tmp_path / "again/out", "train") == objects(out)
    assert [flags for _, _, _, _, flags, _ in objects(out)][:2] == [(0,), (32, 32)]
    for number in range(4):
        made = (out / f"voc/Annotations/train/{number}.xml").read_text()
        again = tmp_path / f"again/out/voc/Annotations/train/train/{number}.xml"
        assert again.read_text().replace("train/train/", "train/") == made


def test_a_table_of_classes_numbers_another_file(drawn: Annotated, out: Path) -> None:
    prepared(drawn, out, *FACTS)
    said = document(drawn.root)
    said["categories"] = [{"id": 7, "name": "dog"}, {"id": 3, "name": "dog 2"}]
    said["annotations"] = [one for one in said["annotations"] if one["category_id"] == 7]
    other = Annotated(
        lay(drawn.path.with_name("instances_val.json"), json.dumps(said).encode()), drawn.root
    )
    table = paths.class_table(out, "train")
    assert "cat 0, dog 1, emu 2" in prepared(other, out, *FACTS, "--classes", table)
    said["categories"][0]["name"] = "dug"
    other.path.write_text(json.dumps(said))
    run = shardmill("imagelist", *other.words, "--out", out, *FACTS, "--classes", table)
    assert run.returncode == 3
    assert "did you mean 'dog'" in run.stderr


def test_annotations_are_divided_by_shares(drawn: Annotated, out: Path) -> None:
    said = prepared(drawn, out, *FACTS, "--split", "a=0.5,b=0.5", "--export", "coco")
    assert "a: 3 classes: cat 0, dog 1, emu 2" in said
    names = [
        image["file_name"]
        for split in ("a", "b")
        for image in json.loads((out / f"coco/instances_{split}.json").read_text())["images"]
    ]
    assert sorted(names) == sorted(NAMES)


def test_images_that_are_not_there_are_refused_or_left_out(drawn: Annotated, out: Path) -> None:
    (drawn.root / "a/1.jpg").unlink()
    run = shardmill("imagelist", *drawn.words, "--out", out, *FACTS)
    assert run.returncode == 3
    prepared(drawn, out, *FACTS, "--export", "coco", "--on-bad-image", "skip", status=4)
    said = json.loads((out / "coco/instances_train.json").read_text())
    assert len(said["images"]) == len(NAMES) - 1
    run = shardmill("imagelist", drawn.path, "--root", drawn.path.parent, "--out", out, *FACTS)
    assert run.returncode == 3
    assert "none of the images is there" in run.stderr


def test_an_image_of_another_size_than_annotations_say_is_refused_or_left_out(
    drawn: Annotated, out: Path
) -> None:
    said = document(drawn.root)
    wide = said["images"][2]
    was = f"{wide['width']} x {wide['height']}"
    wide["width"] += 1
    drawn.path.write_text(json.dumps(said))
    run = shardmill("imagelist", *drawn.words, "--out", out, *FACTS, "--order", "im2rec")
    assert run.returncode == 3
    both = f"{was} pixels, where they say {wide['width']} x {wide['height']}"
    assert both in " ".join(run.stderr.split())
    assert NAMES[2] in run.stderr
    prepared(drawn, out, *FACTS, "--export", "coco", "--on-bad-image", "skip", status=4)
    left = json.loads((out / "coco/instances_train.json").read_text())["images"]
    assert len(left) == len(NAMES) - 1
    assert shardmill("verify", out, "--against", drawn.root).returncode == 0


def test_an_image_of_another_size_than_voc_says_is_refused(tmp_path: Path, out: Path) -> None:
    drawn = draw_voc(tmp_path)
    path = drawn.path / "1.xml"
    path.write_text(path.read_text().replace("<height>", "<height>9"))
    run = shardmill("imagelist", *drawn.words, "--out", out, *FACTS)
    assert run.returncode == 3
    assert "another size than its annotations say" in " ".join(run.stderr.split())


def test_a_changed_annotation_makes_another_output(drawn: Annotated, out: Path) -> None:
    prepared(drawn, out, *FACTS)
    before = objects(out)
    drawn.path.write_text(drawn.path.read_text().replace("9.5", "8.5", 1))
    prepared(drawn, out, *FACTS)
    assert len(list(out.glob(".shardmill/catalogs/*.parquet"))) == 2
    assert before


def test_images_of_several_classes_have_no_class_folder(drawn: Annotated, out: Path) -> None:
    run = shardmill("imagelist", *drawn.words, "--out", out, "--extract")
    assert run.returncode == 2
    assert "5 images without that" in run.stderr
    assert "line" not in run.stderr


def test_labels_of_detection_need_boxes(tmp_path: Path, out: Path) -> None:
    drawn = draw_voc(tmp_path)
    run = shardmill("imagelist", drawn.root, "--out", out, *LABELS)
    assert run.returncode == 2
    assert "annotations alone have" in " ".join(run.stderr.split())
