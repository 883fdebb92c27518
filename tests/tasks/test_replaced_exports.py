"""An image that is replaced: trees and exports that hold it, or tell of it, are made anew."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from drawnlists import encoded
from drawntrees import TreeSet, do, draw_tree, put_another_in_place
from filetimes import age
from support import products

from pipeline import paths
from pipeline.errors import OutputConflict, TransientError
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.manifest import Document
from pipeline.shards import part_sources as partsources
from pipeline.state import claims as fixed
from pipeline.state import withdrawal
from tasks.splits import ProductTask
from tasks.trees import ExtractClasses

EXPORTS = ("raw256", "parquet", "croissant", "imagefolder", "dbcollection")


@pytest.fixture
def drawn(tmp_path: Path) -> TreeSet:
    made = draw_tree(tmp_path / "set")
    age(made.tree)
    return made


def test_every_file_is_that_of_a_run_on_the_new_image(
    drawn: TreeSet, tmp_path: Path, out: Path
) -> None:
    def job_of(folder: Path) -> None:
        do(drawn.job(folder, formats=("recordio",), joined=True, exports=EXPORTS))

    job_of(out)
    old, new = drawn.image(1).read_bytes(), put_another_in_place(drawn.image(1))
    job_of(out)
    extracted = out / "train" / drawn.image(1).relative_to(drawn.tree / "train")
    assert extracted.read_bytes() == new
    fresh = tmp_path / "fresh"
    job_of(fresh)
    here = {"dbcollection/classification.h5", "dbcollection/raw256.h5"}  # it names its folder
    found, expected = products(out), products(fresh)
    assert {name for name in expected if found.get(name) != expected[name]} <= here
    assert found.keys() == expected.keys()
    assert not [path for path in out.rglob("*.JPEG") if path.read_bytes() == old]


@pytest.mark.parametrize("transfer", ["copy", "link", "symlink"])
@pytest.mark.parametrize("in_place", [True, False], ids=["written over", "another file"])
def test_a_tree_without_shards_has_it_too(
    drawn: TreeSet, out: Path, transfer: str, in_place: bool
) -> None:
    job = drawn.job(out, steps=("extract",), boxes=False, transfer=transfer)
    do(job)
    image = drawn.image(1)
    if in_place:
        new = put_another_in_place(image)
    else:
        copied = image.with_name("copy")
        copied.write_bytes(image.read_bytes())
        new = put_another_in_place(copied)
        copied.replace(image)
    do(job)
    extracted = out / "train" / image.relative_to(drawn.tree / "train")
    assert extracted.read_bytes() == new
    assert extracted.is_symlink() == (transfer == "symlink")
    (product,) = resolve(job).products
    listing = paths.group_listing(out, product.digest, 0)
    assert fixed.group_document(out, product, 0) is not None
    assert listing.exists()


def test_what_another_command_made_of_it_is_withdrawn_too(drawn: TreeSet, out: Path) -> None:
    tree = drawn.job(out, steps=("extract",), boxes=False)
    do(tree)
    do(drawn.job(out, boxes=False, exports=("parquet",)))
    put_another_in_place(drawn.image(1))
    do(drawn.job(out, boxes=False))
    for job in (tree, drawn.job(out, boxes=False, exports=("parquet",))):
        resolve.cache_clear()
        made = [each for each in resolve(job).products if each.kind in {"tree", "parquet"}]
        assert made
        assert [fixed.finished(out, each) for each in made] == [None]


def test_a_withdrawal_waits_until_classes_and_their_fingerprints_are_both_there(
    drawn: TreeSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = drawn.job(out, steps=("extract",), boxes=False)
    do(job)
    digest = resolve(job).products[0].digest
    mark = paths.group_mark(out, digest, 0)
    mark.unlink()
    others: list[threading.Thread] = []
    real = partsources.keep_instead

    def keep(*given: Any) -> Document:
        made_of = real(*given)
        others.append(threading.Thread(target=withdrawal.withdraw, args=(out, {digest: [0]})))
        others[0].start()
        others[0].join(0.3)  # in which nothing stops it but the lock
        return made_of

    monkeypatch.setattr(partsources, "keep_instead", keep)
    ExtractClasses(out=str(out), split="train", digest=digest, group=0, job=job).make()
    others[0].join()
    monkeypatch.undo()
    assert not mark.exists()
    do(job)
    assert partsources.parts(out, digest) == [0]


def test_classes_whose_fingerprints_are_all_gone_are_looked_at_anew(
    drawn: TreeSet, out: Path
) -> None:
    job = drawn.job(out, steps=("extract",), boxes=False)
    do(job)
    digest = resolve(job).products[0].digest
    partsources.forget(out, digest, 0)
    new = put_another_in_place(drawn.image(1))
    do(job)
    assert (out / "train" / drawn.image(1).relative_to(drawn.tree / "train")).read_bytes() == new
    assert partsources.parts(out, digest) == [0]


def test_a_move_has_no_source_left_to_be_replaced(drawn: TreeSet, out: Path) -> None:
    job = drawn.job(out, steps=("extract",), boxes=False, transfer="move")
    do(job)
    do(job)
    assert not (paths.sources(out) / resolve(job).products[0].digest).exists()


def test_an_image_of_another_size_goes_into_exports_unasked(
    drawn: TreeSet, tmp_path: Path, out: Path
) -> None:
    def job_of(folder: Path, **options: object) -> Job:
        exports = ("parquet", "croissant", "imagefolder")
        return drawn.job(folder, formats=("recordio",), exports=exports, **options)

    do(job_of(out))
    drawn.image(1).write_bytes(encoded(71))
    do(job_of(out))
    do(job_of(tmp_path / "fresh"))
    for name in ("metadata.parquet", "croissant.json", "train/metadata.parquet"):
        assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    with pytest.raises(OutputConflict, match="shards of recordio"):
        do(job_of(out, order="name"))


@pytest.mark.parametrize("name", ["joined", "parquet", "croissant"])
def test_withdrawn_by_another_command_while_it_is_made_it_is_not_finished(
    drawn: TreeSet, out: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    exports = () if name == "joined" else (name,)
    job = drawn.job(
        out, boxes=False, formats=("recordio",), joined=name == "joined", exports=exports
    )
    do(drawn.job(out, boxes=False, formats=("recordio",)))
    family = resolve(job).splits["train"].shards_digest
    real = ProductTask.publish_files

    def late(task: ProductTask, *given: Any, **more: Any) -> int:
        if task.product.kind == name:
            withdrawal.withdraw(out, {family: [0]})
        return real(task, *given, **more)

    monkeypatch.setattr(ProductTask, "publish_files", late)
    with pytest.raises(TransientError, match="replaced while"):
        do(job)
    monkeypatch.undo()
    do(job)
