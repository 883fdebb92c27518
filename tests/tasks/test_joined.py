"""RecordIO shards in one file, and labels of boxes: what they change, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import prepare, shardmill
from finishedoutputs import prepared
from support import RawSet, products, timings

from pipeline import manifest
from pipeline.formats.recordio.header import parse_header
from pipeline.formats.recordio.shard import read_records
from pipeline.verification import statecheck
from pipeline.verification.reading import Verification

RECORDIO = ("--format", "recordio", "--split", "train", "--shards", "train=3")


def folder(out: Path) -> Path:
    return (out / "recordio/train/current").resolve()


def records(path: Path) -> list[bytes]:
    return [bytes(record.data) for record in read_records(path)]


class TestJoined:
    def test_is_made_of_finished_shards_without_touching_them(
        self, small: RawSet, out: Path
    ) -> None:
        prepared(small, out, *RECORDIO)
        before = products(out)
        run = prepare(small, out, *RECORDIO, "--joined")
        assert run.returncode == 0, run.stderr
        after = products(out)
        assert before.items() <= after.items()
        assert {Path(name).name for name in after.keys() - before.keys()} == {
            *("train.rec", "train.idx", "train.lst")
        }
        assert [t.step for t in timings(out) if t.step in {"shards", "join"}].count("shards") == 3
        parts = sorted(folder(out).glob("train-*.rec"))
        joined = folder(out) / "train.rec"
        assert records(joined) == [data for part in parts for data in records(part)]

    def test_is_made_again_when_it_is_gone(self, small: RawSet, out: Path) -> None:
        prepared(small, out, *RECORDIO, "--joined")
        before = products(out)
        (folder(out) / "train.rec").unlink()
        assert shardmill("verify", out).returncode == 1
        assert prepare(small, out, *RECORDIO, "--joined").returncode == 0
        assert products(out) == before
        assert shardmill("verify", out).returncode == 0

    def test_goes_with_a_superseded_output(self, small: RawSet, out: Path) -> None:
        prepared(small, out, *RECORDIO, "--joined")
        old = folder(out)
        assert prepare(small, out, *RECORDIO[:4], "--shards", "train=2").returncode == 0
        assert shardmill("clean", out, "--yes").returncode == 0
        assert not old.exists()
        assert shardmill("verify", out).returncode == 0


class TestLabelsOfBoxes:
    def test_leave_out_what_has_no_box_and_name_it_in_a_file(
        self, sample: RawSet, out: Path
    ) -> None:
        run = prepare(sample, out, *RECORDIO, "--labels", "detection")
        assert run.returncode == 4
        document = manifest.load(folder(out) / "manifest.json")
        listed = (folder(out) / "without_boxes.tsv").read_text().splitlines()
        counts = document["counts"]
        assert len(listed) == counts["without_boxes"] == counts["left_out"] > 0
        assert counts["records"] + counts["left_out"] == counts["images"]
        assert document["left_out"] == []
        assert shardmill("verify", out, "--against", sample.raw).returncode == 0
        # One object of the sample is of another class than its image, and one names no class.
        assert "train: 1 box is of another class than the image." in run.stdout
        assert "train: 1 box names no class id" in run.stdout
        shards = sorted(folder(out).glob("train-*.rec"))
        labels = [parse_header(data).labels for shard in shards for data in records(shard)]
        assert sum(len(set(each[4::5])) > 1 for each in labels) == 1

    def test_are_not_said_to_be_wrong_where_the_list_of_the_others_is_damaged(
        self, sample: RawSet, out: Path
    ) -> None:
        assert prepare(sample, out, *RECORDIO, "--labels", "detection").returncode == 4
        listed = folder(out) / "without_boxes.tsv"
        for content in (b"", b"0\tn99999999/other.JPEG\n", None):
            listed.unlink()
            if content is not None:
                listed.write_bytes(content)
            reading = Verification(out, statecheck.known_jobs(out))
            assert {each.path for each in reading.findings([folder(out)])} == {listed}
            listed.touch()

    def test_are_refused_at_once_where_no_boxes_are_read(self, sample: RawSet, out: Path) -> None:
        run = prepare(sample, out, "--format", "recordio", "--labels", "detection")
        assert run.returncode == 2
        assert "validation" in run.stderr
        assert "--with" in run.stderr
        assert not out.exists()


@pytest.mark.parametrize("gone", ["train-00001-of-00003.rec", "train-00001-of-00003.idx"])
def test_status_speaks_of_what_earlier_commands_have_finished(
    small: RawSet, out: Path, gone: str
) -> None:
    assert prepare(small, out, *RECORDIO).returncode == 0
    assert prepare(small, out, "--split", "validation").returncode == 0
    assert shardmill("status", out).returncode == 0
    (folder(out) / gone).unlink()
    status = shardmill("status", out)
    assert status.returncode == 1
    assert "asked for earlier: train (recordio" in status.stdout
