"""``shardmill report --duplicates``: images that are there more than once, or nearly so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shared
from commands import shardmill
from drawnduplicates import HOSTILE, drawn, scene, stored
from drawnlists import lay
from reportpages import Page


def undecodable(content: bytes) -> bytes:
    """Return a JPEG whose first Huffman table has impossible lengths of codes."""
    place = content.index(b"\xff\xc4") + 5
    return content[:place] + b"\xff" * 16 + content[place + 16 :]


@pytest.fixture(scope="module")
def finished() -> Path:
    """An output with its report of duplicates, made once; never changed by a test."""

    def make(folder: Path) -> None:
        for name, content in drawn().items():
            lay(folder / "root" / name, content)
        out = folder / "out"
        made = shardmill("imagelist", folder / "root", "--recursive", "--out", out)
        assert made.returncode == 0, made.stderr
        run = shardmill("report", out, "--duplicates")
        assert run.returncode == 0, run.stdout + run.stderr
        (folder / "stdout").write_text(run.stdout)

    return shared.once("report-of-duplicates", make)


def own(finished: Path, out: Path) -> Path:
    shutil.copytree(finished / "out", out, symlinks=True)
    return out


def files(out: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(out)): path for path in (out / "report").rglob("*.*")}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.is_file() and path.name != "run.html"
    }


def groups(out: Path) -> list[tuple[bool, bool, str, list[str]]]:
    """Return of each group what it is, and its keys."""
    rows = pq.read_table(out / "report/duplicates.parquet").to_pylist()
    known: dict[int, tuple[bool, bool, str, list[str]]] = {}
    for row in rows:
        if row["group"] is not None:
            words = (row["between_splits"], row["between_classes"], row["kind"])
            known.setdefault(row["group"], (*words, []))[3].append(row["key"])
    return [known[number] for number in sorted(known)]


def test_the_worst_groups_come_first_and_others_are_in_none(finished: Path) -> None:
    leaked, named, *alike = groups(finished / "out")
    assert leaked == (True, False, "exact", ["a/leaked.jpg", f"a/{HOSTILE}.jpg"])
    assert (*named[:3], sorted(named[3])) == (False, True, "near", ["a/one.jpg", "b/other.jpg"])
    assert sorted((len(keys), kind) for _, _, kind, keys in alike) == [(2, "near"), (9, "near")]


def test_the_command_says_how_many_there_are(finished: Path) -> None:
    said = "1 exact and 3 near groups; 1 between splits"
    assert said in (finished / "stdout").read_text()
    assert said in Page(finished / "out/report/index.html").text


def test_the_page_shows_them_and_texts_of_others_are_no_markup(finished: Path) -> None:
    page = Page(finished / "out/report/duplicates.html")
    assert f"a/{HOSTILE}.jpg" in page.text
    assert [given["src"].rpartition("/")[2] for given in page.of("script")] == ["report.js"]
    assert len(page.of("figure")) == 2 + 2 + 2 + 6
    assert "9 images in train; 6 shown" in page.text
    assert [link for link in page.links if not link.exists()] == []
    for tag in ("svg", "image"):
        assert all({"width", "height"} <= given.keys() for given in page.of(tag))
    assert "Not compared" not in page.text


def test_the_first_image_of_a_group_is_not_compared_with_itself(finished: Path) -> None:
    texts = Page(finished / "out/report/duplicates.html").texts
    assert texts.count("same bytes") == 1  # the copy of the only exact group
    assert texts.count("distances are from this one") == 3


def test_a_table_has_the_distance_of_each_image(finished: Path) -> None:
    rows = pq.read_table(finished / "out/report/duplicates.parquet").to_pylist()
    by_key = {row["key"]: row for row in rows}
    assert by_key["a/leaked.jpg"]["distance"] == by_key[f"a/{HOSTILE}.jpg"]["distance"] == 0
    assert by_key[f"a/{HOSTILE}.jpg"]["same_bytes"]
    assert not by_key["flat/1.jpg"]["same_bytes"]
    assert "b/alone.jpg" not in by_key


def test_a_report_without_them_leaves_them(finished: Path, out: Path) -> None:
    own(finished, out)
    run = shardmill("report", out)
    assert "already complete" in run.stdout
    assert "near" not in run.stdout
    assert files(out) == files(finished / "out")


def test_a_report_with_them_again_makes_nothing(finished: Path, out: Path) -> None:
    own(finished, out)
    run = shardmill("report", out, "--duplicates")
    assert "already complete" in run.stdout
    assert "1 exact and 3 near groups" in run.stdout


def test_another_distance_compares_again_and_hashes_nothing(finished: Path, out: Path) -> None:
    own(finished, out)
    hashes = kept(out)
    assert hashes
    run = shardmill("report", out, "--duplicates", "--distance", 0)
    assert run.returncode == 0
    assert len(groups(out)) < 4 or all(len(keys) > 1 for *_, keys in groups(out))
    assert "in 0 bits or fewer" in Page(out / "report/duplicates.html").text
    assert kept(out) == hashes
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert files(out) == files(finished / "out")


def kept(out: Path) -> dict[Path, int]:
    """Return the files of hashes, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in out.glob(".shardmill/hashes/*/*")}


def test_a_page_that_is_made_anew_hashes_nothing(finished: Path, out: Path) -> None:
    hashes = kept(own(finished, out))
    assert hashes
    for folder in ("report", ".shardmill/report"):
        shutil.rmtree(out / folder)
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert kept(out) == hashes
    assert files(out) == files(finished / "out")


def test_hashes_of_damaged_facts_are_made_once_these_are_mended(finished: Path, out: Path) -> None:
    own(finished, out)
    (facts,) = (out / "tfrecord/train/current").glob("facts.parquet")
    whole = facts.read_bytes()
    for folder in ("report", ".shardmill/report", ".shardmill/hashes"):
        shutil.rmtree(out / folder)
    facts.write_bytes(b"?" * len(whole))
    run = shardmill("report", out, "--duplicates")
    assert run.returncode == 1
    assert "16 images could not be read to look for duplicates" in run.stderr
    facts.write_bytes(whole)
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert files(out) == files(finished / "out")


def test_images_of_damaged_facts_are_compared_once_these_are_mended(
    finished: Path, out: Path
) -> None:
    own(finished, out)
    (facts,) = (out / "tfrecord/train/current").glob("facts.parquet")
    whole = facts.read_bytes()
    for folder in ("report", ".shardmill/report"):
        shutil.rmtree(out / folder)
    facts.write_bytes(b"?" * len(whole))
    assert "16 images not compared" in shardmill("report", out, "--duplicates").stdout
    facts.write_bytes(whole)
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert files(out) == files(finished / "out")


def test_a_damaged_table_of_hashes_is_made_anew(finished: Path, out: Path) -> None:
    own(finished, out)
    table = next((out / ".shardmill/hashes").rglob("*.arrow"))
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    assert shardmill("report", out, "--duplicates", "--distance", 2).returncode == 0
    assert (
        table.read_bytes()
        == next(path for path in (finished / "out").rglob(table.name)).read_bytes()
    )


def test_clean_removes_hashes_that_no_output_has_any_more(finished: Path, out: Path) -> None:
    own(finished, out)
    before = kept(out)
    more = out.parent / "root"
    for name, content in {**drawn(), "train/b/more.jpg": stored(scene(9))}.items():
        lay(more / name, content)
    made = shardmill("imagelist", more, "--recursive", "--out", out, "--replace")
    assert made.returncode == 0, made.stderr
    assert (
        "kept of duplicates"
        not in shardmill("clean", out, "--dry-run").stdout.partition("superseded")[0]
    )
    assert shardmill("report", out, "--duplicates").returncode == 0
    run = shardmill("clean", out, "--yes")
    assert "kept of duplicates, and needed by no output" in run.stdout
    after = kept(out)
    gone = before.keys() - after.keys()
    assert {path.parent.name for path in gone} == {"train"}
    assert shardmill("verify", out).returncode == 0
    assert "already complete" in shardmill("report", out, "--duplicates").stdout


def test_they_go_when_the_outputs_are_others(finished: Path, out: Path) -> None:
    own(finished, out)
    more = out.parent / "root"
    for name, content in {**drawn(), "train/b/more.jpg": stored(scene(9))}.items():
        lay(more / name, content)
    made = shardmill("imagelist", more, "--recursive", "--out", out, "--replace")
    assert made.returncode == 0, made.stderr
    assert shardmill("report", out).returncode == 0
    assert not list((out / "report").glob("duplicates*"))
    assert "Duplicates" not in Page(out / "report/index.html").text
    assert shardmill("verify", out).returncode == 0


def test_lost_files_of_them_are_made_again(finished: Path, out: Path) -> None:
    own(finished, out)
    (out / "report/duplicates.html").unlink()
    next(out.glob("report/*/duplicates/*.jpg")).unlink()
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert files(out) == files(finished / "out")
    assert shardmill("verify", out).returncode == 0
    assert "nothing to remove" in shardmill("clean", out).stdout


def test_a_flipped_byte_is_said_and_the_rest_is_compared(finished: Path, out: Path) -> None:
    own(finished, out)
    (shard,) = (out / "tfrecord/val").glob("current/val-00000-*")
    whole = shard.read_bytes()
    place = len(whole) // 2
    for folder in ("report", ".shardmill/report", ".shardmill/hashes"):
        shutil.rmtree(out / folder)
    shard.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    run = shardmill("report", out, "--duplicates")
    assert run.returncode == 1
    assert "could not be read to look for duplicates" in run.stderr
    assert "1 exact and 3 near groups" in run.stdout  # by the hash that was recorded
    shard.write_bytes(whole)
    assert shardmill("report", out, "--duplicates").returncode == 0
    assert files(out) == files(finished / "out")


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    broken = undecodable(stored(scene(5)))
    for name in ("train/a/broken.jpg", "val/a/copy.jpg"):
        lay(tmp_path / "root" / name, broken)
    lay(tmp_path / "root/train/b/alone.jpg", undecodable(stored(scene(6))))
    out = tmp_path / "out"
    assert shardmill("imagelist", tmp_path / "root", "--recursive", "--out", out).returncode == 0
    run = shardmill("report", out, "--duplicates")
    assert run.returncode == 1  # as of any report that cannot show an image
    assert "1 exact and 0 near groups; 1 between splits; 3 images could not be decoded" in (
        run.stdout
    )
    page = Page(out / "report/duplicates.html")
    assert "Not compared by their looks 3 images" in page.text
    assert "b/alone.jpg JPEG cannot be decoded" in page.text
    rows = pq.read_table(out / "report/duplicates.parquet").to_pylist()
    assert [(row["group"], row["distance"]) for row in rows] == [(1, None), (1, None), (None, None)]


def test_an_output_without_shards_is_compared_by_its_bytes(tmp_path: Path) -> None:
    for name, content in drawn().items():
        lay(tmp_path / "root" / name, content)
    out = tmp_path / "out"
    words = ("--recursive", "--out", out, "--format", "none")
    assert shardmill("imagelist", tmp_path / "root", *words).returncode == 0
    run = shardmill("report", out, "--duplicates")
    assert run.returncode == 0, run.stderr
    assert "1 exact and 0 near groups; 1 between splits" in run.stdout
    assert "bytes alone were compared" in Page(out / "report/duplicates.html").text


def test_a_distance_without_duplicates_is_refused(finished: Path) -> None:
    run = shardmill("report", finished / "out", "--distance", 2)
    assert run.returncode == 2
    assert "--duplicates" in run.stderr
