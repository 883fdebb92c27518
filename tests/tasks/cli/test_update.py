"""``--update``: what follows from changed inputs is made anew without ``--replace``."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import ListedSet, draw_list, encoded
from support import RawSet, products

VALIDATION = ("--split", "validation", "--no-boxes")


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=4)


def grow(listed: ListedSet) -> None:
    (listed.root / "cats/new.jpg").write_bytes(encoded(50))
    listed.add("99\t0.000000\tcats/new.jpg")


def test_a_list_that_has_grown_needs_no_replace(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    words = ("--export", "parquet")
    assert listed.prepare_here(out, *words).returncode == 0
    grow(listed)
    refused = listed.prepare_here(out, *words)
    assert refused.returncode == 2
    assert "number of images: 5" in refused.stderr
    assert "say --update" in refused.stderr
    assert listed.prepare_here(out, *words, "--update").returncode == 0
    again = listed.prepare_here(out, *words, "--update", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert listed.prepare_here(tmp_path / "anew", *words).returncode == 0
    made, anew = products(out), products(tmp_path / "anew")
    assert {name: made[name] for name in anew} == anew


def test_another_option_needs_replace_also_with_update(listed: ListedSet, out: Path) -> None:
    assert listed.prepare_here(out, "--export", "parquet").returncode == 0
    grow(listed)
    other = ("--export", "parquet", "--resize", 32, "--transcode")
    refused = listed.prepare_here(out, *other, "--update")
    assert refused.returncode == 2
    assert "--replace" in refused.stderr
    assert "--update" not in refused.stderr


def test_another_list_needs_replace_also_with_update(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    words = ("--export", "parquet")
    assert listed.prepare_here(out, *words).returncode == 0
    other = draw_list(tmp_path / "other", images=5)
    refused = other.prepare_here(out, *words, "--update")
    assert (refused.returncode, "--update" in refused.stderr) == (2, False)


def test_an_archive_that_was_replaced_needs_no_replace(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    own = small.copy(tmp_path / "own")
    words = ("imagenet", "--raw", own.raw, "--config", own.config, "--out", out, *VALIDATION)
    assert shardmill(*words).returncode == 0
    archive = own.raw / "ILSVRC2012_img_val.tar"
    archive.write_bytes(archive.read_bytes() + bytes(10240))  # more of what ends a tar
    own.repin(archive.name)
    refused = shardmill(*words)
    assert (refused.returncode, "say --update" in refused.stderr) == (2, True), refused.stderr
    assert "of MD5" in refused.stderr
    assert shardmill(*words, "--update").returncode == 0
    again = shardmill(*words, "--update", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_folder_with_new_files_needs_nothing(listed: ListedSet, out: Path) -> None:
    words = ("imagelist", listed.root, "--recursive", "--out", out, "--export", "parquet")
    assert shardmill(*words, "--update").returncode == 0
    (listed.root / "cats/new.jpg").write_bytes(encoded(50))
    assert "5 records" in shardmill(*words, "--update").stdout


def test_what_is_not_of_this_program_needs_replace_also_with_update(
    listed: ListedSet, out: Path
) -> None:
    (out / "metadata.parquet").parent.mkdir()
    (out / "metadata.parquet").write_text("mine")
    refused = listed.prepare_here(out, "--export", "parquet", "--update")
    assert (refused.returncode, "--update" in refused.stderr) == (2, False)
    assert (out / "metadata.parquet").read_text() == "mine"


def test_a_dry_run_says_what_differs_from_the_last_job(listed: ListedSet, out: Path) -> None:
    words = ("--export", "parquet", "--dry-run")
    assert "differs" not in listed.prepare_here(out, *words).stdout  # no job is recorded
    assert listed.prepare_here(out, "--export", "parquet").returncode == 0
    grow(listed)
    shards, product = differing(listed.prepare_here(out, *words, "--update").stdout)
    assert shards[0].startswith("images.lst was ")
    assert shards[1:] == ["images was 4, is 5"]
    assert "images: number of images was 4, is 5" in product
    assert not (out / "tfrecord/images" / "none").exists()


def test_a_dry_run_names_the_options_that_differ(listed: ListedSet, out: Path) -> None:
    assert listed.prepare_here(out, "--shards", 1).returncode == 0
    other = ("--resize", 32, "--transcode", "--order", "list", "--shards", 2, "--dry-run")
    (shards,) = differing(listed.prepare_here(out, *other).stdout)
    assert set(shards) == {
        "--resize was nothing, is 32",
        "--transcode was nothing, is given",
        "--order was hash, is list",
        "--shards was images=1, is images=2",
    }
    (shards,) = differing(listed.prepare_here(out, "--format", "recordio", "--dry-run").stdout)
    assert shards == ["that one made none"]


def test_a_dry_run_of_what_was_interrupted_names_no_difference(
    listed: ListedSet, out: Path
) -> None:
    assert listed.prepare_here(out).returncode == 0
    next(out.glob("tfrecord/images/current/images-*")).unlink()
    said = listed.prepare_here(out, "--dry-run").stdout
    assert "would run" in said
    assert differing(said) == []


def differing(said: str) -> list[list[str]]:
    """Return what a dry run says that differs, a list for each output and product."""
    head = "  differs from the last job: "
    lines = [line.removeprefix(head) for line in said.splitlines() if line.startswith(head)]
    return [line.split("; ") for line in lines]
