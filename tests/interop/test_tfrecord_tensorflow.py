"""TensorFlow reads what the TFRecord writer writes, and our reader what TensorFlow writes."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import manifest, paths, storage
from pipeline.catalog.objects import Box
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import OutputDamaged, UsageError
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord
from pipeline.formats.tfrecord.format import TFRecord
from pipeline.formats.tfrecord.shard import TFRecordWriter, read_records
from pipeline.loaders import tfdata
from pipeline.storage import StagedFile

# TensorFlow and its parts use deprecated names; the warnings of all else stay errors.
pytestmark = [
    pytest.mark.usefixtures("tf"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)"),
]

DIGEST = "0123456789ab"
BOXES: tuple[Box, ...] = ((0.25, 0.125, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0))
COLOURS = ((250, 5, 5), (5, 250, 5), (5, 5, 250), (128, 128, 128), (250, 250, 250))


@pytest.fixture
def tf() -> Any:
    """TensorFlow, imported inside a test so that the marks above apply to its import."""
    return importlib.import_module("tensorflow")


def jpeg(mode: str, width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).convert(mode).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def record(number: int) -> ImageRecord:
    """An image of its own class, size and colour; the second is unlabelled, the fourth grey."""
    width, height = 20 + number, 10 + number
    labelled = number != 1
    return ImageRecord(
        key=f"n{number}/bild_{number}ü.JPEG",
        filename=f"bild_{number}ü.JPEG",
        class_index=number if labelled else -1,
        class_id=f"n{number:08d}" if labelled else "",
        class_text=f"Größe {number}" if labelled else "",
        boxes=BOXES[: number % 3],
        width=width,
        height=height,
        encoded=jpeg("L" if number == 3 else "RGB", width, height, COLOURS[number]),
    )


RECORDS = [record(number) for number in range(len(COLOURS))]


def label(image: ImageRecord) -> int:
    return -1 if image.class_index < 0 else image.class_index + 1


def expected_features(image: ImageRecord, number: int) -> dict[str, tuple[str, list[object]]]:
    xmin, ymin, xmax, ymax = zip(*image.boxes, strict=True) if image.boxes else ((), (), (), ())
    return {
        "image/height": ("int64_list", [image.height]),
        "image/width": ("int64_list", [image.width]),
        "image/colorspace": ("bytes_list", [b"RGB"]),
        "image/channels": ("int64_list", [3]),
        "image/class/label": ("int64_list", [number]),
        "image/class/synset": ("bytes_list", [image.class_id.encode()]),
        "image/class/text": ("bytes_list", [image.class_text.encode()]),
        "image/object/bbox/xmin": ("float_list", list(xmin)),
        "image/object/bbox/xmax": ("float_list", list(xmax)),
        "image/object/bbox/ymin": ("float_list", list(ymin)),
        "image/object/bbox/ymax": ("float_list", list(ymax)),
        "image/object/bbox/label": ("int64_list", [number] * len(image.boxes)),
        "image/format": ("bytes_list", [b"JPEG"]),
        "image/filename": ("bytes_list", [image.filename.encode()]),
        "image/encoded": ("bytes_list", [bytes(image.encoded)]),
    }


def tensorflow_example(tf: Any, image: ImageRecord, number: int) -> Any:
    """Build the same Example with TensorFlow's own classes."""
    example = tf.train.Example()
    for key, (kind, values) in expected_features(image, number).items():
        feature = getattr(example.features.feature[key], kind)
        feature.SetInParent()  # an empty list is there too
        feature.value.extend(values)
    return example


def write_shard(path: Path, records: list[ImageRecord]) -> dict[str, object]:
    """Write one shard; return its line of the manifest."""
    index_path = path.parent / "idx" / path.name
    with StagedFile(path) as shard, StagedFile(index_path) as index:
        writer = TFRecordWriter(shard, index, label_offset=1)
        for image in records:
            writer.write(image)
        writer.finish()
        storage.publish(shard, index)
    return {"file": path.name, "bytes": path.stat().st_size, "records": len(records)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output of one split in three shards; the manifest does not list them by name."""
    folder = paths.output(tmp_path, "tfrecord", "train", DIGEST)
    parts = (RECORDS[:2], RECORDS[2:4], RECORDS[4:])
    shards = [
        write_shard(TFRecord().paths(folder, ShardName("train", index, len(parts)).stem)[0], part)
        for index, part in enumerate(parts)
    ]
    content = manifest.serialise({"shards": shards[::-1]})
    storage.publish_bytes(paths.manifest(folder), content)
    storage.point(paths.current(tmp_path, "tfrecord", "train"), DIGEST)
    return tmp_path


class TestExample:
    @pytest.mark.parametrize("image", RECORDS)
    def test_tensorflow_parses_every_feature_and_empty_list(
        self, tf: Any, image: ImageRecord
    ) -> None:
        data = encode_head(image, 1) + bytes(image.encoded)
        parsed = tf.train.Example.FromString(data)
        found = {}
        for key, feature in parsed.features.feature.items():
            kind = feature.WhichOneof("kind")
            found[key] = (kind, list(getattr(feature, kind).value))
        assert found == expected_features(image, label(image))

    @pytest.mark.parametrize("image", RECORDS)
    def test_is_as_long_as_tensorflow_writes_it(self, tf: Any, image: ImageRecord) -> None:
        theirs = tensorflow_example(tf, image, label(image)).SerializeToString()
        assert len(encode_head(image, 1)) + len(image.encoded) == len(theirs)

    def test_parses_by_the_inception_specification(self, tf: Any) -> None:
        image = RECORDS[2]
        data = encode_head(image, 1) + bytes(image.encoded)
        found = tf.io.parse_single_example(data, tfdata.feature_spec())
        assert found["image/encoded"].numpy() == image.encoded
        assert found["image/class/label"].numpy().tolist() == [3]
        assert found["image/class/text"].numpy().decode() == image.class_text
        sides = [found[f"image/object/bbox/{side}"] for side in ("xmin", "ymin", "xmax", "ymax")]
        boxes = list(zip(*(side.values.numpy().tolist() for side in sides), strict=True))
        assert boxes == list(image.boxes)

    def test_the_specification_gives_minus_one_where_there_is_no_label(self, tf: Any) -> None:
        example = tensorflow_example(tf, RECORDS[0], 1)
        del example.features.feature["image/class/label"]
        found = tf.io.parse_single_example(example.SerializeToString(), tfdata.feature_spec())
        assert found["image/class/label"].numpy().tolist() == [-1]


class TestShard:
    def test_tensorflow_reads_our_records(self, tf: Any, out: Path) -> None:
        path = out / "tfrecord" / "train" / "current" / "train-00000-of-00003"
        theirs = [data.numpy() for data in tf.data.TFRecordDataset(str(path))]
        assert theirs == [bytes(found.data) for found in read_records(path)]
        assert len(theirs) == 2

    def test_we_read_the_records_of_tensorflow(self, tf: Any, tmp_path: Path) -> None:
        path = tmp_path / "theirs"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number, image in enumerate(RECORDS):
                writer.write(tensorflow_example(tf, image, number).SerializeToString())
        for number, (found, image) in enumerate(zip(read_records(path), RECORDS, strict=True)):
            parsed = parse_example(found.data)
            assert (parsed.filename, parsed.label) == (image.filename, number)
            assert (parsed.class_id, parsed.class_text) == (image.class_id, image.class_text)
            assert (parsed.width, parsed.height) == (image.width, image.height)
            assert (parsed.boxes, parsed.encoded) == (image.boxes, image.encoded)

    def test_writes_the_same_file_as_tensorflow_for_the_same_examples(
        self, tf: Any, tmp_path: Path
    ) -> None:
        write_shard(tmp_path / "ours", RECORDS)
        with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
            for image in RECORDS:
                writer.write(encode_head(image, 1) + bytes(image.encoded))
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def names(dataset: Any) -> list[str]:
    return [element["filename"].numpy().decode() for element in dataset]


class TestDataset:
    def test_gives_all_images_in_the_order_of_the_files(self, out: Path) -> None:
        dataset = tfdata.dataset(str(out), "train")
        assert int(dataset.cardinality()) == len(RECORDS)
        assert names(dataset) == names(dataset) == [image.filename for image in RECORDS]

    def test_gives_what_was_written(self, out: Path) -> None:
        for element, image in zip(tfdata.dataset(out, "train"), RECORDS, strict=True):
            assert int(element["label"]) == label(image)
            assert element["synset"].numpy().decode() == image.class_id
            assert element["text"].numpy().decode() == image.class_text
            assert (int(element["width"]), int(element["height"])) == (image.width, image.height)
            assert element["bbox"].shape == (len(image.boxes), 4)
            assert element["bbox"].numpy().tolist() == [
                [ymin, xmin, ymax, xmax] for xmin, ymin, xmax, ymax in image.boxes
            ]

    def test_decodes_to_rgb_even_what_is_grey(self, tf: Any, out: Path) -> None:
        dataset = tfdata.dataset(out, "train")
        for element, image, colour in zip(dataset, RECORDS, COLOURS, strict=True):
            assert element["image"].dtype == tf.uint8
            assert element["image"].shape == (image.height, image.width, 3)
            assert abs(element["image"].numpy().astype(int) - colour).max() <= 3

    def test_gives_the_jpeg_itself_when_not_decoding(self, out: Path) -> None:
        for element, image in zip(tfdata.dataset(out, "train", decode=False), RECORDS, strict=True):
            assert element["encoded"].numpy() == image.encoded
            assert "image" not in element

    def test_declares_its_elements(self, out: Path) -> None:
        spec = tfdata.dataset(out, "train").element_spec
        assert {key: (tensor.dtype.name, tensor.shape.rank) for key, tensor in spec.items()} == {
            "image": ("uint8", 3),
            "bbox": ("float32", 2),
            "labels": ("float32", 1),
            "bbox_label": ("int64", 1),
            **dict.fromkeys(("label", "height", "width"), ("int64", 0)),
            **dict.fromkeys(("synset", "text", "filename"), ("string", 0)),
        }

    def test_a_seed_fixes_the_order_whatever_the_parallelism(self, out: Path) -> None:
        first, again, *others = (
            names(tfdata.dataset(out, "train", shuffle_files=True, seed=seed, num_parallel=number))
            for seed, number in ((1, 1), (1, 8), (2, 2), (3, 2), (4, 2), (5, 2))
        )
        assert first == again
        assert sorted(first) == sorted(image.filename for image in RECORDS)
        assert any(other != first for other in others)

    def test_keeps_to_the_output_it_opened(self, out: Path) -> None:
        dataset = tfdata.dataset(out, "train")
        storage.point(paths.current(out, "tfrecord", "train"), "ffffffffffff")
        assert len(names(dataset)) == len(RECORDS)

    def test_fails_when_a_file_holds_fewer_records_than_promised(self, tf: Any, out: Path) -> None:
        path = paths.manifest(paths.output(out, "tfrecord", "train", DIGEST))
        document = manifest.load(path)
        document["shards"][0]["records"] += 1
        storage.publish_bytes(path, manifest.serialise(document))
        with pytest.raises(tf.errors.FailedPreconditionError):
            names(tfdata.dataset(out, "train"))


class TestDamage:
    def test_names_the_splits_that_are_there(self, out: Path) -> None:
        with pytest.raises(UsageError, match="no split 'validation'") as caught:
            tfdata.dataset(out, "validation")
        assert caught.value.expected == "train"
        assert "run the shardmill command again" in str(caught.value.remedy)

    def test_names_the_manifest_that_is_missing(self, out: Path) -> None:
        storage.remove(out, paths.current(out, "tfrecord", "train"))
        with pytest.raises(OutputDamaged) as caught:
            tfdata.dataset(out, "train")
        assert str(caught.value.file).endswith("tfrecord/train/current/manifest.json")
        assert caught.value.found == "splits begun: train"
        assert "run the shardmill command again" in str(caught.value.remedy)

    @pytest.mark.parametrize("missing", [True, False])
    def test_names_a_shard_that_is_missing_or_short(self, out: Path, missing: bool) -> None:
        path = paths.output(out, "tfrecord", "train", DIGEST) / "train-00002-of-00003"
        content = path.read_bytes()
        path.unlink()
        if not missing:
            path.write_bytes(content[:-1])
        with pytest.raises(OutputDamaged) as caught:
            tfdata.dataset(out, "train")
        assert str(caught.value.file).endswith("train-00002-of-00003")
        assert caught.value.expected == f"{len(content)} bytes"
        assert caught.value.found == ("no such file" if missing else f"{len(content) - 1} bytes")
        assert "run the shardmill command again" in str(caught.value.remedy)

    @pytest.mark.parametrize("document", [{}, {"shards": None}, {"shards": [{"file": "a"}]}])
    def test_refuses_a_manifest_without_shards(self, out: Path, document: dict[str, Any]) -> None:
        path = paths.manifest(paths.output(out, "tfrecord", "train", DIGEST))
        storage.publish_bytes(path, manifest.serialise(document))
        with pytest.raises(OutputDamaged, match="of another form"):
            tfdata.dataset(out, "train")

    def test_a_damaged_record_is_not_passed_on(self, tf: Any, out: Path) -> None:
        path = paths.output(out, "tfrecord", "train", DIGEST) / "train-00000-of-00003"
        content = bytearray(path.read_bytes())
        content[-10] ^= 1
        path.write_bytes(content)
        with pytest.raises(tf.errors.DataLossError):
            names(tfdata.dataset(out, "train"))


def test_without_tensorflow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UsageError) as caught:
        tfdata.feature_spec()
    assert caught.value.remedy == "run pip install '.[tensorflow]' in the checkout of shardmill"
