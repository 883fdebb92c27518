"""Classes of objects in shards of any program make the table that exports of boxes ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded
from drawnshards import tar, tfrecords

from pipeline.catalog.classes import NO_LABELS
from pipeline.job.resolve import resolve
from pipeline.sources.shardset import data_set, object_classes, object_names

SIDES = {"xmin": [0.25], "ymin": [0.5], "xmax": [0.75], "ymax": [1.0]}
CORNERS = {f"image/object/bbox/{side}": corner for side, corner in SIDES.items()}
LABEL = "image/object/class/label"
DETECTION = ("--labels", "detection")
NAMES = {0: "ant", 2: "cow"}


def run(*words: object, status: int = 0) -> str:
    resolve.cache_clear()
    ended = shardmill(*words)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def example(number: int, label: int, *texts: str, **more: object) -> Mapping[str, object]:
    """An Example with an object of a class of its own."""
    said: dict[str, object] = {"image/encoded": encoded(number), **CORNERS, **more}
    said |= {"image/filename": f"{number}.jpg", LABEL: [label]}
    return said | ({"image/object/class/text": texts[0]} if texts else {})


def records(folder: Path, *, named: bool = True) -> Path:
    """Two splits, whose objects are of the classes 0 and 2."""
    for split, labels in (("train", (2, 0)), ("test", (2,))):
        rows = [example(n, label, *[NAMES[label]] * named) for n, label in enumerate(labels)]
        tfrecords(folder / f"{split}.tfrecord-00000-of-00001", rows)
    return folder


def parquet(path: Path, categories: Sequence[int | str], names: Sequence[str]) -> Path:
    """Rows with an object each, as datasets has them, of classes that have names."""
    rows = [
        {
            "image": {"bytes": encoded(n), "path": f"{n}.jpg"},
            "width": 40,
            "height": 30,
            "label": 0,
            "objects": {"bbox": [[4.0, 3.0, 8.0, 6.0]], "category": [category]},
        }
        for n, category in enumerate(categories)
    ]
    label = {"names": list(names), "_type": "ClassLabel"}
    inner = {"category": {"feature": label, "length": -1, "_type": "Sequence"}}
    features = {"objects": inner, "label": {"names": ["beach"], "_type": "ClassLabel"}}
    said = json.dumps({"info": {"features": features}})
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": said})
    pq.write_table(table, path)
    return path


def coco(source: Path, out: Path, split: str = "train") -> tuple[list[str], list[int]]:
    """The names of the categories, and the class of each object."""
    run("reshard", source, "--out", out, "--format", "none", "--export", "coco")
    (path,) = out.glob(f"**/instances_{split}.json")
    said: dict[str, Any] = json.loads(path.read_bytes())
    ids = [each["id"] for each in said["categories"]]
    assert ids == [*range(1, len(ids) + 1)]
    order = {each["id"]: Path(each["file_name"]).name for each in said["images"]}
    objects = sorted((order[a["image_id"]], a["category_id"] - 1) for a in said["annotations"])
    return [each["name"] for each in said["categories"]], [label for _, label in objects]


@pytest.mark.parametrize("at_once", [data_set.READ_AT_ONCE, 0])
def test_classes_have_the_numbers_and_names_that_stand_in_the_shards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at_once: int
) -> None:
    monkeypatch.setattr(data_set, "READ_AT_ONCE", at_once)
    source = records(tmp_path / "in")
    assert coco(source, tmp_path / "a") == (["ant", "1", "cow"], [2, 0])
    assert coco(source, tmp_path / "a", "test") == (["ant", "1", "cow"], [2])
    assert coco(records(tmp_path / "bare", named=False), tmp_path / "b") == (
        ["0", "1", "2"],
        [2, 0],
    )


def test_other_exports_and_outputs_of_outputs_have_the_table(tmp_path: Path) -> None:
    first = tmp_path / "first"
    exports = ("--export", "voc,yolo,label-map")
    run("reshard", records(tmp_path / "in"), "--out", first, "--format", "tfrecord", *exports)
    assert '"cow"' in (first / "label_map.pbtxt").read_text()
    assert [path for path in first.rglob("*.xml") if "<name>cow</name>" in path.read_text()]
    assert coco(first, tmp_path / "second") == (["ant", "1", "cow"], [2, 0])


def test_names_of_features_are_of_all_classes_and_not_those_of_images(tmp_path: Path) -> None:
    path = parquet(tmp_path / "in/train.parquet", (1, 0), ("ant", "bee", "cow"))
    assert coco(path.parent, tmp_path / "out") == (["ant", "bee", "cow"], [1, 0])


@pytest.mark.parametrize("kind", ["tfrecord", "parquet"])
def test_names_alone_are_numbered_in_their_order_over_all_splits(tmp_path: Path, kind: str) -> None:
    folder, words = tmp_path / "in", {"train": ("cow", "ant"), "test": ("bee", "cow")}
    for split, names in words.items():
        if kind == "parquet":
            parquet(folder / f"{split}.parquet", names, ())
        else:
            bare = [dict(example(n, 0, name)) for n, name in enumerate(names)]
            rows = [{k: v for k, v in row.items() if k != LABEL} for row in bare]
            tfrecords(folder / f"{split}.tfrecord-00000-of-00001", rows)
    assert coco(folder, tmp_path / "out") == (["ant", "bee", "cow"], [2, 0])
    assert coco(folder, tmp_path / "out", "test") == (["ant", "bee", "cow"], [1, 2])
    run("reshard", folder, "--out", tmp_path / "made", "--format", "recordio", *DETECTION)
    assert coco(tmp_path / "made", tmp_path / "again") == (["ant", "bee", "cow"], [2, 0])


def test_objects_of_the_class_of_their_image_are_called_as_that(tmp_path: Path) -> None:
    boxes = json.dumps({"boxes": [[0.25, 0.5, 0.75, 1.0]]}).encode()
    members = [
        (f"{number}.{end}", content)
        for number, word in enumerate(("bee", "ant"))
        for end, content in (
            *(("jpg", encoded(number)), ("cls", word.encode())),
            ("json", boxes),
        )
    ]
    source = tar(tmp_path / "in/train.tar", members).parent
    assert coco(source, tmp_path / "out") == (["ant", "bee"], [1, 0])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [example(0, 1, "ant"), example(1, 1, "bee")],
            "the shards call the class 1 of objects ant and bee: correct what has written them",
        ),
        (
            [{"image/encoded": encoded(0), **CORNERS}],
            "the shards have objects whose class they do not say: write it into them",
        ),
        (
            [example(0, object_classes.MOST_CLASSES)],
            "a table has 131,072 classes at most: number them from 0",
        ),
    ],
)
def test_what_makes_no_table_is_refused_where_one_is_needed(
    tmp_path: Path, out: Path, rows: Sequence[Mapping[str, object]], said: str
) -> None:
    path = tfrecords(tmp_path / "in/train.tfrecord-00000-of-00001", rows)
    words = ("reshard", path.parent, "--out", out, "--format", "tfrecord")
    assert said in run(*words, "--export", "coco", status=2)
    assert "train: complete" in run(*words)


@pytest.mark.parametrize(("text", "name"), [("ball", "ball"), ("n00", "sea"), ("sea", "sea")])
def test_objects_keep_their_text_where_their_number_is_that_of_their_image(
    tmp_path: Path, text: str, name: str
) -> None:
    said = {"image/class/synset": "n00", "image/class/label": [0], "image/class/text": "sea"}
    path = tmp_path / "in/train.tfrecord-00000-of-00001"
    tfrecords(path, [example(0, 0, text, **said)])
    assert coco(path.parent, tmp_path / "out") == ([name], [0])


def test_texts_that_are_not_one_for_each_object_say_nothing(tmp_path: Path) -> None:
    corners = {name: side * 2 for name, side in CORNERS.items()}
    more = {**corners, LABEL: [0, 1], "image/object/class/text": "ant"}
    row = dict(example(0, 0)) | more
    path = tfrecords(tmp_path / "in/train.tfrecord-00000-of-00001", [row])
    assert coco(path.parent, tmp_path / "out") == (["0", "1"], [0, 1])


def synsets(*labels: int) -> list[Mapping[str, object]]:
    """Examples whose images have ids, and whose objects have numbers of their own."""
    said = [{"image/class/synset": f"n{n}", "image/class/label": [n]} for n in (0, 1)]
    return [example(n, label, **said[n]) for n, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [example(0, 1, "ant"), example(1, 1, "bee"), example(2, 0, "cow")],
            "the shards call the class 1 of objects ant and bee",
        ),
        (synsets(5, 2), "the class 2 of objects in the output is called by its number alone"),
    ],
)
def test_classes_of_objects_that_are_others_are_refused_of_an_output_too(
    tmp_path: Path, rows: Sequence[Mapping[str, object]], said: str
) -> None:
    path = tfrecords(tmp_path / "in/train.tfrecord-00000-of-00001", rows)
    first, second = tmp_path / "first", tmp_path / "second"
    run("reshard", path.parent, "--out", first, "--format", "tfrecord")
    words = ("reshard", first, "--out", second, "--format", "tfrecord")
    assert said in run(*words, "--export", "coco", status=2)
    assert "train: complete" in run(*words)


def worded(folder: Path) -> Path:
    """Shards whose images are of other classes than their objects."""
    named = [(0, "sea", 2, "cow"), (1, "hill", 0, "ant"), (2, "hill", 1, "bee")]
    rows = [example(n, label, text, **{"image/class/text": word}) for n, word, label, text in named]
    return tfrecords(folder / "train.tfrecord-00000-of-00001", rows).parent


def test_exports_of_images_have_the_classes_of_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    exports = ("--format", "none", "--export", "dbcollection,parquet,imagefolder")
    words = ("reshard", worded(tmp_path / "in"), "--out", out, *exports)
    with monkeypatch.context() as patch:
        patch.setattr(object_classes, "table", lambda *_: NO_LABELS)  # as earlier versions had it
        run(*words)
    again = [line for line in run(*words).splitlines() if "complete" in line]
    assert len(again) > len(exports)
    assert all("already complete" in line for line in again)


def test_annotations_call_objects_by_their_ids_where_there_are_no_words(
    tmp_path: Path, out: Path
) -> None:
    exports = ("--format", "none", "--export", "annotations")
    run("reshard", worded(tmp_path / "in"), "--out", out, *exports)
    names = pq.read_table(out / "annotations/train.parquet")["class_name"].to_pylist()
    assert names == ["cow", "ant", "bee"]


def test_names_of_objects_leave_those_of_images_in_outputs_of_outputs(tmp_path: Path) -> None:
    source, tables = worded(tmp_path / "in"), list[str]()
    for number in range(3):
        out = tmp_path / str(number)
        run("reshard", source, "--out", out, "--format", "tfrecord")
        tables.append((out / "lists/train.classes.tsv").read_text())
        source = out
    assert tables == ["folder\tlabel\nhill\t0\nsea\t1\n"] * 3


def columns(source: Path, out: Path, split: str = "train") -> tuple[Any, Any]:
    """The names that Parquet shards say of the classes of images, and of those of objects."""
    run("reshard", source, "--out", out, "--format", "hf-parquet")
    (path,) = (out / "hf-parquet" / split / "current").glob(f"{split}-*.parquet")
    features = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    category = features["objects"]["category"]["feature"]
    return features["label"].get("names"), category.get("names")


def numbers(folder: Path) -> Path:
    """Shards whose objects are of classes of their own, which have no names."""
    words = {"image/class/label": [0], "image/class/text": "sea"}
    return tfrecords(folder / "train.tfrecord-00000-of-00001", [example(0, 2, **words)]).parent


def nameless(folder: Path) -> Path:
    """Shards whose images have no class."""
    rows = [example(n, n, name) for n, name in enumerate(("ant", "bee"))]
    return tfrecords(folder / "train.tfrecord-00000-of-00001", rows).parent


def named(folder: Path) -> Path:
    """Shards that name classes of objects, also one that no object is of."""
    return parquet(folder / "train.parquet", (1, 0), ("ant", "bee", "cow")).parent


def shared(folder: Path) -> Path:
    """Shards whose objects are of the classes of images, also of one without an image."""
    said = [{"image/class/label": [n], "image/class/text": f"n{n}"} for n in (0, 1)]
    rows = [example(n, label, f"n{label}", **said[n]) for n, label in enumerate((1, 0))]
    return tfrecords(folder / "train.tfrecord-00000-of-00001", rows).parent


@pytest.mark.parametrize(
    ("source", "of_images", "of_objects"),
    [
        (worded, ["hill", "sea"], ["ant", "bee", "cow"]),
        (numbers, ["sea"], None),
        (nameless, None, ["ant", "bee"]),
        (named, ["beach"], ["ant", "bee", "cow"]),
        (shared, ["n0", "n1"], ["n0", "n1"]),
    ],
)
def test_columns_of_objects_have_the_names_of_their_classes(
    tmp_path: Path, source: Any, of_images: list[str] | None, of_objects: list[str] | None
) -> None:
    path = source(tmp_path / "in")
    for number in range(3):  # of the shards, of an output of them, and of an output of that
        out = tmp_path / str(number)
        assert columns(path, out) == (of_images, of_objects)
        path = out
        of_images = of_images or of_objects  # classes of an output are of images, if none has one


def test_splits_name_the_classes_of_objects_alike(tmp_path: Path) -> None:
    for split, kinds in (("train", ("ant", "bee")), ("test", ("bee",))):
        labels = {"ant": 0, "bee": 1}
        rows = [example(n, labels[kind], kind) for n, kind in enumerate(kinds)]
        tfrecords(tmp_path / f"in/{split}.tfrecord-00000-of-00001", rows)
    for split in ("train", "test"):
        assert columns(tmp_path / "in", tmp_path / split, split) == (None, ["ant", "bee"])


def test_outputs_whose_objects_are_of_the_classes_of_images_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    first = tmp_path / "first"
    columns(shared(tmp_path / "in"), first)
    words = ("reshard", first, "--out", out, "--format", "hf-parquet")
    with monkeypatch.context() as patch:
        patch.setattr(object_names, "of_splits", lambda *_: None)  # as earlier versions had it
        run(*words)
    assert "already complete" in run(*words)
