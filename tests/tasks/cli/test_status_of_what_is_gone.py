"""``status`` and ``clean`` where the configuration, list or tree of a recorded job is gone."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from drawnlists import ListedSet, current, draw_list, encoded, lay
from support import RawSet, products

from pipeline import manifest, paths
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import run_end as runend
from pipeline.state import status
from pipeline.state.inventory import Inventory
from tasks.cli import text


@pytest.fixture
def drawn(tmp_path: Path) -> ListedSet:
    """A drawn list of one's own."""
    return draw_list(tmp_path / "drawn", images=8)


def prepare(
    patch: pytest.MonkeyPatch, drawn: ListedSet, out: Path, *options: object
) -> inprocess.Ran:
    words = ("imagelist", drawn.path, "--root", drawn.root, "--out", out, "--shards", 2)
    return inprocess.shardmill(patch, *words, "--format", "recordio", *options)


@pytest.mark.parametrize("gone", ["list", "root"])
def test_status_tells_a_complete_list_without_its_list_or_images(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path, gone: str
) -> None:
    assert prepare(monkeypatch, drawn, out, "--joined").status == 0
    drawn.path.unlink() if gone == "list" else shutil.rmtree(drawn.root)
    run = inprocess.shardmill(monkeypatch, "status", out)
    assert run.status == 0, run.said
    assert "complete, 8 records" in run.said
    assert "joined" in run.said
    next(current(out, "recordio").glob("*.rec")).unlink()
    run = inprocess.shardmill(monkeypatch, "status", out)
    assert (run.status, "incomplete" in run.said) == (1, True)


def test_status_tells_a_complete_set_whose_configuration_has_moved(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path, out: Path
) -> None:
    own = small.copy(tmp_path / "own")
    words = ("--raw", own.raw, "--config", own.config, "--out", out)
    assert inprocess.shardmill(monkeypatch, "imagenet", *words).status == 0
    own.config.rename(own.config.with_name("moved.toml"))
    run = inprocess.shardmill(monkeypatch, "status", out)
    assert run.status == 0, run.said
    assert run.said.count("complete, ") == 2
    assert "bboxes-train: complete" in run.said
    assert str(own.config) in run.said
    (out / "bboxes.csv").unlink()
    run = inprocess.shardmill(monkeypatch, "status", out)
    assert (run.status, "bboxes-train: pending" in run.said) == (1, True)


def test_status_of_a_job_recorded_by_an_older_version_says_what_current_points_to(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path
) -> None:
    assert prepare(monkeypatch, drawn, out).status == 0
    drawn.path.unlink()
    for path in (paths.last_job(out), *paths.jobs(out).iterdir()):
        document = manifest.load(path)
        path.write_bytes(manifest.serialise({"job": document["job"], "files": []}))
    run = inprocess.shardmill(monkeypatch, "status", out)
    assert (run.status, "complete, 8 records" in run.said) == (1, True), run.said


def test_clean_works_and_leaves_alone_what_may_be_half_done(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path
) -> None:
    for seed in (1, 2, 3):
        assert prepare(monkeypatch, drawn, out, "--seed", seed).status == 0
    kept = current(out, "recordio")
    first, half = (
        each
        for each in kept.parent.iterdir()
        if each.is_dir() and each != kept and not each.is_symlink()
    )
    paths.manifest(half).unlink()
    drawn.path.unlink()
    run = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert run.status == 0, run.said
    assert "unfinished outputs are left alone" in run.said
    assert (first.exists(), half.exists(), kept.exists()) == (False, True, True)


def class_folders(root: Path) -> None:
    for number, name in enumerate(("ant/0.jpg", "bee/1.jpg")):
        lay(root / name, encoded(number))


def test_a_set_that_no_command_would_make_any_more_is_listed_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    """An older version made one set of a folder of splits, as this one of a folder of classes."""
    root = tmp_path / "photos"
    class_folders(root)
    words = ("imagelist", root, "--recursive", "--format", "recordio", "--out", out)
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    shutil.rmtree(root)
    for split in ("train", "val"):
        class_folders(root / split)
    for ends_with in (1, 0):  # before and after the splits are made
        told = inprocess.shardmill(monkeypatch, "status", out)
        assert told.status == ends_with
        assert "another set, which no recorded command would make now: photos (reco" in told.said
        cleaned = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
        assert f"remove {out / 'recordio' / 'photos'}\n" in cleaned.said
        assert current(out, "recordio", "photos").is_dir()
        if ends_with:
            assert inprocess.shardmill(monkeypatch, *words).status == 0
    shutil.rmtree(out / "recordio" / "photos")  # the remedy
    for command in ("status", "clean"):
        run = inprocess.shardmill(monkeypatch, command, out)
        assert (run.status, "photos (" in run.said) == (0, False), run.said


def test_status_says_source_command_and_how_the_last_one_ended(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path
) -> None:
    victim = drawn.root / drawn.names[0]
    content = victim.read_bytes()
    victim.write_bytes(b"no image".ljust(len(content), b"."))
    assert prepare(monkeypatch, drawn, out).status == 3
    said = inprocess.shardmill(monkeypatch, "status", out).said
    assert f"source: {drawn.path}" in said
    assert f"command: shardmill imagelist {drawn.path}" in said
    assert "status 3: " in said
    assert victim.name in said
    victim.write_bytes(content)
    time.sleep(1)  # names of runs are of seconds
    assert prepare(monkeypatch, drawn, out).status == 0
    before = products(out)
    said = inprocess.shardmill(monkeypatch, "status", out).said
    assert "status 0: complete" in said
    assert products(out) == before


def test_a_dry_run_says_which_shards_are_made_again_for_an_image_that_was_replaced(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path
) -> None:
    assert prepare(monkeypatch, drawn, out).status == 0
    said = prepare(monkeypatch, drawn, out, "--dry-run").said
    assert "already complete" in said
    victim = drawn.root / drawn.names[0]
    content = bytearray(victim.read_bytes())
    content[-3] ^= 1  # of the same size
    victim.write_bytes(content)
    before = products(out)
    said = prepare(monkeypatch, drawn, out, "--dry-run").said
    assert (
        "the images were not looked at, only size and time (in a store: size and ETag) of the list:"
        in said
    )
    assert "already complete" in said
    for record in paths.sources(out).glob("list-*.json"):
        record.unlink()  # of an output that an earlier version has made
    run = prepare(monkeypatch, drawn, out, "--dry-run")
    assert (run.status, products(out)) == (0, before)
    assert "the images were not looked at" not in run.said
    assert "would run: make 1 shard again, of images that were replaced" in run.said
    assert "to write: about 0 B" not in run.said
    run = prepare(monkeypatch, drawn, out)
    assert run.status == 0, run.said
    assert products(out) != before


def test_a_refusal_that_is_remembered_is_told_once(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path, out: Path
) -> None:
    own = small.copy(tmp_path / "own")
    archive = own.raw / "ILSVRC2012_img_train.tar"
    content = bytearray(archive.read_bytes())
    content[700] ^= 1
    archive.write_bytes(content)
    words = ("--raw", own.raw, "--config", own.config, "--out", out, "--split", "train")
    assert inprocess.shardmill(monkeypatch, "imagenet", *words, "--no-boxes").status == 3
    said = inprocess.shardmill(monkeypatch, "status", out).said
    assert said.count("does not have the published MD5") == 2  # how it ended, and what is known
    assert "status 3: " in said
    assert (said.count("expected:"), said.count("to do:")) == (1, 1)
    assert "was not read again" in said


def test_a_command_that_was_killed_has_noted_no_end(out: Path) -> None:
    assert runend.last(out) is None
    for name in ("20260101-000000-one-aaaaaa", "20260102-030405-two-bbbbbb"):
        paths.run(out, name).mkdir(parents=True)
    runend.note(out, "20260101-000000-one-aaaaaa", 0, "")
    end = runend.last(out)
    assert end is not None
    assert end.status == runend.UNKNOWN
    assert time.localtime(end.time)[:6] == (2026, 1, 2, 3, 4, 5)
    job = Job("/raw", str(out), "c.toml")
    said = "\n".join(text.job_lines(job, None, end, False))
    assert "was killed" in said
    assert "older shardmill" in said  # which has noted no end of any command
    assert not any("last end" in line for line in text.job_lines(job, None, end, True))


def test_images_that_are_left_are_counted_once_for_all_formats(small: RawSet, out: Path) -> None:
    job = small.job(out, formats=("tfrecord", "recordio", "webdataset"))
    states = status.survey(Inventory(resolve(job)))
    images = {state.split: state.images for state in states}
    assert status.images_left(states) == sum(images.values())
    some = [replace(s, images_done=s.images - n) for n, s in enumerate(states[:3], start=1)]
    assert status.images_left(some) == 3


@pytest.mark.parametrize("moved", [True, False])
def test_the_command_that_takes_over_a_finished_set_is_recorded(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path, tmp_path: Path, moved: bool
) -> None:
    assert prepare(monkeypatch, drawn, out).status == 0
    place = tmp_path / "elsewhere"
    shutil.copytree(drawn.path.parent, place)
    if moved:
        shutil.rmtree(drawn.path.parent)
    there = ListedSet(place / drawn.root.name, place / drawn.path.name)
    run = prepare(monkeypatch, there, out)
    assert (run.status, "already complete" in run.said) == (0, True), run.said
    assert status.recorded_jobs(out)[-1].images == str(there.path)
    told = inprocess.shardmill(monkeypatch, "status", out)
    assert (told.status, f"source: {there.path}" in told.said) == (0, True), told.said
    assert "is not as it was" not in told.said
    # Where both are there, the name is still that of the first.
    (record,) = paths.jobs(out).iterdir()
    owner = there.path if moved else drawn.path
    assert str(owner) in record.read_text()
    before = products(out)
    assert prepare(monkeypatch, there, out, "--dry-run").status == 0
    assert products(out) == before


def test_status_says_that_a_tree_is_gone_of_which_something_is_still_to_be_made(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path, out: Path
) -> None:
    where = ("--config", small.config, "--no-boxes", "--split", "train")
    made = ("--raw", small.raw, "--out", tmp_path / "made", "--until", "extract")
    assert inprocess.shardmill(monkeypatch, "imagenet", *where, *made).status == 0
    tree = tmp_path / "made" / "train"
    words = ("imagenet", *where, "--tree", tree.parent, "--out", out)
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    tree.rename(tmp_path / "away")
    said = inprocess.shardmill(monkeypatch, "status", out)
    assert (said.status, "the tree is gone" in said.said) == (0, False)
    next(current(out, "tfrecord", "train").glob("train-*")).unlink()
    lines = inprocess.shardmill(monkeypatch, "status", out).said.splitlines()
    (line,) = (each for each in lines if "the tree is gone" in each)
    assert str(tree.parent) in line
    assert "bring it back" in line
    assert inprocess.shardmill(monkeypatch, *words).status == 3
    (tmp_path / "away").rename(tree)
    assert "the tree is gone" not in inprocess.shardmill(monkeypatch, "status", out).said
