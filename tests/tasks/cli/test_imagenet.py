"""``shardmill imagenet`` as a user meets it: results, exit status, messages."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections import Counter
from pathlib import Path

import forked
import pytest
import support
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from support import RawSet, command, products, temporary_files

from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def manifest(out: Path, split: str) -> dict[str, object]:
    path = out / "tfrecord" / split / "current" / "manifest.json"
    found: dict[str, object] = json.loads(path.read_text())
    return found


def timings(out: Path) -> Counter[str]:
    """How many tasks of each step have finished, over all runs."""
    return Counter(
        json.loads(line)["step"]
        for path in (out / ".shardmill" / "runs").rglob("timings.jsonl")
        for line in path.read_text().splitlines()
    )


def members(archive: Path) -> dict[str, bytes]:
    """Every image of an archive by its file name, read by tarfile."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            if member.name.endswith(".tar"):
                with tarfile.open(fileobj=content) as inner:
                    for nested in inner:
                        image = inner.extractfile(nested)
                        assert image is not None
                        found[nested.name] = image.read()
            else:
                found[member.name] = content.read()
    return found


def test_every_image_is_in_one_record_byte_for_byte(raw_set: RawSet) -> None:
    out = kept(raw_set).out
    for split, archive in (("train", TRAIN), ("validation", VALIDATION)):
        sources = members(raw_set.raw / archive)
        document = manifest(out, split)
        repaired = {mended["key"].rpartition("/")[2] for mended in document["repairs"]}  # type: ignore[attr-defined]
        seen = {}
        for shard in sorted((out / "tfrecord" / split / "current").glob(f"{split}-*")):
            for record in read_records(shard):
                parsed = parse_example(record.data)
                assert parsed.filename not in seen
                seen[parsed.filename] = bytes(parsed.encoded)
        assert seen.keys() == sources.keys()
        changed = {name for name in seen if seen[name] != sources[name]}
        assert changed == repaired
        assert document["counts"]["records"] == len(sources)  # type: ignore[index]


def test_the_place_and_the_order_of_the_steps_change_no_byte(
    sample: RawSet, tmp_path: Path
) -> None:
    """How many workers there are does not, either: see `test_wheel_jobs`."""
    out = tmp_path / "deep" / "er" / "b"
    assert prepare(sample, out).returncode == 0
    assert products(out) == products(kept(sample).out)
    assert temporary_files(tmp_path) == []


def test_a_second_run_runs_no_task(small: RawSet, out: Path) -> None:
    prepared(small, out)
    before = timings(out)
    run = prepare(small, out)
    assert run.returncode == 0
    assert "already complete" in run.stdout
    assert timings(out) == before


def test_a_deleted_or_cut_file_is_noticed_and_made_again(small: RawSet, out: Path) -> None:
    prepared(small, out)
    finished, before = products(out), timings(out)
    folder = (out / "tfrecord" / "train" / "current").resolve()
    shards = sorted(folder.glob("train-*"))
    shards[0].unlink()
    os.truncate(shards[1], 10)
    next(folder.glob("idx/*")).unlink()
    assert prepare(small, out).returncode == 0
    assert products(out) == finished
    again = timings(out) - before
    assert 2 <= again["shards"] <= 3
    assert set(again) == {"shards"}


def test_other_options_write_beside_and_rebuild_nothing_else(small: RawSet, out: Path) -> None:
    prepared(small, out, "--split", "train")
    first = products(out)
    assert prepare(small, out).returncode == 0
    assert timings(out)["verify"] == 3
    assert first.items() <= products(out).items()
    current = os.readlink(out / "tfrecord/train/current")
    assert prepare(small, out, "--seed", 7).returncode == 0
    assert os.readlink(out / "tfrecord/train/current") != current
    kept = {name: content for name, content in first.items() if not name.endswith("current")}
    assert kept.items() <= products(out).items()
    assert prepare(small, out).returncode == 0
    assert os.readlink(out / "tfrecord/train/current") == current


def test_labels_start_where_they_are_told_to(small: RawSet, tmp_path: Path) -> None:
    labels = []
    assert prepare(small, tmp_path, "--split", "train", "--label-offset", 0).returncode == 0
    for out in (kept(small).out, tmp_path):
        shard = next((out / "tfrecord/train/current").glob("train-00000-*"))
        labels.append([parse_example(record.data).label for record in read_records(shard)])
    assert labels[0] == [label + 1 for label in labels[1]]


def test_every_missing_archive_is_named_at_once(small: RawSet, tmp_path: Path, out: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run = shardmill("imagenet", "--raw", empty, "--config", small.config, "--out", out)
    assert run.returncode == 3
    assert TRAIN in run.stderr
    assert VALIDATION in run.stderr
    assert not (out / "tfrecord").exists()


def test_a_wrong_md5_is_refused_at_once_and_costs_nothing_finished(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    assert prepare(broken, out, "--split", "validation").returncode == 0
    finished = products(out)
    content = bytearray((broken.raw / TRAIN).read_bytes())
    content[5000] ^= 1
    (broken.raw / TRAIN).write_bytes(content)
    run = prepare(broken, out, "--no-boxes")
    assert run.returncode == 3
    for word in (TRAIN, "expected", "found", "MD5"):
        assert word in run.stderr
    assert products(out) == finished
    assert timings(out)["verify"] == 1
    shutil.copy(small.raw / TRAIN, broken.raw / TRAIN)
    assert prepare(broken, out).returncode == 0


def test_a_truncated_archive_is_refused_before_it_is_read(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    os.truncate(broken.raw / TRAIN, 20000)
    run = prepare(broken, out)
    assert run.returncode == 3
    assert "wrong size" in run.stderr
    assert "20,000 bytes" in run.stderr
    assert "get it again from drawn by" in run.stderr
    broken.config.write_text(re.sub('url = "[^"]*"', 'url = "-"', broken.config.read_text()))
    assert prepare(broken, out).stderr.rstrip().endswith("get it again")


def test_a_truncated_archive_of_the_pinned_md5_is_refused_with_its_place(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    os.truncate(broken.raw / TRAIN, 20000)
    broken.repin(TRAIN)
    run = prepare(broken, out)
    assert run.returncode == 3
    assert "ends too early" in run.stderr
    assert "JPEG" in run.stderr


def rewrite_train(raw: Path, change: str, wnid: str) -> None:
    """Rewrite the train archive with one class tar cut, absent, or lacking an image."""
    source, target = raw / TRAIN, raw / "changed.tar"
    with tarfile.open(source) as tar, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == f"{wnid}.tar":
                if change == "absent":
                    continue
                data = data[: 512 + 1000] if change == "cut" else _without_last(data)
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    target.replace(source)


def _without_last(data: bytes) -> bytes:
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as tar,
        tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in tar.getmembers()[:-1]:
            new.addfile(member, tar.extractfile(member))
    return target.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [("cut", "ends too early"), ("absent", "0 of 4"), ("short", "3 of 4")],
)
def test_a_changed_class_tar_never_passes(
    small: RawSet, tmp_path: Path, out: Path, change: str, message: str
) -> None:
    broken = small.copy(tmp_path / "broken")
    with tarfile.open(broken.raw / TRAIN) as tar:
        wnid = tar.getnames()[1].removesuffix(".tar")
    rewrite_train(broken.raw, change, wnid)
    broken.repin(TRAIN)
    run = prepare(broken, out)
    assert run.returncode == 3, run.stdout + run.stderr
    assert wnid in run.stderr
    assert message in run.stderr
    assert not (out / "tfrecord" / "train" / "current").exists()


def spoil_images(raw_set: RawSet) -> list[str]:
    """Overwrite the first two validation images with text; return their names."""
    content = bytearray((raw_set.raw / VALIDATION).read_bytes())
    names = []
    with tarfile.open(raw_set.raw / VALIDATION) as tar:
        for member in tar.getmembers()[:2]:
            content[member.offset_data : member.offset_data + 20] = b"<html>not one image "
            names.append(member.name)
    (raw_set.raw / VALIDATION).write_bytes(content)
    raw_set.repin(VALIDATION)
    return names


def test_bad_images_fail_then_are_left_out_on_request(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    names = spoil_images(broken)
    options = ("--split", "validation", "--shards", "validation=1")
    run = prepare(broken, out, *options)
    assert run.returncode == 3
    assert all(name in run.stderr for name in names)
    assert "--on-bad-image skip" in run.stderr
    run = prepare(broken, out, *options, "--on-bad-image", "skip")
    assert run.returncode == 4, run.stderr
    document = manifest(out, "validation")
    assert sorted(image["key"] for image in document["left_out"]) == sorted(names)  # type: ignore[attr-defined]
    assert prepare(broken, out, *options).returncode == 4
    assert shardmill("verify", out, "--against", broken.raw).returncode == 0
    assert shardmill("status", out).returncode == 4


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--shards", "train=1000000"), "images"),
        (("--shards", "train"), "SPLIT=NUMBER"),
        (("--split", "trian"), "train"),
        (("--format", "parquet"), "tfrecord"),
        (("--seed", "-1"), "seed"),
        (("--with", "nothing"), "nothing"),
        (("--workers", "0"), "workers"),
        (("--scheduler-host", "localhost:abc"), "number"),
    ],
)
def test_impossible_options_are_usage_errors(
    small: RawSet, out: Path, options: tuple[str, ...], word: str
) -> None:
    run = prepare(small, out, *options)
    assert run.returncode == 2, run.stderr
    assert word in run.stderr
    assert not out.exists()


def test_an_unknown_class_is_a_usage_error_with_its_line(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("# mine\nn99999999\n")
    run = prepare(small, out, "--classes", classes)
    assert run.returncode == 2
    assert "line 2" in run.stderr
    assert "n99999999" in run.stderr


def test_a_choice_of_classes_keeps_their_labels(small: RawSet, tmp_path: Path, out: Path) -> None:
    with tarfile.open(small.raw / TRAIN) as tar:
        wnid = tar.getnames()[0].removesuffix(".tar")
    classes = tmp_path / "classes.txt"
    classes.write_text(f"{wnid}\n")
    run = prepare(small, out, "--split", "train", "--classes", classes)
    assert run.returncode == 0, run.stderr
    chosen, every = (
        {
            parsed.filename: parsed.label
            for shard in (folder / "tfrecord/train/current").glob("train-*")
            for parsed in (parse_example(record.data) for record in read_records(shard))
        }
        for folder in (out, kept(small).out)
    )
    assert len(chosen) == 4
    assert chosen.items() <= every.items()


def test_a_typo_in_the_configuration_is_named_with_its_line(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    broken.config.write_text(broken.config.read_text().replace("shards = 2", "sharsd = 2"))
    run = prepare(broken, out)
    assert run.returncode == 2
    assert "sharsd" in run.stderr
    assert "did you mean 'shards'" in run.stderr
    assert "line " in run.stderr


def test_an_output_folder_that_cannot_be_made_is_refused(small: RawSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    run = prepare(small, tmp_path / "file" / "out")
    assert run.returncode == 2
    assert "file" in run.stderr


def test_a_dry_run_says_what_would_be_done_and_does_none_of_it(small: RawSet, out: Path) -> None:
    run = prepare(small, out, "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "would run: verify the archive" in run.stdout
    assert not out.exists()


def test_an_interrupt_stops_cleanly_and_the_same_command_goes_on(sample: RawSet, out: Path) -> None:
    arguments = ("--raw", sample.raw, "--config", sample.config, "--out", out, "--workers", "1")
    started = subprocess.Popen(command("imagenet", *arguments), stderr=subprocess.PIPE, text=True)
    marks = out / ".shardmill" / "shards"
    while not list(marks.glob("*/*.json")):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGHUP)  # as a terminal that was closed sends it
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 130, stderr
    assert "goes on" in stderr
    assert temporary_files(out) == []
    assert prepare(sample, out).returncode == 0
    assert products(out) == products(kept(sample).out)


def test_one_that_was_started_with_the_ends_of_children_ignored_sees_those_of_its_own(
    small: RawSet, out: Path
) -> None:
    """Some supervisors ignore SIGCHLD, and what they start does too: no status would be kept."""
    words = command("imagenet", "--raw", small.raw, "--config", small.config, "--out", out)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        started = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGCHLD, before)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 0, stderr


def test_no_overlap_gives_way_to_a_command_at_work(small: RawSet, out: Path) -> None:
    lock = out / ".shardmill" / "run.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert prepare(small, out, "--no-overlap").returncode == 10
    assert prepare(small, out, "--no-overlap").returncode == 0


def test_a_scheduler_that_never_answers_is_said(
    small: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "luigi.cfg").write_text("[core]\nrpc_retry_attempts = 0\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(tmp_path / "luigi.cfg"))
    run = support.prepare(small, out, "--scheduler-host", "127.0.0.1:1")
    assert run.returncode == 1
    assert "luigid" in run.stderr


def test_an_archive_that_changes_is_verified_again_before_more_is_written(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    mine = small.copy(tmp_path / "mine")
    assert prepare(mine, out, "--split", "validation").returncode == 0
    next((out / "tfrecord/validation/current/").glob("validation-*")).unlink()
    os.utime(mine.raw / VALIDATION, (1, 1))
    assert prepare(mine, out, "--split", "validation").returncode == 0
    assert timings(out)["verify"] == 2


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("damaged", "forgotten"),
    [
        ("archives/ILSVRC2012_img_train.tar.index.parquet", ("catalogs", "plans", "shards")),
        ("catalogs/train-*.parquet", ("plans", "shards")),
        ("plans/train-*.arrow", ("shards",)),
    ],
)
def test_a_damaged_intermediate_is_made_anew_before_anything_is_made_of_it(
    small: RawSet, out: Path, damaged: str, forgotten: tuple[str, ...]
) -> None:
    prepared(small, out, "--split", "train")
    finished = products(out)
    (path,) = (out / ".shardmill").glob(damaged)
    intact = path.read_bytes()
    path.write_bytes(bytes(byte ^ (place % 97 == 0) for place, byte in enumerate(intact)))
    for name in forgotten:
        shutil.rmtree(out / ".shardmill" / name)
    shutil.rmtree(out / "tfrecord")
    run = support.prepare(small, out, "--split", "train")
    assert run.returncode == 0, run.stderr
    assert products(out) == finished
    assert path.read_bytes() == intact


def test_an_archive_changed_while_it_is_read_reaches_no_shard(
    sample: RawSet, tmp_path: Path, out: Path
) -> None:
    mine = sample.copy(tmp_path / "mine")
    archive = mine.raw / TRAIN
    intact = archive.read_bytes()
    arguments = ("--raw", mine.raw, "--config", mine.config, "--out", out, "--workers", "1")
    spoilt = bytes(byte ^ 255 for byte in intact)
    started = forked.ForkedPopen(command("imagenet", *arguments, "--shards", "train=48"))
    while not list(out.glob("tfrecord/train/*/train-*")):
        assert started.poll() is None
        time.sleep(0.002)
    archive.write_bytes(spoilt)
    assert started.wait(timeout=120) == 3
    archive.write_bytes(intact)
    assert prepare(mine, out, "--shards", "train=48").returncode == 0
    assert shardmill("verify", out, "--against", sample.raw).returncode == 0


def test_copies_of_an_archive_with_other_times_are_verified_once_each(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    hosts = [small.copy(tmp_path / name) for name in ("a", "b")]
    os.utime(hosts[1].raw / VALIDATION, (1, 1))
    once = ("--split", "validation", "--shards", "validation=1")
    for seed in range(2):
        for host in hosts:
            options = (*once, "--seed", 2 * seed + hosts.index(host))
            assert prepare(host, out, *options).returncode == 0
    assert timings(out)["verify"] == 2
