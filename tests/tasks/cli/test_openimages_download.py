"""``shardmill openimages-download``: lists, what comes of them, and the exit status."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import commands
import pytest
from imagegroups import fill, hurried, ids, jpeg
from openimagesbucket import Bucket, absent, answer, page

IDS = ids(4)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "bucket", IDS)
    with hurried(), Bucket(tmp_path / "bucket") as bucket:
        yield bucket


def download(bucket: Bucket, *lines: str, end: str = "\n") -> subprocess.CompletedProcess[str]:
    """Download a list into the folder ``to``."""
    Path("LIST").write_text("".join(f"{line}{end}" for line in lines), newline="")
    words = ("--download_folder=to", "--num_processes=5", "--bucket", bucket.images, "--tries", 3)
    return commands.shardmill("openimages-download", "LIST", *words)


def here() -> list[str]:
    return sorted(path.name for path in Path("to").glob("*.jpg"))


def asked(bucket: Bucket) -> list[str]:
    return sorted(Path(seen.path).stem for seen in bucket.requests())


def test_the_images_of_a_list_come_once(bucket: Bucket) -> None:
    lines = [f"train/{each}" for each in (*reversed(IDS), IDS[0])]
    run = download(bucket, *lines, end="\r\n")
    assert run.returncode == 0
    assert "to: 4 of 4 images; 4 fetched" in run.stdout
    assert here() == [f"{each}.jpg" for each in IDS]
    assert all((Path("to") / f"{each}.jpg").read_bytes() == jpeg(int(each, 16)) for each in IDS)
    assert asked(bucket) == IDS
    bucket.forget()
    assert download(bucket, *lines).returncode == 0
    assert bucket.log == []
    (Path("to") / f"{IDS[1]}.jpg").unlink()
    assert download(bucket, *lines).returncode == 0
    assert asked(bucket) == IDS[1:2]
    bucket.forget()
    assert download(bucket, *lines[1:3]).returncode == 0  # another list: no bytes
    assert set(bucket.sent().values()) == {0}


def test_one_image_that_is_not_there_is_no_end_of_the_others(bucket: Bucket) -> None:
    bucket.rule(IDS[1], absent)
    bucket.rule(IDS[2], page)
    run = download(bucket, *(f"train/{each}" for each in IDS))
    assert run.returncode == 4
    assert f"{IDS[1]}: absent" in run.stderr
    assert f"{IDS[2]}: bad" in run.stderr
    assert here() == [f"{IDS[0]}.jpg", f"{IDS[3]}.jpg"]
    again = Path("to/failures/train.txt").read_text().splitlines()
    assert again == [f"train/{IDS[1]}", f"train/{IDS[2]}"]
    assert f",{bucket.images}/train/{IDS[1]}.jpg,absent,404," in (
        Path("to/failures/train.csv").read_text()
    )
    bucket.forget()
    assert download(bucket, *again).returncode == 0
    assert asked(bucket) == IDS[1:3]
    assert here() == [f"{each}.jpg" for each in IDS]


def test_an_image_without_an_answer_is_asked_for_by_the_same_command(bucket: Bucket) -> None:
    bucket.rule(IDS[3], answer(503))
    lines = [f"train/{each}" for each in IDS]
    run = download(bucket, *lines)
    assert run.returncode == 1
    assert f"{IDS[3]}: failed: HTTP 503" in run.stderr
    assert "same command" in run.stderr
    bucket.forget()
    assert download(bucket, *lines).returncode == 0
    assert asked(bucket) == IDS[3:]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "a blank line"),
        ("val/0000000000000001", "validation"),
        ("train/0000000000000001.jpg", "write train/0000000000000001"),
        ("train/00000000000000AB", "write train/00000000000000ab"),
        ("train/12xyz", "16 hex digits"),
        ("train/00000000000000001", "16 hex digits"),
        ("train/zzzz", "16 hex digits"),
        (" train/0000000000000001", "write train/0000000000000001"),
    ],
)
def test_a_line_that_names_no_image_is_refused_before_the_first_request(
    bucket: Bucket, line: str, says: str
) -> None:
    run = download(bucket, f"train/{IDS[0]}", line, f"train/{IDS[1]}")
    assert run.returncode == 3
    assert "line 2" in run.stderr
    assert says in run.stderr
    assert bucket.log == []
    assert not Path("to").exists()


def test_a_wrong_bucket_is_said_and_no_image_is_written(bucket: Bucket) -> None:
    bucket.rule("", absent)
    run = download(bucket, *(f"validation/{each}" for each in ids(40)))
    assert run.returncode == 2
    assert "--bucket" in run.stderr
    assert not Path("to").exists()
