"""``shardmill imagelist`` with several splits: by shares, or by a column of the list."""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, lay, manifest_of, stored

from pipeline import paths
from pipeline.job.resolve import resolve
from pipeline.sources.imagelist import list_splits
from pipeline.sources.imagelist.division import split_of

SHARES = (("train", 0.7), ("validation", 0.3))
WORDS = ("--split", "train=0.7", "--split", "validation=0.3")
RECORDIO = ("--format", "recordio")
FACTS = ("--format", "none")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a CSV of ten images of two classes, half of them in each split of a column."""
    lines = ["path,label,split"]
    for number in range(10):
        lay(tmp_path / f"{number}.jpg", encoded(number))
        lines.append(f"{number}.jpg,{('cat', 'ant')[number % 2]},{('test', 'train')[number < 8]}")
    return lay(tmp_path / "photos.csv", "\n".join(lines).encode())


def numbers(out: Path, split: str) -> set[int]:
    return {int(str(said["id"])) for said, _ in stored(out, "recordio", split)}


def expected(split: str, images: int = 10) -> set[int]:
    return {number for number in range(images) if split_of(f"{number}.jpg", SHARES) == split}


def test_shares_make_splits_that_all_commands_know(photos: Path, out: Path) -> None:
    words = ("imagelist", photos, "--out", out, *RECORDIO, *WORDS, "--export", "parquet")
    planned = shardmill(*words, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    run = shardmill(*words, "--extract")
    assert run.returncode == 0, run.stderr
    train, validation = expected("train"), expected("validation")
    assert train
    assert validation
    assert (numbers(out, "train"), numbers(out, "validation")) == (train, validation)
    for split in ("train", "validation"):  # one table of classes, in whichever split they are
        assert paths.class_table(out, split).read_text() == "folder\tlabel\nant\t0\ncat\t1\n"
        assert f"{split}" in planned.stdout
    described = pq.read_table(out / paths.METADATA)
    assert set(described["split"].to_pylist()) == {"train", "validation"}
    assert {path.parts[-3] for path in out.glob("*/cat/*.jpg")} <= {"train", "validation"}
    assert shardmill("verify", out, "--against", photos.parent).returncode == 0
    status = shardmill("status", out)
    assert status.returncode == 0, status.stdout
    assert " ".join(WORDS) in " ".join(status.stdout.split())


def test_an_image_keeps_its_split_when_others_come_and_go(photos: Path, out: Path) -> None:
    assert shardmill("imagelist", photos, "--out", out, *RECORDIO, *WORDS).returncode == 0
    before = {split: numbers(out, split) for split in ("train", "validation")}
    for number in range(10, 16):
        lay(photos.parent / f"{number}.jpg", encoded(number))
    more = [f"\n{number}.jpg,cat,train" for number in range(10, 16)]
    photos.write_text(photos.read_text() + "".join(more))
    run = shardmill("imagelist", photos, "--out", out, *RECORDIO, *WORDS[2:], *WORDS[:2])
    assert run.returncode == 0, run.stderr
    for split, images in before.items():
        assert {each for each in numbers(out, split) if each < 10} == images
        assert numbers(out, split) == expected(split, 16)


def test_a_folder_is_divided_too(photos: Path, out: Path) -> None:
    folder = photos.parent
    run = shardmill("imagelist", folder, "--out", out, *RECORDIO, *WORDS)
    assert run.returncode == 0, run.stderr
    assert manifest_of(out, "recordio", "train")["counts"]["images"] == len(expected("train"))


def test_a_column_called_split_names_the_splits(photos: Path, out: Path) -> None:
    run = shardmill("imagelist", photos, "--out", out, *RECORDIO)
    assert run.returncode == 0, run.stderr
    assert numbers(out, "train") == set(range(8))
    assert numbers(out, "test") == {8, 9}
    again = shardmill("imagelist", photos, "--out", out, *RECORDIO)
    assert again.returncode == 0, again.stderr


def test_which_splits_a_column_names_is_kept(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shardmill("imagelist", photos, "--out", out, *FACTS).returncode == 0

    def read_again(path: object, column: str, stamp: int) -> None:
        raise AssertionError(f"the splits of {path} are read again: {column}, {stamp}")

    # It is called by way of its cache or, of a file that was just written, without.
    monkeypatch.setattr(list_splits, "_read", functools.wraps(read_again)(read_again))
    resolve.cache_clear()
    status = shardmill("status", out)
    assert status.returncode == 0, status.stdout


def test_another_column_is_named(photos: Path, out: Path) -> None:
    words = ("--split-column", "label", "--label-column", "path")
    run = shardmill("imagelist", photos, "--out", out, *RECORDIO, *words)
    assert run.returncode == 0, run.stderr
    assert numbers(out, "cat") == {0, 2, 4, 6, 8}


def test_one_share_makes_one_split_of_a_list_with_such_a_column(photos: Path, out: Path) -> None:
    run = shardmill("imagelist", photos, "--out", out, *RECORDIO, "--split", "all=1")
    assert run.returncode == 0, run.stderr
    assert numbers(out, "all") == set(range(10))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ("--split", "train=0.9,test=0.2"),
            2,
            "say --split train=0.9 --split test=0.1",
        ),
        (
            ("--split", "train=90,test=10"),
            2,
            "say --split train=0.9 --split test=0.1",
        ),
        (("--split", "a=0.5", "--split", "A=0.5"), 2, "--split is given twice"),
        (("--split", "a=0", "--split", "b=1"), 2, "such a split would get no image"),
        (("--split", "a b=1"), 2, "not a name for shards"),
        (("--split", "all=1", "--name", "x"), 2, "the splits are said in two ways"),
        (("--split", "all=1", "--split-column", "x"), 2, "the splits are said in two ways"),
        (("--name", "x"), 2, "say --split x=1"),
        (("--split-column", "splitt"), 3, "did you mean 'split'"),
        (("--split", "a=0.9999", "--split", "b=0.0001"), 3, "no image falls to the split b"),
    ],
)
def test_what_is_no_division_is_refused(
    photos: Path, out: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    run = shardmill("imagelist", photos, "--out", out, *words)
    assert run.returncode == status, run.stderr
    assert said in " ".join(run.stderr.split())


def test_a_bad_split_in_a_row_is_named_with_its_line(photos: Path, out: Path) -> None:
    whole = photos.read_text()
    for cell, said in [
        ("", "an image without a split"),
        ("a/b", "a split that files cannot be named after"),
        ("Train", "upper and lower case"),
    ]:
        photos.write_text(whole.replace("3.jpg,ant,train", f"3.jpg,ant,{cell}"))
        run = shardmill("imagelist", photos, "--out", out)
        assert run.returncode == 3
        assert "line 5" in run.stderr
        assert said in run.stderr
