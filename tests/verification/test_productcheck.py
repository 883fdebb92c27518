"""Reading products back: their files, their marks, and whose the images of a tree are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import prepare
from support import RawSet

from pipeline import manifest, paths
from pipeline.job.artifacts import Begun, begun
from pipeline.job.options import Job
from pipeline.state import status
from pipeline.verification import productcheck, removal
from pipeline.verification.findings import Finding, Layer, damage
from pipeline.verification.productcheck import FinishedProduct

COPY = Job(raw="raw", out="out", config="", steps=("extract",))
MOVE = Job(raw="", tree="tree", out="out", config="", steps=("extract",), transfer="move")
LISTS = Job(raw="raw", out="out", config="", steps=("lists",))


@pytest.fixture(scope="module")
def finished(small: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("products") / "out"
    run = prepare(small, out, "--extract", "--until", "extract")
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture
def copied(finished: Path, out: Path) -> Path:
    shutil.copytree(finished, out)
    return out


def opened(out: Path, name: str, *jobs: Job) -> FinishedProduct | Finding:
    return productcheck.open_product(out, Begun.at(paths.product_mark(out, name)), jobs)


def found(out: Path, name: str, *jobs: Job) -> list[Finding]:
    product = opened(out, name, *jobs)
    if isinstance(product, Finding):
        return [product]
    checks = [productcheck.check_files(product)]
    checks += [productcheck.check_group(product, index) for index in product.groups]
    return [finding for check in checks for finding in check.findings]


def flip(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    return path


def image(out: Path) -> Path:
    return min((out / "train").glob("*/*.JPEG"))


def test_nothing_is_found_in_intact_products(finished: Path) -> None:
    names = [product.name for product in begun(finished)]
    assert "tree-train" in names
    assert [each for name in names for each in found(finished, name, COPY)] == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("bboxes-train", "bboxes.csv"),
        ("bboxes-train", "bboxes.report.csv"),
        ("bboxes-train", ".shardmill/products/bboxes-train.arrow"),
        ("unmatched-train", "bboxes.unmatched.csv"),
        ("list-train", "lists/train.lst"),
        ("labels", "lists/synsets.txt"),
        ("labels", "lists/labels.tsv"),
    ],
)
def test_a_flipped_bit_of_a_file_is_found(copied: Path, name: str, file: str) -> None:
    damaged = flip(copied / file)
    (told,) = found(copied, name)
    assert (told.layer, told.path, told.removable) == (Layer.FILE_HASH, damaged, True)


def test_a_damaged_mark_stays_for_the_command_to_replace(copied: Path) -> None:
    mark = flip(paths.product_mark(copied, "labels"))
    (told,) = found(copied, "labels")
    assert (told.layer, told.path, told.removable) == (Layer.SELF_CHECKSUM, mark, False)


def test_a_product_that_is_not_finished_is_said_to_be_so(copied: Path) -> None:
    mark = paths.product_mark(copied, "labels")
    document = json.loads(mark.read_text()) | {"finished": False}
    mark.write_bytes(manifest.serialise(document))
    (told,) = found(copied, "labels")
    assert told.layer is Layer.FINISHED


@pytest.mark.parametrize(
    ("jobs", "removable"),
    [
        ((COPY,), True),
        ((LISTS, COPY), True),
        ((MOVE,), False),
        ((COPY, MOVE), False),
        ((LISTS,), False),
        ((), False),
    ],
)
def test_an_image_may_be_removed_only_if_it_is_a_copy(
    copied: Path, jobs: tuple[Job, ...], removable: bool
) -> None:
    damaged = flip(image(copied))
    (told,) = found(copied, "tree-train", *jobs)
    assert (told.layer, told.path, told.removable) == (Layer.FILE_HASH, damaged, removable)
    done = removal.remove_damaged(copied, [told])
    assert damaged.exists() is not removable
    assert (damaged in done.removed, damaged in done.kept) == (removable, not removable)


def test_what_a_link_leads_to_elsewhere_is_never_removed(copied: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    (copied / "train").rename(elsewhere)
    (copied / "train").symlink_to(elsewhere)
    damaged = flip(image(copied))
    told = found(copied, "tree-train", COPY)
    assert [(each.path, each.removable) for each in told] == [(damaged, True)]
    done = removal.remove_damaged(copied, told)
    assert (done.removed, done.kept) == ((), (damaged,))
    assert damaged.exists()


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_goes_only_if_every_finding_about_it_allows(tmp_path: Path, order: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    told = [
        damage(Layer.FILE_HASH, path, "wrong"),
        damage(Layer.SOURCE, path, "other", removable=False),
    ]
    done = removal.remove_damaged(tmp_path, told[::order])
    assert (done.removed, done.kept, path.exists()) == ((), (path,), True)


def test_what_was_not_written_there_is_found_and_never_removed(copied: Path) -> None:
    (copied / "train/n00000000").mkdir()
    foreign = image(copied).with_name("more.JPEG")
    foreign.write_bytes(b"mine")
    told = found(copied, "tree-train", COPY)
    assert {each.path for each in told} == {foreign, copied / "train/n00000000"}
    assert {each.layer for each in told} == {Layer.UNEXPECTED_FILE}
    assert removal.remove_damaged(copied, told).removed == ()
    assert foreign.exists()


@pytest.mark.parametrize("size", [0, 100, -1])
def test_a_damaged_listing_is_found_and_nothing_else_is_blamed(copied: Path, size: int) -> None:
    product = productcheck.open_product(
        copied, Begun.at(paths.product_mark(copied, "tree-train")), ()
    )
    assert isinstance(product, FinishedProduct)
    listing = paths.group_listing(copied, product.document.digest, 0)
    listing.write_bytes(listing.read_bytes()[:size])
    assert {each.path for each in found(copied, "tree-train")} == {listing}


def test_the_job_that_makes_a_file_is_known(small: RawSet, copied: Path) -> None:
    others = [
        small.job(copied, splits=(split,), steps=("extract",)) for split in ("train", "validation")
    ]
    jobs = [*status.recorded_jobs(copied), *others]
    makers = removal.makers(jobs, [image(copied)])
    assert others[0] in makers
    assert others[1] not in makers
    assert removal.makers(jobs, [paths.product_mark(copied, "unknown")]) == list(
        {job.to_json(): job for job in jobs}.values()
    )
