"""Bounding boxes through the DAG: bboxes.csv, the records, and what stands in their way."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import support
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from support import RawSet, products

from pipeline.annotations import bboxes
from pipeline.annotations.source import read_annotations
from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.sample.draw import annotation_defects

ARCHIVE, VALIDATION = "ILSVRC2012_bbox_train_v2.tar.gz", "ILSVRC2012_bbox_val_v3.tgz"


def stored_boxes(out: Path, split: str) -> dict[str, list[tuple[float, ...]]]:
    """The boxes of every record, by file name: xmin, ymin, xmax, ymax as float32."""
    found = {}
    for shard in sorted((out / "tfrecord" / split / "current").glob(f"{split}-*")):
        for record in read_records(shard):
            parsed = parse_example(record.data)
            found[parsed.filename] = [tuple(box) for box in parsed.boxes]
    return found


def listed_boxes(path: Path) -> dict[str, list[tuple[float, ...]]]:
    """The boxes of bboxes.csv as the scripts' reader takes them, by file name."""
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        name, *corners = line.split(",")
        found[name].append(tuple(float(np.float32(corner)) for corner in corners))
    return found


def test_the_file_and_the_report_are_made_and_every_record_holds_its_boxes(
    raw_set: RawSet,
) -> None:
    finished = kept(raw_set)
    out = finished.out
    found = bboxes.collect(raw_set.raw / ARCHIVE)
    assert (out / "bboxes.csv").read_bytes() == b"".join(bboxes.csv_pieces(found))
    assert (out / "bboxes.report.csv").read_bytes() == bboxes.report_bytes(found)
    for line in bboxes.closing_lines(found):
        assert f"train: {line}" in finished.stdout
    listed, stored = listed_boxes(out / "bboxes.csv"), stored_boxes(out, "train")
    assert set(listed) <= set(stored)
    assert {name: boxes for name, boxes in stored.items() if boxes} == listed
    assert not any(stored_boxes(out, "validation").values())
    manifest = json.loads((out / "tfrecord/train/current/manifest.json").read_text())
    assert manifest["counts"]["boxes"] == len(found.corners)


def test_the_planted_defects_are_in_the_report(sample: RawSet) -> None:
    report = (kept(sample).out / "bboxes.report.csv").read_text().splitlines()[1:]
    told = {line.split(",")[0]: line.split(",")[2] for line in report}
    planted = annotation_defects()
    assert set(told) <= set(planted)
    assert sorted(set(told.values())) == ["dropped", "repaired"]


def test_validation_boxes_are_read_when_they_are_asked_for(raw_set: RawSet) -> None:
    out = kept(raw_set, "--with", "validation-boxes", "--split", "validation").out
    listed = listed_boxes(out / "bboxes.validation.csv")
    assert listed
    stored = stored_boxes(out, "validation")
    assert {name: boxes for name, boxes in stored.items() if boxes} == listed
    assert not (out / "bboxes.csv").exists()


def test_without_boxes_their_archive_is_not_looked_at(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    bare = small.copy(tmp_path / "bare")
    (bare.raw / ARCHIVE).unlink()
    refused = prepare(bare, out)
    assert refused.returncode == 3
    assert ARCHIVE in refused.stderr
    assert "--no-boxes" in refused.stderr
    run = prepare(bare, out, "--no-boxes")
    assert run.returncode == 0, run.stderr
    assert not (out / "bboxes.csv").exists()
    assert not any(stored_boxes(out, "train").values())


def test_boxes_are_a_step_that_needs_nothing_else(small: RawSet, out: Path, tmp_path: Path) -> None:
    bare = small.copy(tmp_path / "bare")
    for archive in bare.raw.glob("ILSVRC2012_img_*"):
        archive.unlink()
    run = prepare(bare, out, "--until", "boxes")
    assert run.returncode == 0, run.stderr
    assert list(products(out)) == ["bboxes.csv", "bboxes.report.csv"]


def test_the_class_filter_of_tensorflow_is_another_product(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    sample = small.copy(tmp_path / "set")
    last = [name for name, _ in read_annotations(sample.raw / ARCHIVE)][-1]
    name, wnid = last.rpartition("/")[2].removesuffix(".xml"), small_wnids(sample)[0]
    repack(
        sample,
        lambda member, data: (
            member,
            re.sub(b"<name>n[0-9]+", f"<name>{wnid}".encode(), data) if member == last else data,
        ),
    )
    assert prepare(sample, out, "--until", "boxes").returncode == 0
    plain = (out / "bboxes.csv").read_bytes()
    refused = prepare(sample, out, "--until", "boxes", "--box-class-filter")
    assert refused.returncode == 2
    assert "bboxes.csv" in refused.stderr
    assert "--replace" in refused.stderr
    assert (out / "bboxes.csv").read_bytes() == plain
    replaced = prepare(sample, out, "--until", "boxes", "--box-class-filter", "--replace")
    assert replaced.returncode == 0, replaced.stderr
    left_out = set(plain.splitlines()) - set((out / "bboxes.csv").read_bytes().splitlines())
    assert {line.partition(b".")[0] for line in left_out} == {name.encode()}


def test_a_file_of_that_name_which_somebody_put_there_is_never_overwritten(
    small: RawSet, out: Path
) -> None:
    out.mkdir()
    (out / "bboxes.csv").write_text("mine\n")
    refused = prepare(small, out)
    assert refused.returncode == 2
    assert str(out / "bboxes.csv") in refused.stderr
    assert products(out) == {"bboxes.csv": products(out)["bboxes.csv"]}
    assert (out / "bboxes.csv").read_text() == "mine\n"


def test_a_deleted_file_is_made_again_and_nothing_else(small: RawSet, out: Path) -> None:
    prepared(small, out)
    before = products(out)
    (out / "bboxes.report.csv").unlink()
    run = prepare(small, out)
    assert run.returncode == 0, run.stderr
    assert [line.split(":")[0] for line in run.stdout.splitlines() if " task in " in line] == [
        "boxes"
    ]
    assert products(out) == before


@pytest.mark.usefixtures("hurried")
def test_an_edited_file_does_not_reach_the_records(small: RawSet, out: Path) -> None:
    prepared(small, out, "--until", "boxes")
    path = out / "bboxes.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b",0.", b",1.", 1))
    run = support.prepare(small, out)
    assert run.returncode == 0, run.stderr
    assert path.read_bytes() == before
    assert max(x for boxes in stored_boxes(out, "train").values() for box in boxes for x in box) < 1


def test_a_damaged_archive_of_boxes_costs_nothing_that_is_finished(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    archive = broken.raw / ARCHIVE
    archive.write_bytes(archive.read_bytes()[:-20])
    broken.repin(ARCHIVE)
    run = prepare(broken, out)
    assert run.returncode == 3
    assert "gzip stream" in run.stderr
    assert ARCHIVE in run.stderr
    assert not (out / "bboxes.csv").exists()
    assert prepare(broken, out, "--no-boxes").returncode == 0


def test_verify_names_a_changed_file(small: RawSet, out: Path) -> None:
    prepared(small, out)
    assert shardmill("verify", out).returncode == 0
    path = out / "bboxes.csv"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    run = shardmill("verify", out)
    assert run.returncode == 1
    assert str(path) in run.stderr


@pytest.mark.parametrize("content", [b"<annotation><size>", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>"])
def test_an_annotation_that_cannot_be_read_is_reported_and_the_rest_kept(
    small: RawSet, out: Path, tmp_path: Path, content: bytes
) -> None:
    spoilt = small.copy(tmp_path / "spoilt")
    victim = next(name for name, _ in read_annotations(spoilt.raw / ARCHIVE))
    repack(spoilt, lambda member, data: (member, content if member == victim else data))
    run = prepare(spoilt, out)
    assert run.returncode == 0, run.stderr
    assert "1 refused" in run.stdout
    assert f"train: 1 annotation cannot be read, e.g. {victim}; no boxes" in run.stdout
    assert f"{victim},,refused," in (out / "bboxes.report.csv").read_text()
    stored = stored_boxes(out, "train")
    name = victim.rpartition("/")[2].replace(".xml", ".JPEG")
    assert stored[name] == []
    assert sum(map(bool, stored.values())) == len(stored) - 1


def test_annotations_that_fit_no_image_are_listed_and_said(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    sample = small.copy(tmp_path / "set")
    names = [name for name, _ in read_annotations(sample.raw / ARCHIVE)]
    moved = f"{names[0][:9]}/{names[0][:9]}_0.XML"
    changed = {names[0]: moved, names[1]: names[1].replace(".xml", ".XML")}
    repack(sample, lambda member, data: (f"v2/{changed.get(member, member)}", data))
    run = prepare(sample, out, "--until", "lists")
    assert run.returncode == 0, run.stderr
    assert "train: 11 of 12 annotations fit an image; 1 of 12 images have no" in run.stdout
    assert "train: 1 annotation fits no image." in run.stdout
    listed = (out / "bboxes.unmatched.csv").read_text()
    assert listed == f"annotation\n{moved.removesuffix('.XML')}.xml\n"
    assert str(out / "bboxes.unmatched.csv") in run.stdout
    verified = shardmill("verify", out)
    assert verified.returncode == 0
    assert "unmatched-train: 1 file" in verified.stdout


def test_boxes_that_fit_no_image_at_all_are_refused(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    sample = small.copy(tmp_path / "set")
    repack(sample, lambda member, data: (f"n99999999/{member.rpartition('/')[2]}", data))
    run = prepare(sample, out)
    assert run.returncode == 3
    assert str(sample.raw / ARCHIVE) in run.stderr
    assert "n99999999/" in run.stderr
    assert "--no-boxes" in run.stderr
    assert not (out / "tfrecord" / "train").exists()
    assert prepare(sample, out, "--no-boxes").returncode == 0


def test_an_archive_without_annotations_is_refused(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    sample = small.copy(tmp_path / "set")
    repack(sample, lambda member, data: (member.replace(".xml", ".tar.gz"), data))
    run = prepare(sample, out, "--until", "boxes")
    assert run.returncode == 3
    assert str(sample.raw / ARCHIVE) in run.stderr
    assert not (out / "bboxes.csv").exists()


def small_wnids(sample: RawSet) -> list[str]:
    return sorted({name[:9] for name, _ in read_annotations(sample.raw / ARCHIVE)})


def repack(sample: RawSet, change: Callable[[str, bytes], tuple[str, bytes]]) -> None:
    """Give every annotation the name and content that `change` returns for its own."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for member, content in list(read_annotations(sample.raw / ARCHIVE)):
            assert isinstance(content, bytes)
            name, data = change(member, content)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    (sample.raw / ARCHIVE).write_bytes(gzip.compress(target.getvalue()))
    sample.repin(ARCHIVE)
