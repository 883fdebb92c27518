"""What shards and archives hold and no shard gets is said; nothing is asked of them in vain."""

from __future__ import annotations

import gzip
import json
import subprocess
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, lay
from drawnshards import parquet, tar, tfrecords, zipped

from pipeline.sources.shardset import collecting, parquet_images, tar_images
from pipeline.sources.shardset.collecting import Tally

NAMES = ("mask", "glove", "hat")


def run(*words: object, status: int = 0) -> str:
    ended = shardmill(*words)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def samples(path: Path) -> tuple[dict[str, int | None], Tally]:
    """The label of each image of a tar, and what was passed over."""
    tally = Tally()
    return {each.name: each.label for each in tar_images.images(path, tally.note)}, tally


def test_names_with_dots_of_their_own_keep_their_class(tmp_path: Path) -> None:
    members = [
        (f"photo.{number:05}.v2.{end}", content)
        for number in range(3)
        for end, content in (("jpg", encoded(number)), ("cls", b"%d" % number), ("json", b"{}"))
    ]
    labels, tally = samples(tar(tmp_path / "a.tar", members))
    assert labels == {f"photo.{number:05}.v2.jpg": number for number in range(3)}
    assert not tally.counts["a file beside an image, which is not taken"]


def test_two_images_of_one_sample_are_one_also_with_dots(tmp_path: Path) -> None:
    members = [("1.left.jpg", encoded(1)), ("1.right.jpg", encoded(2)), ("1.cls", b"7")]
    labels, tally = samples(tar(tmp_path / "a.tar", members))
    assert labels == {"1.left.jpg": 7}
    assert tally.counts["one more image of a sample, which is not taken"] == 1


def test_each_file_of_a_sample_that_is_not_taken_is_counted(tmp_path: Path) -> None:
    members = [
        ("1.jpg", encoded(1)),
        ("1.label", b"7"),
        ("2.jpg", encoded(2)),
        ("2.json", b'{"class": 7}'),
        ("2.npy", b"array"),
        ("3.jpg", encoded(3)),
        ("3.cls", b"5"),
    ]
    labels, tally = samples(tar(tmp_path / "a.tar", members))
    assert labels == {"1.jpg": None, "2.jpg": None, "3.jpg": 5}
    assert tally.counts == {
        "a file beside an image, which is not taken": 2,
        "JSON of a sample that says nothing that is taken": 1,
    }


@pytest.mark.parametrize(
    ("said", "label"), [("-1", None), ("-0", 0), ("0" * 30 + "5", 5), ("9" * 5000, 10**20 - 1)]
)
def test_numbers_of_classes_of_any_length(tmp_path: Path, said: str, label: int | None) -> None:
    path = tar(tmp_path / "a.tar", [("1.jpg", encoded(1)), ("1.cls", said.encode())])
    assert samples(path)[0] == {"1.jpg": label}


@pytest.mark.parametrize(
    "objects", [[{"class_index": "car"}], [{"flags": 3}], [{"flags": [[]]}], ["car"], [], 3]
)
def test_objects_in_words_of_others_leave_their_boxes(tmp_path: Path, objects: object) -> None:
    facts = json.dumps({"boxes": [[0, 0, 1, 1]], "objects": objects})
    path = tar(tmp_path / "a.tar", [("1.jpg", encoded(1)), ("1.json", facts.encode())])
    (image,) = tar_images.images(path, Tally().note)
    assert image.boxes == ((0.0, 0.0, 1.0, 1.0),)
    assert image.box_classes == ()


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"boxes": [[10, 20, 110, 220]]}, "boxes in JSON"),
        ({"boxes": [[0.5, 0.5, 0.25, 0.75]]}, "boxes in JSON"),
        ({"boxes": [[0, 0, 1, 1], [0, 1]]}, "boxes in JSON"),
        ({"boxes": {"x": 1}}, "boxes in JSON"),
        ({"labels": ["cat"]}, "labels in JSON"),
        ({"labels": "cat"}, "labels in JSON"),
    ],
)
def test_values_of_others_under_our_names_are_counted(
    tmp_path: Path, facts: object, what: str
) -> None:
    members = [("1.jpg", encoded(1)), ("1.json", json.dumps(facts).encode()), ("1.cls", b"4")]
    path, tally = tar(tmp_path / "a.tar", members), Tally()
    (image,) = tar_images.images(path, tally.note)
    assert (image.label, image.boxes, image.labels) == (4, (), ())
    assert any(each.startswith(what) for each in tally.counts)


def test_how_many_images_have_no_class_is_said(tmp_path: Path) -> None:
    features = [
        {"image": encoded(n), "target": [n]} | ({"label": [3]} if n else {}) for n in (0, 1)
    ]
    path = tfrecords(tmp_path / "photos.tfrecord", features)
    said = run("reshard", path, "--out", tmp_path / "out", "--format", "none")
    assert "photos: images without a class: 1 of 2" in said


def test_a_packed_shard_is_refused_with_a_command_that_unpacks_it(tmp_path: Path) -> None:
    plain = tfrecords(tmp_path / "in.tfrecord", [{"image": encoded(1), "label": [1]}])
    packed = tmp_path / "a b.tfrecord"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    refused = run("reshard", packed, "--out", tmp_path / "out", status=3)
    assert "found:    gzip data" in refused
    command = refused.partition("such as by `")[2].partition("`")[0]
    (tmp_path / "FOLDER").mkdir()
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    run("reshard", tmp_path / "FOLDER", "--out", tmp_path / "out", "--format", "none")


def test_ids_of_the_classes_of_objects_are_kept_without_flags(tmp_path: Path) -> None:
    corners = {f"image/object/bbox/{side}": [at] for side, at in
               (("xmin", 0.0), ("ymin", 0.0), ("xmax", 0.5), ("ymax", 0.5))}  # fmt: skip
    kinds = {"image/object/class/label": [2], "image/object/class/text": "hat"}
    path = tfrecords(tmp_path / "a.tfrecord", [{"image/encoded": encoded(1), **corners, **kinds}])
    (row,) = collecting.collect(tmp_path, path.name, Tally())["objects"].to_pylist()
    assert [(each["class_id"], each["flags"]) for each in row] == [("hat", 0)]


@pytest.mark.parametrize("form", ["list", "struct", "list of one"])
def test_objects_of_parquet_have_the_names_of_their_classes(tmp_path: Path, form: str) -> None:
    kind = {"names": list(NAMES), "_type": "ClassLabel"}
    feature: object = {
        "list": {"feature": {"category": kind}, "_type": "List"},
        "struct": {"category": {"feature": kind, "_type": "List"}},
        "list of one": [{"category": kind}],
    }[form]
    objects = {"bbox": [[0.0, 0.0, 1.0, 1.0]] * 2, "category": [2, 0]}
    row = {"image": encoded(1), "width": 4, "height": 4, "objects": objects}
    said = json.dumps({"info": {"features": {"objects": feature}}})
    table = pa.Table.from_pylist([row]).replace_schema_metadata({"huggingface": said})
    pq.write_table(table, tmp_path / "a.parquet")
    (image,) = parquet_images.images(tmp_path, "a.parquet", Tally().note)
    assert (image.box_classes, image.box_ids) == ((2, 0), ("hat", "mask"))


def test_the_column_of_labels_of_parquet_may_be_named(tmp_path: Path) -> None:
    rows = [{"image": encoded(n), "fine_label": n, "coarse_label": 0} for n in range(3)]
    path = tmp_path / "photos.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    words = ("imagelist", path, "--out", tmp_path / "out", "--format", "none")
    assert "images without a class: 3 of 3" in run(*words)
    said = run(*words, "--label-column", "fine_label", "--update")
    assert "without a class" not in said
    assert "e.g. " + f"{path}: coarse_label" in said
    refused = run(*words, "--label-column", "fine", status=3)
    assert "found:    the columns image, fine_label, coarse_label" in refused


@pytest.mark.parametrize(
    "option",
    [("--split", "a=0.5,b=0.5"), ("--path-column", "x"), ("--split-column", "x"),
     ("--label-column", "x"), ("--root", "/")],
)  # fmt: skip
def test_what_an_archive_cannot_give_is_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    path = zipped(tmp_path / "pets.zip", [("cat/1.jpg", encoded(1))], zipfile.ZIP_STORED)
    said = run("imagelist", path, *option, "--out", tmp_path / "out", status=2)
    assert option[0] in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "members", [[("1.jpg", encoded(1)), ("1.cls", b"4")], [("1.jpg", encoded(1))]]
)
def test_a_table_of_classes_without_effect_is_refused(
    tmp_path: Path, members: list[tuple[str, bytes]]
) -> None:
    path, classes = tar(tmp_path / "a.tar", members), tmp_path / "classes.txt"
    classes.write_text("cat\n")
    words = ("reshard", path, "--out", tmp_path / "out", "--format", "none")
    assert "--classes" in run(*words, "--classes", classes, status=2)
    run(*words)


def test_splits_in_an_archive_are_no_classes(tmp_path: Path) -> None:
    members = [(f"pets/{split}/{kind}/{n}.jpg", encoded(n))
               for split in ("train", "val") for n, kind in enumerate(("cat", "dog"))]  # fmt: skip
    path = zipped(tmp_path / "pets.zip", members, zipfile.ZIP_STORED)
    words = ("imagelist", path, "--out", tmp_path / "out", "--format", "none")
    refused = run(*words, status=3)
    assert "train/cat and val/cat" in refused
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "in")
    folder = tmp_path / "in/pets"
    said = run("imagelist", folder, "--recursive", "--out", tmp_path / "o", "--format", "none")
    assert "train: complete, 2" in said
    assert "val: complete, 2" in said
    classes = tmp_path / "classes.txt"
    classes.write_text("train/cat\ntrain/dog\nval/cat\nval/dog\n")
    run(*words, "--classes", classes)


def features_of(out: Path, split: str) -> object:
    """What the only Parquet shard of a split says of its classes."""
    (path,) = (out / "hf-parquet" / split / "current").glob(f"{split}-*.parquet")
    said = json.loads(pq.read_schema(path).metadata[b"huggingface"])
    return said["info"]["features"]["label"]


def test_classes_of_parquet_without_an_image_keep_their_names(tmp_path: Path) -> None:
    for split, label in (("train", 0), ("test", 2)):
        rows = [{"image": {"bytes": encoded(label), "path": "1.jpg"}, "label": label}]
        parquet(tmp_path / f"in/{split}-00000-of-00001.parquet", rows, NAMES)
    run("reshard", tmp_path / "in", "--out", tmp_path / "out", "--format", "hf-parquet")
    expected = {"names": list(NAMES), "_type": "ClassLabel"}
    assert features_of(tmp_path / "out", "train") == expected
    assert features_of(tmp_path / "out", "test") == expected


def test_files_that_name_classes_differently_give_what_their_images_have(tmp_path: Path) -> None:
    for number, names in enumerate((NAMES, ("mask", "glove"))):
        rows = [{"image": {"bytes": encoded(number), "path": f"{number}.jpg"}, "label": number}]
        parquet(tmp_path / f"in/train-0000{number}-of-00002.parquet", rows, names)
    run("reshard", tmp_path / "in", "--out", tmp_path / "out", "--format", "hf-parquet")
    expected = {"names": ["mask", "glove"], "_type": "ClassLabel"}
    assert features_of(tmp_path / "out", "train") == expected


@pytest.mark.parametrize("form", ["hf-parquet", "webdataset"])
def test_classes_of_an_output_without_an_image_in_a_split_keep_their_names(
    tmp_path: Path, form: str
) -> None:
    for split, kinds in (("train", ("ant", "bee", "cat")), ("val", ("ant", "cat"))):
        for n, kind in enumerate(kinds):
            lay(tmp_path / "in" / split / kind / f"{n}.png", encoded(n, form="PNG"))
    one, other = tmp_path / "one", tmp_path / "other"
    listed = ("imagelist", tmp_path / "in", "--recursive", "--exts", ".png", "--out", one)
    run(*listed, "--format", "hf-parquet,webdataset")
    said = run("reshard", one, "--from", form, "--out", other, "--format", "hf-parquet")
    assert "val: classes of the table without an image here: bee" in said
    for split in ("train", "val"):
        assert features_of(other, split) == features_of(one, split)
    table = "lists/val.classes.tsv"
    assert (other / table).read_bytes() == (one / table).read_bytes()


def test_an_output_among_shards_is_no_shard(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    tar(folder / "train.tar", [("1.jpg", encoded(1)), ("1.cls", b"4")])
    words = ("reshard", folder, "--out", folder / "out", "--format", "webdataset")
    assert "train: complete, 1 record" in run(*words)
    said = run(*words)
    assert "train: already complete, 1 record" in said
    assert "passed over beside the shards: 1 file, e.g. out/" in said
    refused = run("reshard", folder, "--out", folder, "--format", "webdataset", status=2)
    assert "choose another --out" in refused
    assert not (folder / ".shardmill").exists()


def test_a_column_of_labels_is_refused_where_there_is_none(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    tar(folder / "train.tar", [("1.jpg", encoded(1)), ("1.cls", b"4")])
    more = ("--label-column", "fine", "--format", "webdataset")
    assert "leave it out" in run("reshard", folder, "--out", out, *more, status=2)
    run("reshard", folder, "--out", out, "--format", "webdataset")
    assert "leave it out" in run("reshard", out, "--out", tmp_path / "b", *more, status=2)
