"""``--part``: one command of many, each of which knows no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import prepare, shardmill
from drawnlists import draw_list
from finishedoutputs import kept, prepared
from support import RawSet

from pipeline.formats.registry import ALL
from pipeline.job.table.option import LIST, OPEN

MORE = ("--format", "tfrecord,webdataset", "--shards", "train=5", "--split", "train")
PLAN = ("--until", "plan")


def contents(out: Path) -> dict[str, bytes]:
    """Return the files of all outputs, without what lies below the state."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".shardmill" not in path.parts
    }


@pytest.fixture
def planned(small: RawSet, out: Path) -> Path:
    """An output whose shards are planned."""
    prepared(small, out, *MORE, *PLAN)
    return out


def test_the_last_part_finishes_and_the_whole_is_that_of_one_command(
    small: RawSet, planned: Path
) -> None:
    first = prepare(small, planned, *MORE, "--part", "1/2")
    assert first.returncode == 0, first.stderr
    assert "train: part 1/2: 2 of its 2 shards written; missing of all: 0 of 5" in first.stdout
    assert "nothing is left: the same command without --part" in first.stdout
    whole = prepare(small, planned, *MORE)
    assert whole.returncode == 0
    assert "already complete" in whole.stdout
    assert contents(planned) == contents(kept(small, *MORE).out)


def test_a_part_of_what_is_complete_does_nothing(small: RawSet, out: Path) -> None:
    prepared(small, out, *MORE, *PLAN)
    assert prepare(small, out, *MORE).returncode == 0
    before = contents(out)
    again = prepare(small, out, *MORE, "--part", "0/3")
    assert (again.returncode, again.stderr) == (0, "")
    assert "missing of all: 0 of 5" in again.stdout
    assert contents(out) == before


def test_a_dry_run_of_a_part_says_what_is_missing(small: RawSet, planned: Path) -> None:
    dry = prepare(small, planned, *MORE, "--part", "1/2", "--dry-run")
    assert dry.returncode == 0
    assert "part 1/2: 0 of its 2 shards written; missing of all: 5 of 5" in dry.stdout
    assert not [name for name in contents(planned) if "-of-" in name]


def test_exports_and_joined_files_are_left_to_the_whole(small: RawSet, out: Path) -> None:
    more = ("--format", "recordio", "--joined", "--export", "parquet", "--split", "train")
    assert prepare(small, out, *more, *PLAN).returncode == 0
    run = prepare(small, out, *more, "--part", "0/1")
    assert run.returncode == 0, run.stderr
    assert "or to the same command without --part: join, exports" in run.stdout
    assert prepare(small, out, *more).returncode == 0
    assert contents(out) == contents(kept(small, *more).out)


def test_images_that_are_left_out_fail_no_part(tmp_path: Path, out: Path) -> None:
    """Status 4 would fail the array: the command afterwards says it."""
    drawn = draw_list(tmp_path / "drawn", images=8)
    (drawn.root / drawn.names[3]).write_bytes(b"<html>Please log in</html>")
    words = (LIST, drawn.path, "--root", drawn.root, "--out", out, "--on-bad-image", "skip")
    assert shardmill(*words, *PLAN).returncode == 0
    run = shardmill(*words, "--part", "0/1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert shardmill(*words).returncode == 4


def test_a_bad_image_fails_the_part_that_owns_it(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=8)
    bad = drawn.root / drawn.names[3]
    where = (LIST, drawn.path, "--root", drawn.root, "--out", out)
    words = (*where, "--shards", 2, "--order", "list")
    assert shardmill(*words, *PLAN).returncode == 0
    bad.write_bytes(b"x" * bad.stat().st_size)
    owner = shardmill(*words, "--part", "0/2")
    other = shardmill(*words, "--part", "1/2")
    assert (owner.returncode != 0, other.returncode) == (True, 0), owner.stderr + other.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2/2", "--part 2/2: parts are counted from 0"),
        ("5/4", "--part 5/4: there is no such part"),
        ("0/0", "--part 0/0: there is no such part"),
        ("x", "--part x: no part"),
        ("auto", "--part auto: this is no element of an array"),
    ],
)
def test_what_is_no_part_is_refused_before_all_work(
    small: RawSet, out: Path, given: str, said: str
) -> None:
    run = prepare(small, out, "--part", given)
    assert run.returncode == 2
    assert said in run.stderr
    assert not out.exists()


def test_the_part_of_an_array_is_read_from_the_environment(
    small: RawSet, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    run = prepare(small, planned, *MORE, "--part", "auto")
    assert run.returncode == 2
    assert "SHARDMILL_PARTS" in run.stderr
    monkeypatch.setenv("SHARDMILL_PARTS", "2")
    run = prepare(small, planned, *MORE, "--part", "auto", "--dry-run")
    assert "part 1/2" in run.stdout


def test_a_plan_that_is_not_there_is_refused(small: RawSet, out: Path) -> None:
    run = prepare(small, out, "--part", "0/2")
    assert run.returncode == 2
    assert "not planned yet" in run.stderr
    assert "--until plan" in run.stderr
    assert not out.exists()


def test_a_plan_for_other_formats_is_none(small: RawSet, planned: Path) -> None:
    run = prepare(small, planned, *MORE[2:], "--format", "recordio", "--part", "0/2")
    assert run.returncode == 2
    assert "--until plan" in run.stderr


def test_images_that_are_not_collected_are_refused(openimages: Path, out: Path) -> None:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    run = shardmill(OPEN, *where, "--out", out, "--class", "Bear", "--part", "0/2")
    assert run.returncode == 2
    assert "--until plan" in run.stderr


def test_parts_of_open_images(openimages: Path, out: Path) -> None:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    words = (OPEN, *where, "--out", out, "--class", "Bear")
    assert shardmill(*words, *PLAN).returncode == 0
    run = shardmill(*words, "--part", "0/1")
    assert run.returncode == 0, run.stderr
    assert shardmill(*words).returncode == 4  # an image is bad


def test_an_older_program_writes_nothing(
    small: RawSet, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ALL["webdataset"], "version", 1234)
    run = prepare(small, planned, *MORE, "--part", "0/2")
    assert run.returncode == 2
    assert "writes none" in run.stderr
    assert "version 1234 of its writer" in run.stderr
    assert not [name for name in contents(planned) if "-of-" in name]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (PLAN, "leave --until out"),
        (("--scheduler-host", "localhost"), "parts need no luigid"),
        (("--stage", "STAGE"), "leave --stage out"),
    ],
)
def test_what_contradicts_a_part_is_refused(
    small: RawSet, out: Path, more: tuple[str, ...], said: str
) -> None:
    run = prepare(small, out, "--part", "0/2", *more)
    assert run.returncode == 2
    assert said in run.stderr
