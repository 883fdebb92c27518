"""TensorFlow, MXNet, webdataset and pycocotools read what `openimages` writes of its images.

What they have to find is read from the published CSV files and the masks that were collected, with
the csv module and Pillow: the boxes, each with its own class and flags, and each mask resized to
its image by the centres of pixels.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import ROOT, shardmill

READERS = Path(__file__).with_name("readers")
BOXES = {
    "train": "oidv6-train-annotations-bbox.csv",
    "validation": "validation-annotations-bbox.csv",
    "test": "test-annotations-bbox.csv",
}
SPLITS = tuple(BOXES)
MIDS = {"/m/01dws": "Bear", "/m/01dwsz": "Waffle", "/m/0gxl3": "Handgun"}
LABELS = {**MIDS, "/m/0h8n5zk": "Kitchen & dining room table", "/m/0k4j": "Car"}
"""The classes, in the order of their indexes."""
FLAGS = ("Occluded", "Truncated", "GroupOf", "Depiction")
ATTRIBUTION = {"author": "Author", "title": "Title", "license": "License"}
ATTRIBUTION |= {"author_profile": "AuthorProfileURL", "original_url": "OriginalURL"}
IMAGES_ARE_ABSENT = 4
TWO_SHARDS = ("--shards", "train=2", "--shards", "validation=2", "--shards", "test=2")

Values = dict[str, Any]


@dataclass(frozen=True)
class Object:
    """What is published of an object; `mask` has the size of the image, None: there is none."""

    mid: str
    box: tuple[float, ...]
    flags: tuple[bool, ...]
    mask: NDArray[np.bool_] | None

    @property
    def place(self) -> int:
        """The index of its class."""
        return list(LABELS).index(self.mid)


@dataclass(frozen=True)
class Output:
    """What was made, and what is published of the objects of each image, by split and ImageID."""

    raw: Path
    out: Path
    published: dict[str, dict[str, list[Object]]]

    def shards(self, shard_format: str, split: str, suffix: str = "") -> list[Path]:
        """Return the shards of a split, in their order."""
        folder = self.out / shard_format / split / "current"
        return sorted(folder.glob(f"{split}-?????-of-?????{suffix}"))

    def image_ids(self, split: str) -> dict[str, str]:
        """Return the ImageID of each image by the SHA-256 of its file."""
        files = (self.out / "images" / split).iterdir()
        return {hashlib.sha256(path.read_bytes()).hexdigest(): path.stem for path in files}


@pytest.fixture(scope="module")
def output(openimages: Path, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """Five classes with masks in every format, and two images that show none of them."""
    out = tmp_path_factory.mktemp("readers") / "out"
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    classes = [word for mid in LABELS for word in ("--class", mid)]
    forms = ("--labels", "detection", "--format", "tfrecord,recordio,webdataset", *TWO_SHARDS)
    more = ("--masks", "--negatives", 2, "--export", "label-map,parquet,attribution")
    run = shardmill("openimages", *where, *classes, *forms, *more)
    assert run.returncode == IMAGES_ARE_ABSENT, run.stdout + run.stderr
    published = {
        split: published_objects(openimages / "raw" / name, out, split)
        for split, name in BOXES.items()
    }
    return Output(openimages / "raw", out, published)


def published_objects(boxes: Path, out: Path, split: str) -> dict[str, list[Object]]:
    """Return what is published of the objects of each image that is there."""
    masks = collected_masks(boxes.with_name(f"{split}-annotations-object-segmentation.csv"))
    found: dict[str, list[Object]] = {path.stem: [] for path in (out / "images" / split).iterdir()}
    with boxes.open(newline="") as file:
        for row in csv.DictReader(file):
            image, mid = row["ImageID"], row["LabelName"]
            if image not in found or mid not in LABELS or float(row["Confidence"]) == 0:
                continue
            box = tuple(float(row[name]) for name in ("XMin", "YMin", "XMax", "YMax"))
            flags = tuple(row[f"Is{name}"] == "1" for name in FLAGS)
            near = [name for corners, name in masks.get((image, mid), []) if is_near(corners, box)]
            path = out / "masks" / split / near[0] if near else None
            mask = resized(path, out / "images" / split / f"{image}.jpg") if path else None
            found[image].append(Object(mid, box, flags, mask))
    return found


def collected_masks(path: Path) -> dict[tuple[str, str], list[tuple[tuple[float, ...], str]]]:
    """Return corners and name of each mask, by ImageID and MID."""
    found: dict[tuple[str, str], list[tuple[tuple[float, ...], str]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            names = ("BoxXMin", "BoxYMin", "BoxXMax", "BoxYMax")
            corners = tuple(float(row[name]) for name in names)
            key = (row["ImageID"], row["LabelName"])
            found.setdefault(key, []).append((corners, row["MaskPath"]))
    return found


def is_near(some: tuple[float, ...], others: tuple[float, ...]) -> bool:
    return all(abs(one - other) <= 1e-6 for one, other in zip(some, others, strict=True))


def resized(mask: Path, image: Path) -> NDArray[np.bool_] | None:
    """Return a mask at the size of its image; None: it was not collected."""
    if not mask.is_file():
        return None
    with Image.open(image) as opened:
        size = opened.size
    with Image.open(mask) as opened:
        pixels = np.asarray(opened.convert("L")) > 0
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST))


def python(environment: str, reader: str, *arguments: object, given: object = None) -> Any:
    """Return what a reader prints, as JSON."""
    interpreter = os.environ.get(f"SHARDMILL_{environment.upper()}_PYTHON")
    interpreter = interpreter or str(ROOT / f".venv-{environment}" / "bin" / "python")
    command = [interpreter, *map(str, (READERS / reader, *arguments))]
    text = json.dumps(given)
    run = subprocess.run(command, capture_output=True, text=True, check=False, input=text)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def check_boxes(found: list[tuple[Any, ...]], objects: list[Object], offset: int) -> list[int]:
    """Check labels and boxes, which may be in another order; return the order of the objects."""
    order = []
    for label, *box in found:
        (place,) = [
            place
            for place, each in enumerate(objects)
            if label == each.place + offset and box == pytest.approx(each.box, abs=1e-6)
        ]
        order.append(place)
    assert sorted(order) == list(range(len(objects)))
    return order


def check_published(output: Output) -> None:
    """Check that what is published has all that the tests are about."""
    every = [each for images in output.published.values() for each in images.values()]
    objects = [one for each in every for one in each]
    assert {one.mid for one in objects} == set(LABELS)
    assert any(len({one.mid for one in each}) > 1 for each in every)  # several classes
    assert not all(every)  # an image without objects
    assert all(any(one.flags[at] for one in objects) for at in range(len(FLAGS)))
    assert any(one.mask is None for one in objects)
    assert any(one.mask is not None and one.mask.any() for one in objects)


# TensorFlow and its parts use deprecated names; the warnings of all else stay errors.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")
@pytest.mark.parametrize("split", SPLITS)
def test_tensorflow_reads_examples_by_the_keys_of_the_object_detection_api(
    output: Output, split: str
) -> None:
    check_published(output)
    tf = importlib.import_module("tensorflow")
    images = output.published[split]
    shards = [str(path) for path in output.shards("tfrecord", split)]
    seen = [
        check_example(tf, tf.io.parse_single_example(example, features(tf)), images)
        for example in tf.data.TFRecordDataset(shards)
    ]
    assert len(shards) == 2
    assert sorted(seen) == sorted(images)


def features(tf: Any) -> Values:
    """Return what the API's decoder of Examples asks a parser for."""
    single, many, of = tf.io.FixedLenFeature, tf.io.VarLenFeature, "image/object/"
    boxes = {f"{of}bbox/{side}": many(tf.float32) for side in ("xmin", "ymin", "xmax", "ymax")}
    flags = ("occluded", "truncated", "group_of", "depiction")
    return {
        "image/encoded": single((), tf.string),
        "image/format": single((), tf.string, default_value="jpeg"),
        "image/filename": single((), tf.string),
        "image/source_id": single((), tf.string),
        "image/height": single((), tf.int64),
        "image/width": single((), tf.int64),
        f"{of}class/label": many(tf.int64),
        f"{of}class/text": many(tf.string),
        f"{of}bbox/label": many(tf.int64),
        f"{of}mask": many(tf.string),
        **boxes,
        **{f"{of}{name}": many(tf.int64) for name in flags},
    }


def check_example(tf: Any, example: Values, images: dict[str, list[Object]]) -> str:
    """Check an Example; return its ImageID."""
    image_id: str = example["image/source_id"].numpy().decode()
    objects = images[image_id]
    assert example["image/filename"].numpy().decode() == f"{image_id}.jpg"
    shape = tf.io.decode_jpeg(example["image/encoded"]).shape[:2]
    assert shape == [example["image/height"], example["image/width"]]
    many = {
        key.removeprefix("image/object/"): tf.sparse.to_dense(value).numpy()
        for key, value in example.items()
        if key.startswith("image/object/")
    }
    labels = many["class/label"].tolist()
    assert many["bbox/label"].tolist() == labels
    sides = [many[f"bbox/{side}"].tolist() for side in ("xmin", "ymin", "xmax", "ymax")]
    order = check_boxes(list(zip(labels, *sides, strict=True)), objects, 1)
    listed = [objects[place] for place in order]
    assert [text.decode() for text in many["class/text"]] == [one.mid for one in listed]
    for at, name in enumerate(("occluded", "truncated", "group_of", "depiction")):
        assert many[name].tolist() == [one.flags[at] for one in listed]
    for content, one in zip(many["mask"], listed, strict=True):
        pixels = tf.io.decode_png(content, channels=1).numpy()[:, :, 0] > 0
        assert np.array_equal(pixels, np.zeros(shape, bool) if one.mask is None else one.mask)
    return image_id


@pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")
def test_protobuf_reads_the_label_map(output: Output) -> None:
    text_format = importlib.import_module("google.protobuf.text_format")
    parsed = text_format.Parse((output.out / "label_map.pbtxt").read_text(), label_map())
    found = {item.id: (item.name, item.display_name) for item in parsed.item}
    assert found == dict(enumerate(LABELS.items(), start=1))


def label_map() -> Any:
    """Return an empty message of the API's kind: what it calls a StringIntLabelMap."""
    descriptors = importlib.import_module("google.protobuf.descriptor_pb2")
    pool = importlib.import_module("google.protobuf.descriptor_pool").DescriptorPool()
    factory = importlib.import_module("google.protobuf.message_factory")
    kind = descriptors.FieldDescriptorProto
    file = descriptors.FileDescriptorProto(name="label_map.proto", package="of_test")
    item = file.message_type.add(name="Item")
    fields = (("name", kind.TYPE_STRING), ("id", kind.TYPE_INT32))
    for number, (name, form) in enumerate((*fields, ("display_name", kind.TYPE_STRING)), start=1):
        item.field.add(name=name, number=number, type=form, label=kind.LABEL_OPTIONAL)
    items = file.message_type.add(name="Map").field.add(name="item", number=1)
    items.type, items.label, items.type_name = (
        kind.TYPE_MESSAGE,
        kind.LABEL_REPEATED,
        ".of_test.Item",
    )
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("of_test.Map"))()


@pytest.mark.parametrize("split", SPLITS)
def test_mxnet_reads_each_box_with_its_own_class(output: Output, split: str) -> None:
    names = output.image_ids(split)
    seen = []
    for shard in output.shards("recordio", split, ".rec"):
        index = shard.with_suffix(".idx")
        records = python("mxnet", "mxnet_recordio.py", "records", shard, index)
        _, objects = python("mxnet", "mxnet_recordio.py", "detect", shard, index)
        for record, found in zip(records, objects, strict=True):
            image_id = names[record[-1]]
            check_boxes(found, output.published[split][image_id], 0)
            seen.append(image_id)
    # MXNet has no form for an image without objects.
    assert sorted(seen) == sorted(name for name, each in output.published[split].items() if each)


def test_mxnet_reads_which_classes_an_image_has_with_one_width_for_every_split(
    output: Output, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("--config", output.raw.parent / "openimages.toml", "--raw", output.raw, "--out", out)
    classes = [word for mid in LABELS for word in ("--class", mid)]
    run = shardmill("openimages", *words, *classes, "--negatives", 2, "--format", "recordio")
    assert run.returncode == IMAGES_ARE_ABSENT, run.stdout + run.stderr
    made, seen = replace(output, out=out), list[list[float]]()
    for split in SPLITS:
        names = made.image_ids(split)
        (shard,) = made.shards("recordio", split, ".rec")
        files = (shard, shard.with_suffix(".idx"))
        labels = []
        for flag, vector, *_, digest in python("mxnet", "mxnet_recordio.py", "records", *files):
            shown = {one.place for one in output.published[split][names[digest]]}
            assert (flag, vector) == (len(LABELS), [place in shown for place in range(len(LABELS))])
            labels.append(vector)
        for found in python("mxnet", "mxnet_recordio.py", "iterate", *files, len(LABELS), 2):
            assert found == labels
        seen += labels
    assert {sum(vector) for vector in seen} >= {0, 1, 2}  # negatives, one class, several


@pytest.mark.parametrize("split", SPLITS)
def test_webdataset_and_pycocotools_read_objects_and_runs(output: Output, split: str) -> None:
    images, names = output.published[split], output.image_ids(split)
    shards = output.shards("webdataset", split, ".tar")
    samples = python("webdataset", "read_webdataset.py", *shards)
    runs, masks, seen = [], [], []
    for key, extension, digest, _, facts in samples:
        image_id = names[digest]
        assert (key, extension) == (image_id, "jpg")
        found = [
            (said["class_index"], *box)
            for said, box in zip(facts["objects"], facts["boxes"], strict=True)
        ]
        listed = [images[image_id][place] for place in check_boxes(found, images[image_id], 0)]
        for said, one in zip(facts["objects"], listed, strict=True):
            assert said["class_id"] == one.mid
            known = {name.lower(): flag for name, flag in zip(FLAGS, one.flags, strict=True)}
            known["group_of"] = known.pop("groupof")
            assert {name: name in said["flags"] for name in known} == known
            assert (said["mask"] is None) == (one.mask is None or not one.mask.any())
            if said["mask"]:
                assert one.mask is not None
                runs.append(said["mask"])
                masks.append(np.packbits(one.mask, axis=None).tobytes().hex())
        seen.append(image_id)
    assert sorted(seen) == sorted(images)
    assert runs
    assert python("datumaro", "decode_runs.py", given=runs) == masks


def test_tables_have_objects_outcome_and_attribution(output: Output, tmp_path: Path) -> None:
    found = python(
        "datasets", "read_tables.py", output.out / "metadata.parquet", tmp_path / "cache"
    )
    assert found.pop("classes") == {"class_id": list(LABELS)}
    assert found == dict.fromkeys(("duckdb", "pandas", "polars", "datasets"), found["polars"])
    rows = {(row["split"], row["image_id"]): row for row in found["polars"]}
    there = {key for key, row in rows.items() if row["outcome"] == "there"}
    assert there == {(split, name) for split, each in output.published.items() for name in each}
    for split, name in there:
        check_row(output, rows[split, name], output.published[split][name])
    for split in SPLITS:
        check_outcomes(
            output, {name: row for (of, name), row in rows.items() if of == split}, split
        )


def check_row(output: Output, row: Values, objects: list[Object]) -> None:
    """Check the objects of a row, and that its image and masks lie where it says."""
    assert (output.out / row["file_name"]).stem == row["image_id"]
    assert (output.out / row["file_name"]).is_file()
    sides = ("xmin", "ymin", "xmax", "ymax")
    found = [(said["class_index"], *map(said.get, sides)) for said in row["objects"]]
    listed = [objects[place] for place in check_boxes(found, objects, 0)]
    for said, one in zip(row["objects"], listed, strict=True):
        assert said["label"] == one.mid
        assert tuple(said[side] for side in sides) == one.box  # every digit of it
        flags = [said[name] == 1 for name in ("occluded", "truncated", "group_of", "depiction")]
        assert tuple(flags) == one.flags
        assert (said["mask"] is None) == (one.mask is None)
        assert not said["mask"] or (output.out / "masks" / row["split"] / said["mask"]).is_file()


def check_outcomes(output: Output, rows: dict[str, Values], split: str) -> None:
    """Check why images have no file, and whose all of them are."""
    failures = output.out / f"failures/{split}.csv"
    lines = failures.read_text().splitlines() if failures.is_file() else []
    outcomes = {line["ImageID"]: line["outcome"] for line in csv.DictReader(lines)}
    assert {i: row["outcome"] for i, row in rows.items() if row["outcome"] != "there"} == outcomes
    subset = "train-images-boxable" if split == "train" else f"{split}-images"
    with (output.raw / f"{subset}-with-rotation.csv").open(newline="") as file:
        authors = {line["ImageID"]: line for line in csv.DictReader(file)}
    for name, row in rows.items():
        for column, named in ATTRIBUTION.items():
            assert (row[column] or "") == authors[name][named]
