"""Exports of boxes through the DAG: made once, and again when a file of theirs is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import inprocess
import pytest
from exportnames import OF_BOXES
from support import RawSet, products, temporary_files

from pipeline.storage import StagedFolder

EVERY = ("--format", "none", "--export", ",".join((*OF_BOXES, "label-map")))


class Command:
    """Runs the command on a drawn set, in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, raw_set: RawSet, out: Path) -> None:
        self.patch, self.raw, self.out = patch, raw_set, out

    def prepare(self, *words: object, status: int = 0) -> str:
        where = ("--raw", self.raw.raw, "--config", self.raw.config, "--out", self.out)
        return self.run("imagenet", *where, *words, status=status)

    def run(self, *words: object, status: int = 0) -> str:
        name, *rest = words
        ran = (
            inprocess.verify(self.patch, *rest)
            if name == "verify"
            else inprocess.shardmill(self.patch, *words)
        )
        assert ran.status == status, ran.said
        return ran.said


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, small: RawSet, out: Path) -> Command:
    return Command(monkeypatch, small, out)


def labels(out: Path) -> list[Path]:
    return sorted((out / "labels" / "train").rglob("*.txt"))


def test_each_is_made_once_found_again_and_mended(command: Command, out: Path) -> None:
    said = command.prepare(*EVERY)
    assert "COCO, train" in said
    before = products(out)
    boxes = (out / "bboxes.csv").read_text().splitlines()
    document = json.loads((out / "coco/instances_train.json").read_bytes())
    assert len(document["annotations"]) == len(boxes)
    assert sum(len(path.read_text().splitlines()) for path in labels(out)) == len(boxes)
    assert "already complete" in command.prepare(*EVERY)
    assert f"yolo-train: {len(labels(out)) + 2} files" in command.run("verify", out)
    command.run("status", out)

    lost, flipped = labels(out)[0], max((out / "voc").rglob("*.xml"))
    lost.unlink()
    flipped.write_bytes(flipped.read_bytes()[:-2] + b"!\n")
    said = command.run("verify", out, "--remove-damaged", status=1)
    assert str(lost) in said
    assert str(flipped) in said
    command.prepare(*EVERY)
    assert products(out) == before
    (labels(out)[0].parent / "stranger.txt").write_text("0 0 0 1 1")
    assert "was not written here" in command.run("verify", out, status=1)
    assert temporary_files(out) == []


def test_another_selection_takes_their_place_only_when_told_to(
    command: Command, out: Path, tmp_path: Path
) -> None:
    command.prepare(*EVERY)
    whole = {path.relative_to(out) for path in labels(out)}
    classes = tmp_path / "classes.txt"
    classes.write_text(f"{min(whole).parent.name}\n")
    said = command.prepare(*EVERY, "--classes", classes, status=2)
    assert "--replace" in said
    command.prepare(*EVERY, "--classes", classes, "--replace")
    fewer = {path.relative_to(out) for path in labels(out)}
    assert fewer < whole
    assert {path.parent.name for path in fewer} == {classes.read_text().strip()}
    command.run("verify", out)


def test_what_somebody_else_put_there_stays(command: Command, out: Path) -> None:
    mine = out / "labels" / "train" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("0 0.5 0.5 1 1")
    said = command.prepare("--format", "none", "--export", "yolo", status=2)
    assert "something that is not of this program" in said
    assert labels(out) == [mine]


def test_what_a_killed_process_left_is_cleaned(command: Command, out: Path) -> None:
    command.prepare("--format", "none", "--export", "yolo")
    folder = labels(out)[0].parent
    if not (child := os.fork()):
        StagedFolder(folder).write("half.txt", b"0 0.5")
        os._exit(0)
    os.waitpid(child, 0)
    (left,) = temporary_files(out)
    assert (left / "half.txt").is_file()
    command.run("clean", out, "--yes")
    assert temporary_files(out) == []
    assert not left.exists()


@pytest.mark.parametrize("words", [("--no-boxes",), ("--format", "tfrecord", "--resize", "16")])
def test_boxes_of_other_images_or_of_none_are_refused(
    command: Command, words: tuple[str, ...]
) -> None:
    formats = () if "--format" in words else ("--format", "none")
    said = command.prepare(*words, *formats, "--export", "coco", status=2)
    assert "--export coco" in said
