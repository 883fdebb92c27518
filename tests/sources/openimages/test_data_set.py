"""What was collected of Open Images becomes catalog rows, shards and lists, by its tables alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import collectedimages
import inprocess
import pytest
from collectedimages import CLASSES, Collectable, Object, collect, fetch, job_of, some_images
from drawnlists import encoded, manifest_of

from pipeline.catalog import details
from pipeline.catalog import table as catalog
from pipeline.errors import (
    InputRefused,
    NotCollected,
    OutputDamaged,
    TreeRefused,
)
from pipeline.formats.recordio.framing import read_records
from pipeline.formats.recordio.header import parse_header
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.selection_options import SelectionOptions
from pipeline.sources.openimages import config, places, tables
from pipeline.sources.openimages.source import OpenImagesSource
from pipeline.state import preflight
from pipeline.state.inventory import Inventory
from tasks.prepare import is_complete, leaf_tasks

MASKS = SelectionOptions(classes=("Handgun",), masks=True)


def collected(out: Path, images: list[Collectable] | None = None, **options: Any) -> Job:
    job = job_of(out, **options)
    collect(job, "train", some_images() if images is None else images)
    inprocess.forget()
    return job


def source_of(resolved: ResolvedJob) -> OpenImagesSource:
    source = resolved.splits["train"].source
    assert isinstance(source, OpenImagesSource)
    return source


def rows_of(job: Job) -> list[dict[str, Any]]:
    source = source_of(resolve.reading(job))
    parts = list(source.rows(job.folder, None))
    for part in parts:
        catalog.check(part)
    return [row for part in parts for row in part.to_pylist()]


def test_rows_say_classes_files_and_numbers(tmp_path: Path) -> None:
    images = some_images()
    rows = rows_of(collected(tmp_path / "out", images))
    assert [row["key"] for row in rows] == [f"{each.image_id}.jpg" for each in images]
    assert [row["id"] for row in rows] == [int(each.image_id, 16) for each in images]
    assert [row["length"] for row in rows] == [
        len(each.content or "-") if each.content else -1 for each in images
    ]
    shown = [each.classes[0] if each.classes else -1 for each in images]
    assert [row["class_index"] for row in rows] == shown
    known = [*CLASSES, ("", "")]
    assert [(row["class_id"], row["class_text"]) for row in rows] == [
        known[index] for index in shown
    ]
    assert [row["labels"] for row in rows] == [
        each.classes if len(each.classes) > 1 else [] for each in images
    ]
    assert all((tmp_path / "out" / row["source"]).is_file() == (row["length"] >= 0) for row in rows)


def test_objects_have_their_own_class_flags_and_masks(tmp_path: Path) -> None:
    unknown = dict.fromkeys(tables.FLAGS, -1)
    unsaid = dict.fromkeys(tables.FLAGS)
    every = dict.fromkeys(tables.FLAGS, 1)
    objects = (
        Object(0, "a.png", {"group_of": 1, "inside": -1}),
        Object(2, "b.png", unknown),
        Object(1, "", unsaid),
        Object(1, "c.png", every),
    )
    out = tmp_path / "out"
    job = job_of(out, openimages=MASKS)
    images = [Collectable("00000000000000ff"), Collectable("0100000000000000", objects)]
    collect(job, "train", images, masks={"b.png": "missing", "c.png": "black"})
    inprocess.forget()
    first, second = rows_of(job)
    assert first["objects"] == []
    found = second["objects"]
    assert [each["class_index"] for each in found] == [0, 2, 1, 1]
    assert [each["class_id"] for each in found] == [CLASSES[index][0] for index in (0, 2, 1, 1)]
    assert [each["flags"] for each in found] == [0b00100, 0, None, 0b11111]
    assert [each["mask"] for each in found] == [
        "masks/train/a.png",
        None,
        None,
        "masks/train/c.png",
    ]
    assert [round(found[0][side], 6) for side in ("xmin", "ymin", "xmax", "ymax")] == [
        0.1,
        0.2,
        0.7,
        0.9,
    ]
    assert second["labels"] == [0, 1, 2]


def test_rows_are_the_same_however_tables_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows_of(collected(tmp_path / "whole"))
    monkeypatch.setattr(tables, "GROUP", 2)
    monkeypatch.setattr(catalog, "ROWS", 5)
    assert rows_of(collected(tmp_path / "parts")) == whole


def test_absent_images_are_left_out_with_the_answer_that_was_given(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    inprocess.build(leaf_tasks(job))
    assert is_complete(job)
    document = manifest_of(Path(job.out), "tfrecord", "train")
    counts = document["counts"]
    assert (counts["images"], counts["records"], counts["left_out"]) == (12, 11, 1)
    (left_out,) = document["left_out"]
    assert left_out["key"] == "1000000000000001.jpg"
    assert left_out["reason"] == "absent, HTTP 404: https://bucket/train/1000000000000001.jpg"
    lines = (Path(job.out) / "lists" / "train.lst").read_text().splitlines()
    assert lines[3] == "3\t1.000000\t2.000000\t4000000000000004.jpg"
    assert lines[4] == "4\t-1.000000\t5000000000000005.jpg"
    assert len(lines) == 11
    table = (Path(job.out) / "lists" / "labels.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in table[1:]] == [mid for mid, _ in CLASSES]


def test_absent_images_are_refused_where_none_may_be_left_out(tmp_path: Path) -> None:
    job = collected(tmp_path / "out", on_bad_image="fail")
    with pytest.raises(InputRefused, match="1 image has no file") as refused:
        resolve.reading(job)
    assert refused.value.file == str(places.failures(tmp_path / "out", "train"))
    assert "1000000000000001: absent, HTTP 404" in str(refused.value)
    assert resolve(job).splits["train"].source.glanced_at


def test_no_image_at_all_is_refused(tmp_path: Path) -> None:
    images = [Collectable("0000000000000001", (Object(0),), outcome="absent")]
    with pytest.raises(InputRefused, match="none of the images of train is there"):
        resolve(collected(tmp_path / "out", images))


def test_a_split_none_of_whose_images_is_there_is_left_out_alone(tmp_path: Path) -> None:
    job = job_of(tmp_path / "out", "train", "test")
    collect(job, "train", some_images())
    collect(job, "test", [Collectable("1" * 16, (Object(0),), outcome="absent")])
    inprocess.forget()
    for resolved in (resolve.reading(job), resolve(job)):
        assert list(resolved.splits) == ["train"]
        assert resolved.dataset.empty_splits == ("test",)
        (said,) = resolved.dataset.beside()
        assert "test: none of its 1 image is there (1 absent)" in said
        assert str(places.failures(tmp_path / "out", "test")) in said
    with pytest.raises(InputRefused, match="2 images have no file") as refused:
        resolve.reading(replace(job, on_bad_image="fail"))
    assert f"test/{'1' * 16}: absent" in str(refused.value)


def test_a_split_without_an_image_is_left_out(tmp_path: Path) -> None:
    job = job_of(tmp_path / "out", "train", "test")
    collect(job, "train", some_images())
    collect(job, "test", [])
    inprocess.forget()
    resolved = resolve.reading(job)
    assert (list(resolved.splits), resolved.dataset.empty_splits) == (["train"], ())
    assert list(resolved.dataset.beside()) == ["test: no image is selected: nothing is made of it"]
    other = job_of(tmp_path / "other", "test")
    collect(other, "test", [])
    with pytest.raises(InputRefused, match="no image is selected"):
        resolve(other)


@pytest.mark.parametrize("gone", ["selection", "group", "mask"])
def test_what_is_not_collected_yet_is_said(tmp_path: Path, gone: str) -> None:
    out = tmp_path / "out"
    job = job_of(out, openimages=MASKS)
    with pytest.raises(NotCollected):
        resolve(job)
    collect(job, "train", [Collectable("0000000000000001", (Object(0, "a.png"),))])
    inprocess.forget()
    (digest,) = {each.name for each in places.selections(out).iterdir()}
    digest = digest.removeprefix("train-")
    marks = {
        "selection": places.selection_mark(out, "train", digest),
        "group": places.image_mark(out, "train", digest, 0),
        "mask": places.mask_mark(out, "train", digest, "0"),
    }
    resolve(job)
    inprocess.forget()
    marks[gone].unlink()
    with pytest.raises(NotCollected) as refused:
        resolve(job)
    assert refused.value.file == str(marks[gone])


def test_an_image_that_came_or_went_makes_another_digest(tmp_path: Path) -> None:
    digests = set[str]()
    for outcome in ("absent", "fetched", "kept", "forbidden"):
        images = some_images()
        images[3] = Collectable(images[3].image_id, images[3].objects, outcome=outcome, drawn=3)
        job = collected(tmp_path / outcome, images)
        digests.add(resolve.reading(job).splits["train"].rows_digest)
    assert len(digests) == 3  # that it was there before is no other data set


@pytest.mark.parametrize(("size", "found"), [(0, "0 bytes"), (None, "no file")])
def test_an_image_that_is_gone_or_cut_is_named(
    tmp_path: Path, size: int | None, found: str
) -> None:
    job = collected(tmp_path / "out")
    path = tmp_path / "out" / "images" / "train" / "2000000000000002.jpg"
    path.unlink()
    if size is not None:
        path.write_bytes(b"")
    with pytest.raises(TreeRefused, match="not as it was collected") as refused:
        resolve.reading(job)
    assert (refused.value.file, refused.value.found) == (str(path), found)


def test_an_image_that_was_replaced_before_shards_were_made_is_refused(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    path = tmp_path / "out" / "images" / "train" / "2000000000000002.jpg"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(TreeRefused, match="not what it was when it was collected"):
        inprocess.build(leaf_tasks(job))
    path.write_bytes(encoded(2))
    inprocess.build(leaf_tasks(job))
    assert is_complete(job)


def test_what_was_asked_for_is_known_without_the_metadata(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    resolved = resolve.reading(job)
    for split in resolved.splits.values():
        split.source.remember()
    digest = resolved.digest
    (tmp_path / "out").rename(tmp_path / "moved")
    inprocess.forget()
    moved = job_of(tmp_path / "moved")
    assert resolve(moved).digest == digest
    with pytest.raises(NotCollected):
        resolve(job_of(tmp_path / "moved", openimages=SelectionOptions(classes=("Bear",))))


def test_recordio_says_of_each_class_whether_an_image_is_of_it(tmp_path: Path) -> None:
    formats = ("recordio", "tfrecord", "webdataset")
    job = collected(tmp_path / "out", formats=formats, order="name", shards=(("train", 1),))
    inprocess.build(leaf_tasks(job))
    folder = Path(job.out) / "recordio" / "train" / "current"
    there = [each for each in some_images() if each.content]
    expected = [[float(place in each.classes) for place in range(3)] for each in there]
    records = [parse_header(each.data) for each in read_records(next(folder.glob("*.rec")))]
    assert [(each.flag, list(each.labels)) for each in records] == [(3, row) for row in expected]
    lines = next(folder.glob("*.lst")).read_text().splitlines()
    assert [list(map(float, line.split("\t")[1:-1])) for line in lines] == expected
    assert {row == [0.0] * 3 for row in expected} == {True, False}  # one of no class
    said = {name: manifest_of(Path(job.out), name, "train")["parameters"] for name in formats}
    assert {name: each.get("multi_hot") for name, each in said.items()} == {
        "recordio": 3,
        "tfrecord": None,
        "webdataset": None,
    }


def test_labels_of_one_class_and_of_objects_are_no_such_vectors(tmp_path: Path) -> None:
    boxed = [each for each in some_images() if each.objects]
    job = collected(tmp_path / "boxed", boxed, formats=("recordio",), labels="detection")
    inprocess.build(leaf_tasks(job))
    assert Inventory(resolve(job)).complete
    (output,) = resolve(job).splits["train"].outputs
    assert output.form.options.multi_hot == 0


def test_of_one_class_the_label_is_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectedimages, "CLASSES", CLASSES[:1])
    images = [Collectable("0" * 16, (Object(0),)), Collectable("1" * 16, negatives=(0,))]
    job = collected(tmp_path / "out", images, formats=("recordio",), order="name")
    inprocess.build(leaf_tasks(job))
    (shard,) = (Path(job.out) / "recordio" / "train" / "current").glob("*.rec")
    labels = [parse_header(each.data).labels for each in read_records(shard)]
    assert labels == [(0.0,), (-1.0,)]


def test_details_follow_the_catalog(tmp_path: Path) -> None:
    job = job_of(tmp_path / "out", openimages=MASKS)
    images = [
        Collectable("0000000000000001", (Object(0, "a.png"), Object(1))),
        Collectable("1000000000000001", (Object(0),), outcome="absent"),
        Collectable("2000000000000001", negatives=(1,)),
    ]
    collect(job, "train", images, masks={"a.png": "bad"})
    inprocess.forget()
    source = source_of(resolve.reading(job))
    said = source.details()
    (of_images,) = said.images()
    assert of_images.schema == details.IMAGES
    assert [row["width"] is None for row in of_images.to_pylist()] == [False, True, False]
    assert of_images["is_negative"].to_pylist() == [False, False, True]
    assert of_images["key"].to_pylist() == [row["key"] for row in rows_of(job)]
    objects = [row for part in said.objects() for row in part.to_pylist()]
    assert [row["key"] for row in objects] == [
        "0000000000000001.jpg",
        "0000000000000001.jpg",
        "1000000000000001.jpg",
    ]
    assert [row["mask_path"] for row in objects] == [None, None, None]
    assert objects[0]["xmax"] == 0.7
    assert said.masks == places.masks(tmp_path / "out", "train")
    other = collected(tmp_path / "other")
    assert source_of(resolve(other)).details().digest != said.digest


def test_tables_of_other_images_are_refused(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    fetch(tmp_path / "out", "train", 0, [*some_images()[:-1], Collectable("ffffffffffffffff")])
    inprocess.forget()
    with pytest.raises(OutputDamaged, match="of other images"):
        rows_of(job)


def test_whose_the_images_are_is_read_from_the_metadata(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    split = config.load(Path(job.config)).split("train")
    assert split.images is not None
    head = "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,"
    head += "OriginalSize,OriginalMD5,Thumbnail300KURL,Rotation"
    row = '{},train,https://o,https://l,https://by,https://p,Zoë,"A, ""b""",1,x==,,0.0'
    lines = [head, *(row.format(each) for each in ("f" * 16, "3000000000000003"))]
    path = places.raw(tmp_path / "out") / split.images.name
    path.parent.mkdir()
    path.write_text("\n".join(lines), encoding="utf-8")
    opens = source_of(resolve(job)).details().attribution
    assert opens is not None
    (rows,) = opens()
    assert rows.schema == details.ATTRIBUTION
    assert rows.to_pylist() == [
        {
            "key": "3000000000000003.jpg",
            "image_id": "3000000000000003",
            "author": "Zoë",
            "author_profile": "https://p",
            "title": 'A, "b"',
            "license": "https://by",
            "landing_page": "https://l",
            "original_url": "https://o",
        }
    ]


def test_an_image_that_turned_up_is_taken_in_without_asking(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    inprocess.build(leaf_tasks(job))
    before = manifest_of(Path(job.out), "tfrecord", "train")
    images = some_images()
    images[1] = Collectable(images[1].image_id, images[1].objects, drawn=1)
    collect(job, "train", images)
    inprocess.forget()
    preflight.check(resolve.reading(job))
    inprocess.build(leaf_tasks(job))
    assert is_complete(job)
    document = manifest_of(Path(job.out), "tfrecord", "train")
    assert (before["counts"]["records"], document["counts"]["records"]) == (11, 12)
    assert document["digests"]["output"] != before["digests"]["output"]
    assert len((Path(job.out) / "lists" / "train.lst").read_text().splitlines()) == 12
