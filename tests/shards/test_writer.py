"""One shard in several formats at once: what each has, and what each has not."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from catalogrows import objects
from drawnlists import encoded
from plannedrows import NAME, batch, output

from pipeline import manifest, paths
from pipeline.errors import BadImage, NoPermission, ShardmillError, TransientError, UsageError
from pipeline.formats.base import LABELS
from pipeline.formats.examples.base import ExampleFormat
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions
from pipeline.manifest import FileEntry
from pipeline.shards import facts
from pipeline.shards import finish as outputs
from pipeline.shards import write as shards
from pipeline.shards.output import Output
from pipeline.shards.read import LeftOut, read_image

MAGIC = 0xCED7230A
RGB, PNG = encoded(), encoded(3, "RGBA", "PNG")


def write(
    out: Path, root: Path, rows: pa.RecordBatch, *made: Output, on_bad_image: str = "skip"
) -> int:
    return shards.write_shard(
        out, NAME, rows, root, made, whole_files=True, on_bad_image=on_bad_image
    )


def document(out: Path, made: Output) -> manifest.Document:
    assert outputs.shard_document(out, made, 0) is not None
    return manifest.load(paths.shard_mark(out, made.digest, 0))


def images_of(made: Output) -> list[bytes]:
    shard, *_ = made.files(NAME)
    form = FORMATS[made.format]
    return [bytes(form.parse(record, "")[1]) for record in form.read(shard)]


def test_every_format_has_the_images_that_it_can_hold(tmp_path: Path, out: Path) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "b.png": PNG})
    every = [output(out, name) for name in FORMATS]
    assert write(out, tmp_path, rows, *every) == 2
    of_examples = [made for made in every if isinstance(FORMATS[made.format], ExampleFormat)]
    assert [made.format for made in of_examples] == ["tfrecord", "arrayrecord"]
    for made in of_examples:
        assert [mended["key"] for mended in document(out, made)["repairs"]] == ["b.png"]
        assert images_of(made)[0] == RGB
        assert images_of(made)[1][:2] == b"\xff\xd8"
    for made in every:
        if made not in of_examples:
            assert images_of(made) == [RGB, PNG]
            assert document(out, made)["repairs"] == []
    tables = [facts.read_slice(paths.shard_facts(out, made.digest, 0), 1000) for made in every]
    assert [table["mode"].to_pylist() for table in tables] == [["RGB", "RGBA"]] * len(FORMATS)
    assert [table["repair"].to_pylist() for table in tables] == [
        [None, "png" if made in of_examples else None] for made in every
    ]


def test_each_image_is_read_once_for_all_formats(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = batch(tmp_path, {f"{number}.jpg": encoded(number) for number in range(5)})
    read: list[str] = []

    def counted(sources: Any, key: str, *where: Any, **options: Any) -> memoryview:
        read.append(key)
        return read_image(sources, key, *where, **options)

    monkeypatch.setattr("pipeline.shards.preparing.read_image", counted)
    write(out, tmp_path, rows, *(output(out, name) for name in FORMATS))
    assert read == [f"{number}.jpg" for number in range(5)]


def test_an_image_that_one_format_cannot_hold_is_left_out_of_that_alone(
    tmp_path: Path, out: Path
) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": RGB}, id=[MAGIC, 1])
    recordio, webdataset = output(out, "recordio"), output(out, "webdataset")
    assert write(out, tmp_path, rows, recordio, webdataset) == 2
    (left_out,) = document(out, recordio)["left_out"]
    assert (left_out["key"], left_out["line"]) == ("a.jpg", 1)
    assert "RecordIO's magic number; found id 3470205706" in left_out["reason"]
    assert document(out, recordio)["records"] == 1
    assert document(out, webdataset)["left_out"] == []
    with pytest.raises(BadImage, match="1 of the images") as refusal:
        write(out, tmp_path, rows, recordio, webdataset, on_bad_image="fail")
    assert str(refusal.value.place).startswith("line 1: a.jpg: an id or a label")


def test_what_no_format_can_hold_is_left_out_of_each_with_its_line(
    tmp_path: Path, out: Path
) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "gone.jpg": None, "c.jpg": b"<html>", "d.jpg": b""})
    every = [output(out, name) for name in FORMATS]
    assert write(out, tmp_path, rows, *every) == 1
    for made in every:
        found = document(out, made)["left_out"]
        assert [(image["line"], image["source"]) for image in found] == [
            (2, "gone.jpg"),
            (3, "c.jpg"),
            (4, "d.jpg"),
        ]
        assert found[0]["reason"] == "there is no such file"
    with pytest.raises(BadImage) as refusal:
        write(out, tmp_path, rows, *every, on_bad_image="fail")
    assert [line.split(":")[0] for line in str(refusal.value.place).splitlines()] == [
        "line 2",
        "line 3",
        "line 4",
    ]


@pytest.mark.parametrize("on_bad_image", ["fail", "skip"])
@pytest.mark.parametrize("whole_files", [True, False])
@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, NoPermission), (errno.ESTALE, TransientError), (errno.EIO, TransientError)],
)
def test_what_the_system_does_not_let_one_read_is_no_bad_image(
    tmp_path: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[ShardmillError],
    whole_files: bool,
    on_bad_image: str,
) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": RGB})
    refused = str(tmp_path / "b.jpg")
    opened = os.open

    def refuse(path: Any, *options: Any, **more: Any) -> int:
        if str(path) == refused:  # the superuser may read what has no mode for it
            raise OSError(number, os.strerror(number), refused)
        return opened(path, *options, **more)

    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr("pipeline.storage.local.retrying.WAITS", (0.0,))
    made = output(out, "recordio")
    options = {"on_bad_image": on_bad_image, "whole_files": whole_files}
    with pytest.raises(kind) as error:
        shards.write_shard(out, NAME, rows, tmp_path, [made], **options)  # type: ignore[arg-type]
    assert (error.value.exit_status, error.value.file) == (1, refused)
    assert os.strerror(number) in error.value.what


def test_an_image_without_a_box_is_left_out_where_boxes_are_labels(
    tmp_path: Path, out: Path
) -> None:
    boxes = [[], objects([0.0, 0.0, 0.5, 1.0])]
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": RGB}, objects=boxes)
    detection, plain = output(out, "recordio", LABELS[1]), output(out, "webdataset")
    assert write(out, tmp_path, rows, detection, plain, on_bad_image="fail") == 2
    found = document(out, detection)
    assert (found["without_boxes"], found["left_out"]) == (["a.jpg"], [])
    assert (found["records"], found["boxes"]) == (1, 1)
    assert document(out, plain)["records"] == 2


def test_a_box_that_cannot_be_a_label_is_no_such_choice(tmp_path: Path, out: Path) -> None:
    boxes = [objects([0.5, 0.0, 0.5, 1.0]), objects([0.0, 0.0, 0.5, 1.0])]
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": RGB}, objects=boxes)
    with pytest.raises(BadImage, match="1 of the images"):
        write(out, tmp_path, rows, output(out, "recordio", LABELS[1]), on_bad_image="fail")


def test_no_shard_is_published_where_one_format_would_have_none(tmp_path: Path, out: Path) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": RGB}, objects=[[], []])
    detection, plain = output(out, "recordio", LABELS[1]), output(out, "tfrecord")
    with pytest.raises(BadImage, match="no image is left"):
        write(out, tmp_path, rows, plain, detection)
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_what_happened_to_images_is_counted_for_those_that_are_stored(
    tmp_path: Path, out: Path
) -> None:
    images = {
        "a.jpg": encoded(orientation=6),
        "b.jpg": encoded(orientation=6),
        "c.jpg": encoded(orientation=3),
        "d.jpg": RGB,
    }
    rows = batch(tmp_path, images, id=[MAGIC, 1, 2, 3])
    recordio, tfrecord = output(out, "recordio"), output(out, "tfrecord")
    write(out, tmp_path, rows, recordio, tfrecord)
    assert document(out, recordio)["notes"] == {"orientation-3-kept": 1, "orientation-6-kept": 1}
    assert document(out, tfrecord)["notes"] == {"orientation-3-kept": 1, "orientation-6-kept": 2}


def test_every_format_has_the_same_images_where_they_are_encoded(tmp_path: Path, out: Path) -> None:
    resized = ImageOptions(resize=16)
    every = [output(out, name, image=resized) for name in FORMATS]
    write(out, tmp_path, batch(tmp_path, {"a.jpg": RGB, "b.png": PNG}), *every)
    first, *others = (images_of(made) for made in every)
    assert others == [first] * len(others)
    assert others
    assert all(document(out, made)["notes"] == {"alpha-dropped": 1} for made in every)


def test_a_codec_that_is_not_the_outputs_writes_nothing(tmp_path: Path, out: Path) -> None:
    made = output(out, "recordio", image=ImageOptions(resize=16))
    other = replace(made, form=replace(made.form, codec="another"))
    with pytest.raises(UsageError, match="another program"):
        write(out, tmp_path, batch(tmp_path, {"a.jpg": RGB}), other)


def test_the_files_of_a_shard_are_named_with_their_hashes(tmp_path: Path, out: Path) -> None:
    rows = batch(tmp_path, {"a.jpg": RGB, "b.jpg": encoded(1)})
    for made in (output(out, name) for name in FORMATS):
        write(out, tmp_path, rows, made)
        entries = [FileEntry(**entry) for entry in document(out, made)["files"]]
        expected = made.files(NAME)
        assert [out / entry.file for entry in entries[:-1]] == list(expected)
        assert all(manifest.hash_file(out / entry.file) == entry.xxh3_128 for entry in entries)


def test_an_image_of_no_list_is_left_out_without_a_line() -> None:
    assert LeftOut("k", "train.tar", 512, "why").to_json() == {
        "key": "k",
        "source": "train.tar",
        "offset": 512,
        "reason": "why",
    }
