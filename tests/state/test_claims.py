"""Products at paths without a digest: whose they are, and what may be replaced."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import paths, storage
from pipeline.errors import OutputConflict
from pipeline.exports.class_tree_export import ClassFolders
from pipeline.job import products
from pipeline.job.artifacts import Product, tree_product
from pipeline.state import claims

ONE, OTHER = "0123456789ab", "ba9876543210"


def boxes(out: Path, digest: str = ONE) -> Product:
    return products.bounding_boxes(out, "train", digest)


def make(out: Path, product: Product, content: bytes = b"x\n") -> None:
    """Claim, write and finish a product, as a task does."""
    claims.claim(out, product, replace=True)
    with ExitStack() as stack:
        staged = [stack.enter_context(storage.StagedFile(path)) for path in product.files]
        for file in staged:
            file.write(content)
        claims.publish(out, product, staged)


def test_boxes_of_train_have_the_name_that_the_scripts_give_them(out: Path) -> None:
    assert boxes(out).files[:2] == (out / "bboxes.csv", out / "bboxes.report.csv")
    other = products.bounding_boxes(out, "validation", ONE)
    assert [file.name for file in other.files if file.parent == out] == [
        "bboxes.validation.csv",
        "bboxes.validation.report.csv",
    ]
    (unmatched,) = products.unmatched_boxes(out, "validation", ONE).files
    assert unmatched == out / "bboxes.validation.unmatched.csv"


def test_a_product_is_finished_when_its_mark_says_so_and_its_files_are_there(out: Path) -> None:
    product = boxes(out)
    assert claims.finished(out, product) is None
    make(out, product)
    assert claims.finished(out, product) is not None
    assert claims.finished(out, boxes(out, OTHER)) is None
    (out / "bboxes.csv").unlink()
    assert claims.finished(out, product) is None


def test_a_claim_is_not_yet_the_product(out: Path) -> None:
    product = boxes(out)
    claims.claim(out, product, replace=False)
    assert claims.finished(out, product) is None


def test_what_a_killed_run_left_is_taken_for_its_own(out: Path) -> None:
    product = boxes(out)
    claims.claim(out, product, replace=False)
    storage.publish_bytes(product.files[0], b"half of it")
    claims.check(out, product, replace=False)
    claims.claim(out, product, replace=False)


def test_a_finished_product_stays_finished_when_it_is_claimed_again(out: Path) -> None:
    product = boxes(out)
    make(out, product)
    claims.claim(out, product, replace=False)
    assert claims.finished(out, product) is not None


@pytest.mark.parametrize("digest", [ONE, OTHER])
def test_a_product_of_another_job_is_refused_unless_it_may_be_replaced(
    out: Path, digest: str
) -> None:
    make(out, boxes(out, OTHER))
    wanted = boxes(out, digest)
    if digest == OTHER:
        claims.check(out, wanted, replace=False)
        return
    with pytest.raises(OutputConflict, match="made otherwise than is asked for now") as refusal:
        claims.check(out, wanted, replace=False)
    error = refusal.value
    assert (error.file, error.found) == (str(out / "bboxes.csv"), f"digest: {OTHER}")
    assert "older shardmill" in error.what  # whose marks do not say what they were made of
    assert "--replace" in str(error.remedy)
    claims.claim(out, wanted, replace=True)
    claims.check(out, wanted, replace=False)
    assert claims.finished(out, boxes(out, OTHER)) is None


def test_a_refusal_names_what_was_otherwise_and_nothing_else(out: Path) -> None:
    then = {"annotations": "boxes.tar.gz of MD5 1", "filter": "given", "version": "2"}
    now = {"annotations": "boxes.tar.gz of MD5 2", "version": "2", "devkit": "given"}
    make(out, replace(boxes(out, OTHER), made_of=then))
    with pytest.raises(OutputConflict) as refusal:
        claims.check(out, replace(boxes(out), made_of=now), replace=False)
    error = refusal.value
    assert error.what.endswith("annotations, devkit, filter")
    assert error.found == "annotations: boxes.tar.gz of MD5 1\ndevkit: nothing\nfilter: given"
    assert error.expected == "annotations: boxes.tar.gz of MD5 2\ndevkit: given\nfilter: nothing"


@pytest.mark.parametrize("other", [{}, {"devkit": "given"}])
def test_a_refusal_says_in_words_that_an_earlier_version_made_what_stands_there(
    out: Path, other: dict[str, str]
) -> None:
    now = {"train: images": "1", "version": "1"}
    then = {**now, "train: version of catalogs": "4"}
    make(out, replace(boxes(out, OTHER), made_of=then))
    with pytest.raises(OutputConflict) as refusal:
        claims.check(out, replace(boxes(out), made_of={**now, **other}), replace=False)
    error = refusal.value
    assert "catalogs" not in str(error)
    assert ("earlier version of shardmill" in error.what, "devkit" in error.what) == (
        not other,
        bool(other),
    )
    assert "--replace" in str(error.remedy)


def test_a_split_that_only_one_of_two_products_has_is_named_once(out: Path) -> None:
    then = {"train: images": "1", "train: labels": "2", "test: labels": "3", "version": "1"}
    now = {"val: images": "1", "val: labels": "2", "test: labels": "4", "version": "1"}
    make(out, replace(boxes(out, OTHER), made_of=then))
    with pytest.raises(OutputConflict) as refusal:
        claims.check(out, replace(boxes(out), made_of=now), replace=False)
    error = refusal.value
    assert error.what.endswith("split train, split val, test: labels")
    assert error.found == "split train: part of it\nsplit val: no part of it\ntest: labels: 3"
    assert error.expected == "split train: no part of it\nsplit val: part of it\ntest: labels: 4"


def test_a_file_that_somebody_else_put_there_is_refused(out: Path) -> None:
    out.mkdir()
    (out / "bboxes.report.csv").write_text("mine")
    with pytest.raises(OutputConflict, match="in the way") as refusal:
        claims.claim(out, boxes(out), replace=False)
    assert refusal.value.file == str(out / "bboxes.report.csv")
    assert (out / "bboxes.report.csv").read_text() == "mine"


def test_class_folders_that_somebody_else_put_there_are_refused(out: Path) -> None:
    (out / "train" / "n01440764").mkdir(parents=True)
    tree = tree_product(out, "tree", "train", out / "train", ONE, ClassFolders("extract"))
    with pytest.raises(OutputConflict, match="in the way"):
        claims.check(out, tree, replace=False)


def test_a_product_whose_mark_is_damaged_is_made_again(out: Path) -> None:
    product = boxes(out)
    make(out, product)
    path = paths.product_mark(out, product.name)
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    assert claims.finished(out, product) is None
    claims.claim(out, product, replace=False)
    make(out, product)
    assert claims.finished(out, product) is not None


@pytest.mark.parametrize(
    ("then", "now", "allowed"),
    [
        ({"files": "1"}, {"files": "2"}, True),
        ({"files": "1", "number": "5"}, {"files": "2", "number": "6"}, True),
        ({"files": "1", "labels": "1"}, {"files": "2", "labels": "2"}, False),
        ({"files": "1", "labels": "1"}, {"files": "2"}, False),
        ({}, {"files": "2"}, False),  # of a version that did not say what it was made of
    ],
)
def test_what_is_made_of_a_folder_follows_what_lies_there_and_nothing_else(
    out: Path, then: dict[str, str], now: dict[str, str], allowed: bool
) -> None:
    make(out, replace(boxes(out, OTHER), made_of=then))
    follows = frozenset({"files", "number"})
    with nullcontext() if allowed else pytest.raises(OutputConflict):
        claims.check(out, replace(boxes(out), made_of=now, follows=follows), replace=False)


def test_a_tree_remembers_all_that_it_replaces_until_it_is_finished(out: Path) -> None:
    def tree(digest: str) -> Product:
        return replace(boxes(out, digest), tree=ClassFolders("extract"))

    def replaced() -> tuple[str, ...]:
        mark = claims.mark(out, tree(ONE).name)
        assert mark is not None
        return mark.replaces

    third = "c" * 12
    claims.claim(out, tree(ONE), replace=True, with_images=True)
    assert replaced() == ()
    claims.claim(out, tree(OTHER), replace=True, with_images=True)
    assert replaced() == (ONE,)
    claims.unfinish(out, tree(OTHER))
    assert replaced() == (ONE,)
    claims.claim(out, tree(third), replace=True, with_images=True)
    assert replaced() == (ONE, OTHER)
    claims.publish(out, tree(third), ())
    assert replaced() == ()
    claims.claim(out, tree(ONE), replace=True, with_images=False)
    assert replaced() == ()
