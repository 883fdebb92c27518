"""``shardmill imagelist`` as a user meets it: results, exit status, messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path

import forked
import pytest
from commands import shardmill
from drawnlists import (
    ALL_FORMATS,
    THREE,
    ListedSet,
    current,
    draw_list,
    manifest_of,
    shards,
    size_of,
    stored,
)
from finishedoutputs import of_list_in_all_formats
from support import command, products, temporary_files, timings

from pipeline.formats.registry import FORMATS

CARD = "hf-parquet/README.md"
"""Says which outputs are the current ones."""


@pytest.fixture
def drawn(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "drawn")


@pytest.fixture
def made() -> tuple[ListedSet, Path]:
    """A list, and what is made of it in three shards of each format; not to be changed."""
    return of_list_in_all_formats()


@pytest.fixture
def copied(made: tuple[ListedSet, Path], tmp_path: Path) -> tuple[ListedSet, Path]:
    """A copy of that output, made by the same command for the same list."""
    drawn, finished = made
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    return drawn, tmp_path / "out"


def steps(out: Path) -> Counter[str]:
    return Counter(timing.step for timing in timings(out))


def test_every_format_holds_every_image_of_the_list(made: tuple[ListedSet, Path]) -> None:
    drawn, out = made
    sources = {name: (drawn.root / name).read_bytes() for name in drawn.names}
    repaired = {mended["key"] for mended in manifest_of(out, "tfrecord")["repairs"]}
    assert repaired == {name for name in drawn.names if name.endswith(".png")}
    for name in FORMATS:
        found = [image for _, image in stored(out, name)]
        kept = [content for key, content in sources.items() if key not in repaired]
        expected = kept if FORMATS[name].jpeg_only else list(sources.values())
        assert Counter(map(bytes, expected)) <= Counter(found)
        assert len(found) == len(sources)


def test_ids_and_labels_are_those_of_the_list(made: tuple[ListedSet, Path]) -> None:
    drawn, out = made
    expected = {3 * number: (float(number % 7),) for number in range(24)}
    assert {said["id"]: said["labels"] for said, _ in stored(out, "recordio")} == expected
    for name in ("tfrecord", "webdataset"):
        labels = Counter(said["label"] for said, _ in stored(out, name))
        assert labels == Counter(number % 7 for number in range(24))
    folder = current(out, "recordio")
    parts = [path.with_suffix(".lst").read_text() for path in shards(folder)]
    assert sorted("".join(parts).splitlines()) == sorted(drawn.path.read_text().splitlines())


def test_shards_differ_by_one_image_and_each_has_its_index(made: tuple[ListedSet, Path]) -> None:
    _, out = made
    for name in FORMATS:
        found = manifest_of(out, name)
        assert [shard["records"] for shard in found["shards"]] == [8, 8, 8]
        named = {entry["file"] for entry in found["files"]}
        there = {str(path.relative_to(current(out, name))) for path in _files(current(out, name))}
        joined = {f"images.{suffix}" for suffix in ("rec", "idx", "lst")}
        assert named - joined == there - joined - {"manifest.json"}
        assert all(path.stat().st_size > 0 for path in _files(current(out, name)))
    assert {path.suffix for path in _files(current(out, "recordio"))} >= {".rec", ".idx", ".lst"}


def test_joined_shards_are_the_shards_one_after_another(made: tuple[ListedSet, Path]) -> None:
    _, out = made
    folder = current(out, "recordio")
    for suffix in (".rec", ".lst"):
        parts = [path.with_suffix(suffix).read_bytes() for path in shards(folder)]
        assert (folder / f"images{suffix}").read_bytes() == b"".join(parts)
    assert len((folder / "images.idx").read_text().splitlines()) == 24


def test_wids_finds_every_shard_in_the_index(made: tuple[ListedSet, Path]) -> None:
    _, out = made
    folder = current(out, "webdataset")
    index = json.loads((folder / "index.json").read_text())
    assert [shard["nsamples"] for shard in index["shardlist"]] == [8, 8, 8]
    assert [folder / shard["url"] for shard in index["shardlist"]] == shards(folder)


def test_the_place_changes_no_byte(made: tuple[ListedSet, Path], tmp_path: Path) -> None:
    """Nor does the number of workers: see `test_interpreters`."""
    drawn, out = made
    moved = ListedSet(tmp_path / "moved", tmp_path / drawn.path.name)
    shutil.copytree(drawn.root, moved.root)
    shutil.copy(drawn.path, moved.path)
    second = tmp_path / "deep" / "er"
    assert moved.prepare_here(second, *THREE).returncode == 0
    assert products(second) == products(out)
    assert temporary_files(second) == []


def test_a_format_alone_has_the_bytes_that_it_has_beside_others(
    made: tuple[ListedSet, Path], tmp_path: Path
) -> None:
    drawn, out = made
    run = drawn.prepare_here(tmp_path, "--format", "webdataset", "--shards", 3)
    assert run.returncode == 0, run.stderr
    whole = products(out)
    found = products(tmp_path)
    assert found.items() <= whole.items()
    assert len(found) == 10  # three tars, their indexes, that of wids, facts, manifest, the link


def test_a_second_run_runs_no_task(copied: tuple[ListedSet, Path]) -> None:
    drawn, out = copied
    before = steps(out)
    run = drawn.prepare_here(out, *THREE)
    assert run.returncode == 0
    assert run.stdout.count("already complete, 24 records") == len(FORMATS)
    assert steps(out) == before


def test_a_deleted_or_cut_file_is_noticed_and_made_again(copied: tuple[ListedSet, Path]) -> None:
    drawn, out = copied
    finished, before = products(out), steps(out)
    shards(current(out, "recordio"))[0].unlink()
    os.truncate(shards(current(out, "tfrecord"))[1], 10)
    next(current(out, "webdataset").glob("idx/*")).unlink()
    (current(out, "webdataset") / "index.json").unlink()
    os.truncate(current(out, "recordio") / "images.rec", 10)
    run = drawn.prepare_here(out, *THREE)
    assert run.returncode == 0, run.stderr
    assert products(out) == finished
    assert {"shards"} < set(steps(out) - before) <= {"shards", "join", "manifest", "current"}


def test_a_changed_list_makes_an_output_beside_and_rebuilds_nothing(
    made: tuple[ListedSet, Path], copied: tuple[ListedSet, Path], tmp_path: Path
) -> None:
    drawn, out = copied
    before = products(out)
    changed = ListedSet(drawn.root, tmp_path / drawn.path.name)
    changed.path.write_text(drawn.path.read_text().replace("\t1.000000\t", "\t8.000000\t"))
    run = changed.prepare_here(out, *THREE, "--replace")  # it is another file of the same name
    assert run.returncode == 0, run.stderr
    after = products(out)
    links = {name for name in before if name.endswith(("current", CARD))}
    assert {name for name in before if after[name] != before[name]} == links
    labels = {label for said, _ in stored(out, "recordio") for label in said["labels"]}  # type: ignore[attr-defined]
    assert 8.0 in labels
    assert 1.0 not in labels
    again = drawn.prepare_here(out, *THREE, "--replace")  # and the name goes back
    assert again.returncode == 0, again.stderr
    assert products(out) == after | {name: before[name] for name in links}
    status = shardmill("status", out)
    assert status.returncode == 0
    assert status.stdout.count("complete, 24 records") == len(FORMATS)
    assert shardmill("clean", out, "--yes").returncode == 0
    assert products(out) == before == products(made[1])
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count("24 compared with their sources") == len(FORMATS)


def test_one_list_under_two_names_makes_two_outputs(
    made: tuple[ListedSet, Path], copied: tuple[ListedSet, Path]
) -> None:
    drawn, out = copied
    run = drawn.prepare_here(out, *THREE, "--name", "again")
    assert run.returncode == 0, run.stderr
    for name in FORMATS:
        first, second = (list(stored(out, name, split)) for split in ("images", "again"))
        assert first == second
        assert len(first) == 24
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stderr
    whole = products(made[1])
    del whole[CARD]  # which names both
    assert whole.items() <= products(out).items()


def test_images_are_resized_for_all_formats_alike(drawn: ListedSet, out: Path) -> None:
    options = ("--resize", 16, "--quality", 80, "--filter", "lanczos", "--subsampling", "444")
    run = drawn.prepare_here(out, *ALL_FORMATS, *options)
    assert run.returncode == 0, run.stderr
    found = [[image for _, image in stored(out, name)] for name in FORMATS]
    assert found == [found[0]] * len(FORMATS)
    assert {min(size_of(image)) for image in found[0]} == {16}
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr


def test_a_read_only_root_is_enough(drawn: ListedSet, out: Path) -> None:
    before = products(drawn.root)
    times = {path: path.stat().st_mtime_ns for path in drawn.root.rglob("*")}
    for folder in (drawn.root, *(path for path in drawn.root.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    try:
        assert drawn.prepare_here(out, *ALL_FORMATS).returncode == 0
    finally:
        for folder in (drawn.root, *(path for path in drawn.root.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
    assert products(drawn.root) == before
    assert {path: path.stat().st_mtime_ns for path in drawn.root.rglob("*")} == times


def test_a_dry_run_says_what_would_be_done_and_does_none_of_it(drawn: ListedSet, out: Path) -> None:
    run = drawn.prepare_here(out, *THREE, "--dry-run")
    assert run.returncode == 0
    assert all(f"images ({name} " in run.stdout for name in FORMATS)
    assert not out.exists()


def test_two_commands_at_once_make_what_one_does(
    made: tuple[ListedSet, Path], tmp_path: Path
) -> None:
    drawn, out = made
    together = tmp_path / "together"
    where = ("--root", drawn.root, "--out", together)
    arguments = command("imagelist", drawn.path, *where, *THREE)
    started = [forked.ForkedPopen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for each in started:
        _, stderr = each.communicate(timeout=300)
        assert each.returncode == 0, stderr
    assert products(together) == products(out)
    assert temporary_files(together) == []


def test_a_file_that_changes_meanwhile_never_reaches_a_shard(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=100)
    changing = drawn.root / drawn.names[0]
    before, stop = changing.read_bytes(), threading.Event()

    def change() -> None:
        while not stop.is_set():
            changing.write_bytes(before + b"more")
            changing.write_bytes(before)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        run = drawn.prepare(out, "--format", "recordio", "--shards", 4)
    finally:
        stop.set()
        thread.join()
    assert run.returncode in {0, 2, 3}, run.stderr  # it may have been seen or not
    run = drawn.prepare_here(out, "--format", "recordio", "--shards", 4)
    assert run.returncode == 0, run.stderr
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
