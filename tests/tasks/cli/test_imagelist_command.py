"""``shardmill imagelist`` as a user meets it: results, exit status, messages."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from commands import shardmill
from drawnlists import (
    ALL_FORMATS,
    ListedSet,
    current,
    draw_list,
    encoded,
    lay,
    shards,
    size_of,
    stored,
)
from support import command, products, temporary_files, timings

from pipeline import manifest
from pipeline.errors import InputRefused
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions
from pipeline.job.build import build_job
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.sources.imagelist import folder as listing
from tasks.cli.imagelist import imagelist
from tasks.cli.rerun_command import command_line

THREE = (*ALL_FORMATS, "--shards", 3, "--joined")


@pytest.fixture
def drawn(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "drawn")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ListedSet, Path]:
    """A list, and what is made of it in three shards of each format; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    drawn = draw_list(folder / "drawn")
    run = drawn.prepare(folder / "out", *THREE, "--workers", 1)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("24 records in 3 shards") == 3
    return drawn, folder / "out"


@pytest.fixture
def copied(made: tuple[ListedSet, Path], tmp_path: Path) -> tuple[ListedSet, Path]:
    """A copy of that output, made by the same command for the same list."""
    drawn, finished = made
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    return drawn, tmp_path / "out"


def document(out: Path, name: str, split: str = "images") -> dict[str, Any]:
    return manifest.load(current(out, name, split) / "manifest.json")


def steps(out: Path) -> Counter[str]:
    return Counter(timing.step for timing in timings(out))


def test_every_format_holds_every_image_of_the_list(made: tuple[ListedSet, Path]) -> None:
    drawn, out = made
    sources = {name: (drawn.root / name).read_bytes() for name in drawn.names}
    repaired = {mended["key"] for mended in document(out, "tfrecord")["repairs"]}
    assert repaired == {name for name in drawn.names if name.endswith(".png")}
    for name in FORMATS:
        found = [image for _, image in stored(out, name)]
        kept = [content for key, content in sources.items() if key not in repaired]
        expected = kept if name == "tfrecord" else list(sources.values())
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
        found = document(out, name)
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


def test_the_number_of_workers_and_the_place_change_no_byte(
    made: tuple[ListedSet, Path], tmp_path: Path
) -> None:
    drawn, out = made
    moved = ListedSet(tmp_path / "moved", tmp_path / drawn.path.name)
    shutil.copytree(drawn.root, moved.root)
    shutil.copy(drawn.path, moved.path)
    second = tmp_path / "deep" / "er"
    assert moved.prepare(second, *THREE, "--workers", 3).returncode == 0
    assert products(second) == products(out)
    assert temporary_files(second) == []


def test_a_format_alone_has_the_bytes_that_it_has_beside_others(
    made: tuple[ListedSet, Path], tmp_path: Path
) -> None:
    drawn, out = made
    run = drawn.prepare(tmp_path, "--format", "webdataset", "--shards", 3)
    assert run.returncode == 0, run.stderr
    whole = products(out)
    found = products(tmp_path)
    assert found.items() <= whole.items()
    assert len(found) == 10  # three tars, their indexes, that of wids, facts, manifest, the link


def test_a_second_run_runs_no_task(copied: tuple[ListedSet, Path]) -> None:
    drawn, out = copied
    before = steps(out)
    run = drawn.prepare(out, *THREE)
    assert run.returncode == 0
    assert run.stdout.count("already complete, 24 records") == 3
    assert steps(out) == before


def test_a_deleted_or_cut_file_is_noticed_and_made_again(copied: tuple[ListedSet, Path]) -> None:
    drawn, out = copied
    finished, before = products(out), steps(out)
    shards(current(out, "recordio"))[0].unlink()
    os.truncate(shards(current(out, "tfrecord"))[1], 10)
    next(current(out, "webdataset").glob("idx/*")).unlink()
    (current(out, "webdataset") / "index.json").unlink()
    os.truncate(current(out, "recordio") / "images.rec", 10)
    run = drawn.prepare(out, *THREE)
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
    run = changed.prepare(out, *THREE, "--replace")  # it is another file of the same name
    assert run.returncode == 0, run.stderr
    after = products(out)
    links = {name for name in before if name.endswith("current")}
    assert {name for name in before if after[name] != before[name]} == links
    labels = {label for said, _ in stored(out, "recordio") for label in said["labels"]}  # type: ignore[attr-defined]
    assert 8.0 in labels
    assert 1.0 not in labels
    again = drawn.prepare(out, *THREE, "--replace")  # and the name goes back
    assert again.returncode == 0, again.stderr
    assert products(out) == after | {name: before[name] for name in links}
    status = shardmill("status", out)
    assert status.returncode == 0
    assert status.stdout.count("complete, 24 records") == 3
    assert shardmill("clean", out, "--yes").returncode == 0
    assert products(out) == before == products(made[1])
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count("24 compared with their sources") == 3


def test_one_list_under_two_names_makes_two_outputs(
    made: tuple[ListedSet, Path], copied: tuple[ListedSet, Path]
) -> None:
    drawn, out = copied
    run = drawn.prepare(out, *THREE, "--name", "again")
    assert run.returncode == 0, run.stderr
    for name in FORMATS:
        first, second = (list(stored(out, name, split)) for split in ("images", "again"))
        assert first == second
        assert len(first) == 24
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stderr
    assert products(made[1]).items() <= products(out).items()


def test_a_list_of_every_odd_form_is_read(tmp_path: Path, out: Path) -> None:
    elsewhere = lay(tmp_path / "else where/x.jpg", encoded(9))
    listed = ListedSet(tmp_path / "root", tmp_path / "odd list.lst")
    for name in ("a.jpg", "b c.jpg", "Größe/ü.jpg"):
        lay(listed.root / name, encoded())
    lines = ["7 1 a.jpg", "8\t2\tb c.jpg", "", "9\t0.5\tGröße/ü.jpg", f"10\t4\t{elsewhere}"]
    lines += ["18446744073709551615\t5\ta.jpg"]
    listed.path.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    run = listed.prepare(out, "--format", "recordio", "--order", "list")
    assert run.returncode == 0, run.stderr
    assert [(said["id"], said["labels"]) for said, _ in stored(out, "recordio", "odd_list")] == [
        (7, (1.0,)),
        (8, (2.0,)),
        (9, (0.5,)),
        (10, (4.0,)),
        (2**64 - 1, (5.0,)),
    ]
    (shard,) = shards(current(out, "recordio", "odd_list"), "odd_list")
    paths = [line.rpartition("\t")[2] for line in shard.with_suffix(".lst").read_text().split("\n")]
    assert paths == ["a.jpg", "b c.jpg", "Größe/ü.jpg", str(elsewhere), "a.jpg", ""]
    verified = shardmill("verify", out, "--against", listed.root)
    assert verified.returncode == 0, verified.stderr


def test_a_folder_of_classes_is_listed_as_im2rec_does(tmp_path: Path, out: Path) -> None:
    for number, name in enumerate(("b/1.jpg", "a/2.jpg", "a/3.png", "a/4.txt")):
        lay(tmp_path / "images" / name, encoded(number, form="PNG" if "png" in name else "JPEG"))
    folder = tmp_path / "images"
    lay(folder / ".ipynb_checkpoints/1-checkpoint.jpg", encoded(4))
    run = shardmill("imagelist", folder, "--recursive", "--out", out, "--format", "recordio")
    assert run.returncode == 0, run.stderr
    assert "passed over in the folder: 1 hidden or system name, e.g. .ipynb_check" in run.stdout
    passed = document(out, "recordio")["passed_over"]
    assert passed == {"count": 1, "examples": [".ipynb_checkpoints"]}
    found = {said["id"]: said["labels"] for said, _ in stored(out, "recordio")}
    assert found == {0: (0.0,), 1: (0.0,), 2: (1.0,)}


def test_a_folder_in_the_order_of_im2rec_has_the_list_that_im2rec_makes(
    drawn: ListedSet, out: Path
) -> None:
    options = ("--recursive", "--order", "im2rec", "--format", "recordio", "--shards", 3)
    run = shardmill("imagelist", drawn.root, "--out", out, *options, "--joined")
    assert run.returncode == 0, run.stderr
    images = listing.scan(drawn.root, recursive=True)
    (rows,) = listing.divide(len(images.paths), listing.Division()).values()
    expected = b"".join(listing.list_pieces(images, rows))
    assert (current(out, "recordio", "root") / "root.lst").read_bytes() == expected


def test_images_are_resized_for_all_formats_alike(drawn: ListedSet, out: Path) -> None:
    options = ("--resize", 16, "--quality", 80, "--filter", "lanczos", "--subsampling", "444")
    run = drawn.prepare(out, *ALL_FORMATS, *options)
    assert run.returncode == 0, run.stderr
    found = [[image for _, image in stored(out, name)] for name in FORMATS]
    assert found[0] == found[1] == found[2]
    assert {min(size_of(image)) for image in found[0]} == {16}
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr


class TestBadImages:
    @pytest.fixture
    def spoiled(self, drawn: ListedSet) -> ListedSet:
        lay(drawn.root / "page.jpg", b"<html>Please log in</html>")
        lay(drawn.root / "a.gif", encoded(form="GIF"))
        names = ("gone.jpg", "page.jpg", "cats", "a.gif")
        drawn.add(*(f"{100 + at}\t1\t{name}" for at, name in enumerate(names)))
        return drawn

    def test_fail_by_line_then_are_left_out_on_request(self, spoiled: ListedSet, out: Path) -> None:
        run = spoiled.prepare(out, *ALL_FORMATS)
        assert run.returncode == 3
        for line, name in ((25, "gone.jpg"), (26, "page.jpg"), (27, "cats"), (28, "a.gif")):
            assert f"line {line}: {name}: " in run.stderr
        assert [path for path in out.rglob("*") if path.suffix in {".rec", ".tar"}] == []
        run = spoiled.prepare(out, *ALL_FORMATS, "--on-bad-image", "skip")
        assert run.returncode == 4
        assert run.stdout.count("4 left out") == 3
        for name in FORMATS:
            left_out = {image["line"]: image["reason"] for image in document(out, name)["left_out"]}
            assert left_out.keys() == {25, 26, 27, 28}
            assert left_out[25] == "there is no such file"
            assert "HTML page" in left_out[26]
        assert spoiled.prepare(out, *ALL_FORMATS, "--on-bad-image", "skip").returncode == 4
        verified = shardmill("verify", out, "--against", spoiled.root)
        assert verified.returncode == 0, verified.stderr

    def test_that_are_gifs_are_taken_on_request(self, spoiled: ListedSet, out: Path) -> None:
        options = ("--on-bad-image", "skip", "--transcode")
        run = spoiled.prepare(out, *ALL_FORMATS, *options)
        assert run.returncode == 4
        assert run.stdout.count("gif-transcoded: 1") == 3
        assert run.stdout.count("3 left out") == 3

    def test_that_lie_turned_are_counted(self, drawn: ListedSet, out: Path) -> None:
        for number in range(3):
            lay(drawn.root / f"turned {number}.jpg", encoded(number, orientation=6))
            drawn.add(f"{100 + number}\t1\tturned {number}.jpg")
        kept = drawn.prepare(out, "--format", "recordio")
        assert kept.returncode == 0
        assert "orientation-6-kept: 3" in kept.stdout
        assert document(out, "recordio")["notes"] == {"orientation-6-kept": 3}
        baked = drawn.prepare(out, "--format", "recordio", "--orientation", "bake")
        assert baked.returncode == 0
        assert "orientation-6-baked: 3" in baked.stdout
        refused = drawn.prepare(out, "--format", "recordio", "--orientation", "refuse")
        assert refused.returncode == 3
        assert "line 25: turned 0.jpg: " in refused.stderr

    def test_may_not_be_all_there_are(self, drawn: ListedSet, tmp_path: Path, out: Path) -> None:
        elsewhere = ListedSet(tmp_path, drawn.path)
        run = elsewhere.prepare(out, "--on-bad-image", "skip")
        assert run.returncode == 3
        assert "none of the images is there" in run.stderr
        assert not out.exists()


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("x\t1\tcats/0.jpg", 3, "not the id of an image"),
        ("1\tone\tcats/0.jpg", 3, "not a label"),
        ("1\t16777217\tcats/0.jpg", 3, "float32 would change"),
        ("1\t1e39\tcats/0.jpg", 3, "not a label"),
        ("1\tcats/0.jpg", 3, "fields are missing"),
        ("0\t1\tcats/0.jpg", 3, "stands there twice"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    drawn: ListedSet, out: Path, line: str, status: int, said: str
) -> None:
    drawn.add(line)
    asked = build_job(
        "imagelist", _parameters([str(drawn.path), "--root", str(drawn.root), "--out", str(out)])
    )
    run = _refusal(asked)
    assert run.exit_status == status
    assert said in run.what
    assert run.place == "line 25"
    assert not out.exists()


def test_a_read_only_root_is_enough(drawn: ListedSet, out: Path) -> None:
    before = products(drawn.root)
    times = {path: path.stat().st_mtime_ns for path in drawn.root.rglob("*")}
    for folder in (drawn.root, *(path for path in drawn.root.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    try:
        assert drawn.prepare(out, *ALL_FORMATS).returncode == 0
    finally:
        for folder in (drawn.root, *(path for path in drawn.root.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
    assert products(drawn.root) == before
    assert {path: path.stat().st_mtime_ns for path in drawn.root.rglob("*")} == times


def test_a_dry_run_says_what_would_be_done_and_does_none_of_it(drawn: ListedSet, out: Path) -> None:
    run = drawn.prepare(out, *THREE, "--dry-run")
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
    started = [subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for each in started:
        _, stderr = each.communicate(timeout=300)
        assert each.returncode == 0, stderr
    assert products(together) == products(out)
    assert temporary_files(together) == []


def test_a_file_that_changes_meanwhile_never_reaches_a_shard(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=400)
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
    run = drawn.prepare(out, "--format", "recordio", "--shards", 4)
    assert run.returncode == 0, run.stderr
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr


class TestRemedies:
    def test_damaged_files_are_removed_and_the_printed_command_makes_them_again(
        self, copied: tuple[ListedSet, Path]
    ) -> None:
        _, out = copied
        finished = products(out)
        damaged = [
            shards(current(out, "recordio"))[0],
            current(out, "recordio") / "images.rec",
            shards(current(out, "webdataset"))[1],
            current(out, "webdataset") / "index.json",
            shards(current(out, "tfrecord"))[2],
        ]
        for path in damaged:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 4
            path.write_bytes(content)
        run = shardmill("verify", out, "--remove-damaged")
        assert run.returncode == 1
        for path in damaged:
            assert f"removed: {path}\n" in run.stdout
        # It names the folder that the output was made in; here it lies elsewhere.
        program, name, *words = shlex.split(run.stdout.splitlines()[-1])
        assert (program, name) == ("shardmill", "imagelist")
        words[words.index("--out") + 1] = str(out)
        again = shardmill(name, *words)
        assert again.returncode == 0, again.stderr
        assert products(out) == finished

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"root": "/else where", "name": "train", "formats": ("recordio", "webdataset")},
            {"shards": (("a", 7),), "order": "im2rec", "joined": True, "formats": ("recordio",)},
            {"recursive": True, "extensions": (".png", ".gif")},
            {"recursive": True, "classes": "/else where/train.classes.tsv", "replace": True},
            {"seed": 3, "on_bad_image": "skip"},
            {"image": ImageOptions(resize=8, resize_mode="exact", filter="box", quality=0)},
            {"image": ImageOptions(center_crop=True, never_enlarge=True, color=0)},
            {"image": ImageOptions(encoding=".png", engine="opencv", subsampling="444")},
            {"image": ImageOptions(orientation="bake", transcode=True)},
            {"image": ImageOptions(max_pixels=1 << 30, color=-1)},
        ],
    )
    def test_a_job_is_told_as_the_command_that_asks_for_it(
        self, options: dict[str, object]
    ) -> None:
        given: dict[str, object] = {
            "raw": "",
            "out": "/out",
            "config": "",
            "images": "/lists/a.lst",
            "root": "/lists",
            "steps": ("shards",),
            "boxes": False,
        }
        job = Job(**(given | options))  # type: ignore[arg-type]
        line = command_line(job)
        assert line is not None
        program, name, *words = shlex.split(line.offer)
        assert (program, name) == ("shardmill", "imagelist")
        assert build_job(name, _parameters(words)) == job


def _parameters(words: list[str]) -> dict[str, Any]:
    """Return the options of a command line."""
    context = imagelist.make_context("imagelist", words, resilient_parsing=False)
    assert isinstance(context, click.Context)
    return context.params


def _refusal(job: Job) -> InputRefused:
    with pytest.raises(InputRefused) as refusal:
        resolve(job)
    return refusal.value


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
