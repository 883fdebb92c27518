"""What of a report stays, and what is made anew, when something beside what it shows changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import shared
from commands import shardmill
from drawnduplicates import drawn
from drawnlists import encoded, lay
from reportpages import Page, pages

from pipeline.report import places
from pipeline.report.survey import survey
from pipeline.storage import Location


@pytest.fixture(scope="module")
def finished() -> Path:
    """An output of two splits with its report and duplicates, made once; no test changes it."""

    def make(folder: Path) -> None:
        for name, content in drawn().items():
            lay(folder / "root" / name, content)
        words = ("--recursive", "--out", folder / "out", "--format", "tfrecord,recordio")
        made = shardmill("imagelist", folder / "root", *words)
        assert made.returncode == 0, made.stderr
        run = shardmill("report", folder / "out", "--duplicates")
        assert run.returncode == 0, run.stdout + run.stderr

    return shared.once("report-of-two-splits", make)


@pytest.fixture
def own(finished: Path, out: Path) -> Path:
    """A copy of the output, with its report."""
    shutil.copytree(finished / "out", out, symlinks=True)
    return out


def state(*folders: Location) -> dict[Path, tuple[int, int]]:
    """Return each file of some folders, with what would tell that it was written again."""
    files = [path for folder in folders for path in Path(str(folder)).rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def of_sheets(out: Path, *splits: str) -> dict[Path, tuple[int, int]]:
    """Return the state of the sheets of some splits, and of their tables and marks."""
    digests = [survey(out).sheets[split] for split in splits]
    return state(*(spell(out, each) for each in digests for spell in (places.files, places.marks)))


def of_duplicates(out: Path) -> dict[Path, tuple[int, int]]:
    digest = survey(out).duplicates_digest(4)
    found = state(places.files(out, digest), places.marks(out, digest))
    return (
        found
        | state(out / ".shardmill/hashes")
        | {
            path: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in (out / "report/duplicates.html", out / "report/duplicates.parquet")
        }
    )


def test_an_export_more_draws_no_sheet_and_compares_no_image(finished: Path, own: Path) -> None:
    sheets, duplicates = of_sheets(own, "train", "val"), of_duplicates(own)
    earlier = survey(own).digest
    words = ("--recursive", "--out", own, "--format", "tfrecord,recordio", "--export", "parquet")
    made = shardmill("imagelist", finished / "root", *words)
    assert made.returncode == 0, made.stderr
    run = shardmill("report", own, "--duplicates")
    assert run.returncode == 0, run.stderr
    assert "already complete" not in run.stdout
    assert of_sheets(own, "train", "val") == sheets
    assert of_duplicates(own) == duplicates
    index = Page(own / "report/index.html")
    assert (own / "metadata.parquet").resolve() in index.links
    assert [
        link for page in pages(own / "report") for link in page.links if not link.exists()
    ] == []
    assert not places.files(own, earlier).exists()
    assert "nothing to remove" in shardmill("clean", own).stdout
    assert shardmill("verify", own).returncode == 0


def test_a_damaged_split_leaves_the_sheets_of_others(own: Path) -> None:
    sheets = of_sheets(own, "train")
    for shard in own.glob("*/val/current/val-00000-*"):
        shard.write_bytes(shard.read_bytes()[:-1])
    run = shardmill("report", own)
    assert run.returncode == 1
    assert of_sheets(own, "train") == sheets


def test_clean_removes_what_no_finished_report_leads_to(own: Path) -> None:
    digest = survey(own).sheets["val"]
    for spell in (places.files, places.marks):
        shutil.copytree(spell(own, digest), spell(own, "0123456789ab"))
    before = state(own / "report", own / ".shardmill/report")
    run = shardmill("clean", own, "--yes")
    assert "kept of an earlier report" in run.stdout
    after = state(own / "report", own / ".shardmill/report")
    assert {path for path in before if "0123456789ab" in path.parts} == before.keys() - after.keys()
    assert "already complete" in shardmill("report", own, "--duplicates").stdout


def test_another_distance_leaves_nothing_of_the_first(own: Path) -> None:
    first = places.files(own, survey(own).duplicates_digest(4))
    assert first.exists()
    assert shardmill("report", own, "--duplicates", "--distance", 0).returncode == 0
    assert not first.exists()
    assert "nothing to remove" in shardmill("clean", own).stdout


@pytest.mark.parametrize(
    "damaged", ["shard gone", "shard cut off", "facts gone", "manifest changed", "plan gone"]
)
def test_what_names_and_sizes_tell_of_later_damage_is_said(damaged: str, own: Path) -> None:
    name, _, what = damaged.partition(" ")
    place = {"shard": "{}/val/current/val-00000-*", "facts": "{}/val/current/facts.parquet"}
    place |= {"manifest": "{}/val/current/manifest.json", "plan": ".shardmill/plans/val-*.arrow"}
    formats = ("tfrecord", "recordio")
    for path in {path for each in formats for path in own.glob(place[name].format(each))}:
        if what == "gone":
            path.unlink()
        elif what == "cut off":
            path.write_bytes(path.read_bytes()[:-1])
        else:
            path.write_bytes(path.read_bytes().replace(b"tfrecord", b"tfrecorb"))
    run = shardmill("report", own)
    assert run.returncode == 1
    assert "damaged: " in run.stderr
    assert "Damaged: " in Page(own / "report/index.html").text


def test_bytes_that_changed_in_place_are_left_to_verify_and_that_is_said(own: Path) -> None:
    (shard,) = own.glob("tfrecord/val/current/val-00000-*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    run = shardmill("report", own)
    assert run.returncode == 0
    assert "already complete" in run.stdout
    assert "shardmill verify" in run.stdout
    assert shardmill("verify", own).returncode == 1


def test_sheets_are_named_alike_whatever_lies_beside_their_output(tmp_path: Path) -> None:
    lay(tmp_path / "root/a/1.jpg", encoded(1))
    digests = []
    for name, words in (("one", ()), ("two", ("--export", "parquet"))):
        out = tmp_path / name
        made = shardmill("imagelist", tmp_path / "root", "--recursive", "--out", out, *words)
        assert made.returncode == 0, made.stderr
        found = survey(out)
        digests.append((found.sheets, found.duplicates_digest(4), found.digest))
    assert digests[0][:2] == digests[1][:2]
    assert digests[0][2] != digests[1][2]
