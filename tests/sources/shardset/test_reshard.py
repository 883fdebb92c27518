"""``shardmill reshard`` and a tar for ``imagelist``: the same promises as of every source."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import current, draw_list, encoded, lay, manifest_of, shards, stored
from drawnshards import parquet, tar, tfrecords, zipped
from finishedoutputs import kept, of_list_in_all_formats
from support import RawSet

from pipeline import paths
from pipeline.catalog import table as catalog
from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.job.build import build_job, command_words
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.shards import foreign
from pipeline.sources.shardset import shard_files

PLACES = ("source", "offset", "length")
SAMPLES = (
    ("a/1.jpg", encoded(1)),
    ("a/1.cls", b"3"),
    ("b/2.v1.png", encoded(2, form="PNG")),
    ("b/2.cls", b"0\n"),
    ("b/2.json", b'{"boxes": [[0.25, 0.5, 0.75, 1]], "words": "two"}'),
)


def run(*words: object, status: int = 0) -> str:
    ended = shardmill(*words)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def rows(out: Path, split: str) -> list[dict[str, object]]:
    """The catalog that the first finished output of a split was made by."""
    name = next(each.name for each in out.iterdir() if (each / split / "current").exists())
    digest = manifest_of(out, name, split)["digests"]["catalog"]
    return [
        row
        for part in catalog.read(paths.catalog(out, split, digest))
        for row in catalog.dicts(part)
    ]


def but_for_places(out: Path, split: str) -> list[dict[str, object]]:
    return [{k: v for k, v in row.items() if k not in PLACES} for row in rows(out, split)]


def images(out: Path, name: str, split: str) -> set[str]:
    """The hashes of the images in the shards of a format."""
    return {hashlib.sha256(image).hexdigest() for _, image in stored(out, name, split)}


@pytest.fixture(scope="module")
def listed_out() -> Path:
    """The output of a list in all formats, which no test may change."""
    return of_list_in_all_formats()[1]


@pytest.mark.parametrize("name", ["tfrecord", "recordio", "webdataset", "hf-parquet", "mds"])
def test_the_catalog_of_an_output_is_the_original_but_for_places(
    listed_out: Path, out: Path, name: str
) -> None:
    run("reshard", listed_out, "--from", name, "--out", out, "--format", "webdataset")
    assert but_for_places(out, "images") == but_for_places(listed_out, "images")
    assert {str(row["source"]).partition("/")[0] for row in rows(out, "images")} == {name}
    assert images(out, "webdataset", "images") == images(listed_out, name, "images")
    assert "24 compared with their sources" in run("verify", out, "--against", listed_out)


def test_a_format_that_is_written_only_is_called_so(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=2)
    made = drawn.prepare_here(tmp_path / "made", "--format", "arrayrecord")
    assert made.returncode == 0, made.stderr
    said = run("reshard", tmp_path / "made", "--out", out, status=2)
    assert "no shards of a format that is read as a source" in said
    assert "arrayrecord, which is written only" in said
    assert all(name in said for name in foreign.READ)
    for source in (tmp_path / "made", lay(tmp_path / "a.tar", bytes(10240))):
        said = run("reshard", source, "--from", "arrayrecord", "--out", out, status=2)
        assert "ArrayRecord shards are written, and not read as a source" in said
    assert not out.exists()


def test_an_output_made_again_in_its_format_has_the_same_bytes(listed_out: Path, out: Path) -> None:
    run(
        "reshard",
        listed_out,
        "--out",
        out,
        "--format",
        "recordio",
        "--shards",
        3,
        "--from",
        "recordio",
    )
    for before, after in zip(
        shards(current(listed_out, "recordio")), shards(current(out, "recordio")), strict=True
    ):
        assert before.read_bytes() == after.read_bytes()


def test_an_output_of_archives_keeps_ids_words_boxes_and_labels(raw_set: RawSet, out: Path) -> None:
    made = kept(raw_set, "--shards", "train=2", "--split", "train", "--boxes").out
    run("reshard", made, "--out", out, "--shards", 2)
    assert but_for_places(out, "train") == but_for_places(made, "train")
    for before, after in zip(
        shards(current(made, "tfrecord", "train"), "train"),
        shards(current(out, "tfrecord", "train"), "train"),
        strict=True,
    ):
        assert before.read_bytes() == after.read_bytes()


@pytest.mark.parametrize("name", ["webdataset", "hf-parquet"])
def test_labels_are_the_same_whichever_format_of_some_classes_is_read(
    raw_set: RawSet, out: Path, name: str
) -> None:
    """Of many classes in the label table few have an image: others still count."""
    words = ("--shards", "train=2", "--split", "train", "--boxes")
    made = kept(raw_set, *words, "--format", f"tfrecord,{name}").out
    run("reshard", made, "--from", name, "--out", out, "--shards", 2, "--format", "tfrecord")
    for before, after in zip(
        shards(current(made, "tfrecord", "train"), "train"),
        shards(current(out, "tfrecord", "train"), "train"),
        strict=True,
    ):
        assert before.read_bytes() == after.read_bytes()


def test_a_round_trip_over_formats_keeps_the_bytes_of_every_image(
    listed_out: Path, tmp_path: Path
) -> None:
    source = current(listed_out, "tfrecord")
    for name in ("webdataset", "hf-parquet", "mds", "recordio", "tfrecord"):
        run("reshard", source, "--out", tmp_path / name, "--format", name)
        source = current(tmp_path / name, name)
    last = tmp_path / "tfrecord"
    assert images(last, "tfrecord", "images") == images(listed_out, "tfrecord", "images")
    first = {said["label"] for said, _ in stored(listed_out, "tfrecord", "images")}
    assert {said["label"] for said, _ in stored(last, "tfrecord", "images")} == first


def test_samples_come_with_labels_words_and_boxes(tmp_path: Path, out: Path) -> None:
    tar(tmp_path / "in/set-train-000000.tar", SAMPLES)
    tar(tmp_path / "in/set-val-000000.tar", SAMPLES[:2])
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "webdataset")
    assert "train: complete, 2 records" in said
    assert "val: complete, 1 record" in said
    first, second = rows(out, "train")
    assert (first["key"], first["class_index"], first["boxes"]) == ("a/1.jpg", 3, ())
    assert (second["key"], second["class_index"]) == ("b/2.v1.png", 0)
    assert (second["boxes"], second["class_text"]) == (((0.25, 0.5, 0.75, 1.0),), "two")
    assert images(out, "webdataset", "val") == {hashlib.sha256(encoded(1)).hexdigest()}


def test_words_are_classes_of_all_splits_together(tmp_path: Path, out: Path) -> None:
    tar(tmp_path / "in/train/0.tar", [("1.jpg", encoded(1)), ("1.cls", "Bär".encode())])
    tar(tmp_path / "in/val/0.tar", [("1.jpg", encoded(2)), ("1.cls", b"ant")])
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "recordio")
    assert "val: 2 classes: Bär 0, ant 1" in said
    resolve.cache_clear()
    table = tmp_path / "table"
    table.write_text("ant\nBär\n")
    run(
        "reshard",
        tmp_path / "in",
        "--classes",
        table,
        "--out",
        tmp_path / "other",
        "--format",
        "recordio",
    )
    assert "Bär\t1" in paths.class_table(tmp_path / "other", "val").read_text()


def test_a_tar_of_class_folders_is_read_where_it_lies(tmp_path: Path, out: Path) -> None:
    names = ("pets/ant/1.jpg", "pets/bee/x.v2.jpg", "pets/bee/2.jpg", "pets/README.md", "._x")
    path = tar(tmp_path / "pets.tar", [(name, encoded(n)) for n, name in enumerate(names)])
    said = run("imagelist", path, "--out", out, "--format", "recordio", "--extract")
    assert "2 classes: ant 0, bee 1" in said
    assert "a file that is no image: 1 time" in said
    assert "a hidden or system name: 1 time" in said
    laid = {each.relative_to(out / "pets").as_posix() for each in (out / "pets").glob("*/*")}
    assert laid == {"ant/1.jpg", "bee/x.v2.jpg", "bee/2.jpg"}
    assert not list(tmp_path.rglob(".shardmill/**/*.jpg"))
    assert "complete" in run("status", out)
    assert "already complete" in run(
        "imagelist", path, "--out", out, "--format", "recordio", "--extract"
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_of_class_folders_is_read_where_it_lies(
    tmp_path: Path, out: Path, method: int
) -> None:
    names = ("pets/ant/1.jpg", "pets/bee/1.jpg", "pets/bee/2.jpg", "__MACOSX/pets/x.jpg", "a.txt")
    drawn = [(name, encoded(number)) for number, name in enumerate(names)]
    path = zipped(tmp_path / "pets.zip", drawn, method)
    said = run("imagelist", path, "--out", out, "--format", "recordio,tfrecord", "--extract")
    assert "2 classes: ant 0, bee 1" in said
    assert "a hidden or system name: 1 time" in said
    laid = {each.relative_to(out / "pets").as_posix(): each for each in out.glob("pets/*/*")}
    assert laid.keys() == {"ant/1.jpg", "bee/1.jpg", "bee/2.jpg"}
    assert laid["bee/2.jpg"].read_bytes() == encoded(2)
    assert len(images(out, "tfrecord", "pets")) == 3
    assert said.count("3 records") == 2
    assert "3 compared with their sources" in run("verify", out, "--against", tmp_path)
    content = bytearray(path.read_bytes())
    content[200] ^= 1  # in the first image
    path.write_bytes(content)
    assert "a member is damaged" in run("verify", out, "--against", tmp_path, status=1)
    assert "a member is damaged" in run("imagelist", path, "--out", tmp_path / "new", status=3)
    path.write_bytes(content[:-100])
    run("imagelist", path, "--out", tmp_path / "new", status=3)


def test_rows_of_parquet_come_with_the_names_of_their_classes(tmp_path: Path, out: Path) -> None:
    images_of = [{"bytes": encoded(n), "path": f"{n}.jpg"} for n in range(5)]
    labels = (1, 0, 1, 2, 0)
    listed = [{"image": i, "label": n, "note": "x"} for i, n in zip(images_of, labels, strict=True)]
    name = "train-00000-of-00001-0123456789abcdef.parquet"
    parquet(tmp_path / "in" / name, listed, ("ant", "bee", "cat"))
    parquet(tmp_path / "in/index.parquet", [{"key": "1"}])
    words = ("reshard", tmp_path / "in", "--out", out, "--format", "tfrecord", "--shards", 2)
    said = run(*words)
    assert "passed over beside the shards: 1 file, e.g. index.parquet" in said
    assert "columns that are not taken: 1 time" in said
    assert [(row["key"], row["class_index"], row["class_text"]) for row in rows(out, "train")] == [
        ("0.jpg", 1, "bee"),
        ("1.jpg", 0, "ant"),
        ("2.jpg", 1, "bee"),
        ("3.jpg", 2, "cat"),
        ("4.jpg", 0, "ant"),
    ]
    there = {hashlib.sha256(encoded(number)).hexdigest() for number in range(5)}
    assert images(out, "tfrecord", "train") == there
    assert "5 compared with their sources" in run("verify", out, "--against", tmp_path / "in")
    assert "already complete" in run(*words)


def test_columns_of_img2dataset_and_damaged_parquet(tmp_path: Path, out: Path) -> None:
    listed: list[dict[str, object]] = [{"jpg": encoded(1), "key": "000", "cls": "ant"}]
    listed += [{"jpg": None, "key": "001", "cls": "bee"}]
    path = parquet(tmp_path / "photos.parquet", listed)
    said = run("imagelist", path, "--out", out, "--format", "none")
    assert "a row without an image: 1 time" in said
    (row,) = rows(out, "photos")
    assert (row["key"], row["class_text"]) == ("000.jpg", "ant")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    run("imagelist", path, "--out", tmp_path / "new", status=3)


def test_damaged_parquet_among_others_is_refused(tmp_path: Path, out: Path) -> None:
    for number in range(2):
        path = parquet(tmp_path / f"in/{number:05d}.parquet", [{"jpg": encoded(number)}])
    path.write_bytes(path.read_bytes()[:-100])
    assert "cut short" in run("reshard", tmp_path / "in", "--out", out, status=3)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (pa.array(["ant", "bee"]).dictionary_encode(), [("ant", 0), ("bee", 1)]),
        (pa.array([False, True]), [("", 0), ("", 1)]),
    ],
)
def test_labels_of_parquet_are_categories_or_booleans(
    tmp_path: Path, out: Path, labels: pa.Array, found: list[tuple[str, int]]
) -> None:
    path = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"jpg": [encoded(1), encoded(2)], "label": labels}), path)
    run("imagelist", path, "--out", out, "--format", "none")
    assert [(row["class_text"], row["class_index"]) for row in rows(out, "photos")] == found


def test_labels_of_parquet_of_another_type_are_refused(tmp_path: Path, out: Path) -> None:
    path = parquet(tmp_path / "photos.parquet", [{"jpg": encoded(1), "label": 0.5}])
    said = run("imagelist", path, "--out", out, status=3)
    assert "labels of a type that is not taken" in said
    assert "column label" in said


def test_a_column_called_image_is_taken_before_other_bytes(tmp_path: Path, out: Path) -> None:
    both = {"audio": {"bytes": b"RIFF"}, "image": {"bytes": encoded(1)}}
    path = parquet(tmp_path / "photos.parquet", [both])
    run("imagelist", path, "--out", out, "--format", "tfrecord")
    assert images(out, "tfrecord", "photos") == {hashlib.sha256(encoded(1)).hexdigest()}


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path, out: Path) -> None:
    tar(tmp_path / "in/digest/train-000000.tar", SAMPLES)
    (tmp_path / "in/current").symlink_to("digest")
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "none")
    assert "passed over beside the shards: 1 file, e.g. current/" in said
    assert len(rows(out, "train")) == 2


def test_neighbours_of_one_name_are_samples_of_their_own(tmp_path: Path, out: Path) -> None:
    parts = [("a.jpg", encoded(1)), ("a.cls", b"0"), ("a.jpg", encoded(2)), ("a.cls", b"1")]
    path = tar(tmp_path / "train.tar", parts)
    run("imagelist", path, "--out", out, "--format", "none")
    found = [(row["key"], row["class_index"]) for row in rows(out, "train")]
    assert found == [("a.jpg#0", 0), ("a.jpg#1", 1)]


def test_examples_of_another_program_come_with_their_objects(tmp_path: Path, out: Path) -> None:
    corners = {f"image/object/bbox/{side}": [0.25, 0.5] for side in ("xmin", "ymin")}
    corners |= {f"image/object/bbox/{side}": [0.5, 1.0] for side in ("xmax", "ymax")}
    whole = {"image/encoded": encoded(1), "image/filename": "x/1.jpg", **corners}
    whole |= {"image/object/class/label": [7, 8], "image/class/label": [7], "other": [1]}
    short = {"image": encoded(2), "label": [2], "image/format": "jpeg"}
    tfrecords(tmp_path / "in/coco_val.record-00000-of-00001", [whole, short, {"label": [1]}])
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "none")
    assert "a record without an image: 1 time" in said
    first, second = rows(out, "val")
    assert (first["key"], first["class_index"], first["box_classes"]) == ("x/1.jpg", 7, (7, 8))
    assert (second["class_index"], str(second["key"])[-4:]) == (2, ".jpg")


def test_images_of_one_name_get_their_number(tmp_path: Path, out: Path) -> None:
    for number in range(2):
        tar(tmp_path / f"in/{number:05d}.tar", [("1.jpg", encoded(number)), ("1.cls", b"1")])
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "none")
    assert "a name that is not theirs alone: 2" in said
    assert [row["key"] for row in rows(out, "in")] == ["1.jpg#0", "1.jpg#1"]


def test_what_is_not_taken_is_counted(tmp_path: Path, out: Path) -> None:
    members = [("1.jpg", encoded(1)), ("1.txt", b"a photo"), ("2.cls", b"1"), ("3.jpg", b"")]
    path = tar(tmp_path / "photos.tar", members)
    tar(tmp_path / "photos2.tar", [])
    said = run(
        "reshard", tmp_path / "photos*.tar", "--name", "all", "--out", out, "--format", "none"
    )
    for what in (
        "a text of a sample",
        "a sample without an image",
        "an image of no bytes",
        "a shard without an image",
    ):
        assert f"passed over, {what}" in said
    path.unlink()
    said = run("reshard", tmp_path / "photos2.tar", "--out", out, "--format", "none", status=3)
    assert "no image in the shards" in said


def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, out: Path) -> None:
    path = tar(tmp_path / "a.tar", SAMPLES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(SAMPLES[0][1]) // 2 + 512])
    assert "ends too early" in run("reshard", path, "--out", out, status=3)
    path.write_bytes(b"")
    assert "ends too early" in run("reshard", path, "--out", out, status=3)
    lay(tmp_path / "b.tar.gz", whole)
    assert "not packed as its name says" in run(
        "imagelist", tmp_path / "b.tar.gz", "--out", out, status=3
    )
    lay(tmp_path / "b.tar.zst", b"\x28\xb5\x2f\xfd")
    said = run("imagelist", tmp_path / "b.tar.zst", "--out", out, status=3)
    assert "the zstd stream is damaged or ends too early" in said
    lay(tmp_path / "c.tfrecord", whole)
    assert "no shard of a format" in run("reshard", tmp_path / "c.tfrecord", "--out", out, status=3)
    tar(tmp_path / "d.tar", [*SAMPLES, ("c.jpg", encoded(3)), ("c.cls", b"cat")])
    assert "a word alone" in run("reshard", tmp_path / "d.tar", "--out", out, status=3)
    tar(tmp_path / "e.tar", [("c.jpg", encoded(3)), ("c.json", b"{")])
    assert "c.json" in run("reshard", tmp_path / "e.tar", "--out", out, status=3)
    facts = b'{"wnid": "", "words": "", "filename": "c.jpg", "boxes": [[2, 0, 1, 1]]}'
    tar(tmp_path / "f.tar", [("c.jpg", encoded(3)), ("c.json", facts)])
    assert "leaves its image" in run("reshard", tmp_path / "f.tar", "--out", out, status=3)
    assert "no shards or archives" in run("reshard", tmp_path / "g", "--out", out, status=2)


def test_a_missing_or_damaged_shard_is_refused(listed_out: Path, tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(current(listed_out, "tfrecord"), folder)
    first, *_ = shards(folder)
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    assert "record" in run("reshard", folder, "--out", out, status=3)
    first.unlink()
    said = run("reshard", folder, "--out", out, status=3)
    assert "missing: 00000" in said


def test_a_shard_of_an_output_that_was_changed_is_refused(
    listed_out: Path, tmp_path: Path, out: Path
) -> None:
    made = tmp_path / "made"
    shutil.copytree(listed_out, made, symlinks=True)
    first, second, _ = shards(current(made, "webdataset"))
    shutil.copyfile(second, first)
    said = run("reshard", made, "--from", "webdataset", "--out", out, status=3)
    assert "other images than its output says" in said
    shutil.rmtree(made / ".shardmill/catalogs")
    assert "catalog" in run("reshard", made, "--out", out, status=3)


def test_what_was_found_is_kept_and_made_anew_where_a_shard_changes(
    tmp_path: Path, out: Path
) -> None:
    path = tar(tmp_path / "pets.tar", SAMPLES)
    words = ("reshard", path, "--out", out, "--format", "webdataset")
    run(*words)
    (record,) = paths.sources(out).glob("shards-*.json")
    assert record.with_suffix(".parquet").exists()
    assert "everything is as it was written" in run("verify", out)
    first = current(out, "webdataset", "pets").name
    tar(path, [*SAMPLES, ("c.jpg", encoded(3)), ("c.cls", b"1")])
    assert "3 records" in run(*words)
    assert current(out, "webdataset", "pets").name != first
    assert "nothing to remove" not in run("clean", out, "--dry-run")


def test_a_job_is_recorded_with_its_command(tmp_path: Path) -> None:
    path = tar(tmp_path / "pets.tar", SAMPLES)
    given = {"source": str(path), "out": str(tmp_path / "out"), "from": "webdataset"}
    job = build_job("reshard", given)
    assert Job.from_json(job.to_json()) == job
    assert command_words(job) == [
        "shardmill",
        "reshard",
        str(path),
        "--from",
        "webdataset",
        "--out",
        str(tmp_path / "out"),
    ]


def test_an_append_takes_new_shards(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "in"
    tar(folder / "pets-0.tar", SAMPLES)
    words = ("reshard", folder, "--out", out, "--format", "webdataset", "--append")
    run(*words)
    tar(folder / "pets-1.tar", [("c.jpg", encoded(3)), ("c.cls", b"1")])
    assert "3 records in 2 shards" in run(*words)


@pytest.mark.parametrize(
    ("name", "split"), [("z64", "z64"), ("pets-7", "pets"), ("train0", "train"), ("0007", "in")]
)
def test_digits_of_a_file_that_is_named_alone_are_its_own(
    tmp_path: Path, name: str, split: str
) -> None:
    path = tar(tmp_path / f"in/{name}.tar", SAMPLES)
    found = shard_files.find(path, path.parent, "")
    assert found.splits == {split: (path.name,)}


def test_labels_of_detection_that_a_format_has_not_are_left_out_and_the_boxes_stay(
    tmp_path: Path, out: Path
) -> None:
    source = tar(tmp_path / "in/train.tar", SAMPLES).parent
    words = ("reshard", source, "--out", out, "--format", "tfrecord", "--transcode")
    refused = run(*words, "--labels", "detection", status=2)
    assert "--labels detection has a meaning with --format recordio only" in refused
    assert "--joined" not in refused
    assert "leave it out: boxes and their classes are in the shards" in refused
    assert "these shards do not have" in run(
        *("reshard", tar(tmp_path / "b/train.tar", SAMPLES[:2]).parent, "--out", tmp_path / "c"),
        *("--format", "tfrecord", "--labels", "detection"),
        status=2,
    )
    run(*words)
    (shard,) = shards(current(out, "tfrecord", "train"), "train")
    (found,) = (
        example for record in read_records(shard) if (example := parse_example(record.data)).boxes
    )
    assert found.boxes == ((0.25, 0.5, 0.75, 1.0),)
