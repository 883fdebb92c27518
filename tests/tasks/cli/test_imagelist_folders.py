"""``shardmill imagelist`` on folders of class folders: which class has which label."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawnlists import encoded, lay, stored
from drawntrees import do

from pipeline import paths
from pipeline.errors import BadImage
from pipeline.job import build
from pipeline.job.artifacts import Begun
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import status
from pipeline.state.inventory import Inventory
from pipeline.verification import productcheck
from pipeline.verification.productcheck import FinishedProduct
from tasks.cli import report

Make = Callable[..., str]


def draw(path: Path, *names: str) -> Path:
    """Draw an image under each name, no two alike."""
    for number, name in enumerate(names):
        lay(path / name, encoded(number + len(str(path)) % 40))
    return path


def labels(out: Path, split: str) -> list[object]:
    """Return the labels of a split, sorted."""
    return sorted(said["labels"] for said, _ in stored(out, "recordio", split))  # type: ignore[type-var]


def job_of(folder: Path, out: Path, shards: int | None = None, **options: object) -> Job:
    given: dict[str, Any] = {"recursive": True, "formats": ("recordio",), **options}
    return build.list_job(str(folder), "", str(out), shards, **given)


@pytest.fixture
def make(out: Path, capsys: pytest.CaptureFixture[str]) -> Make:
    """Prepare a folder in this process; return the closing lines."""

    def made(folder: Path, shards: int | None = None, **options: object) -> str:
        job = job_of(folder, out, shards, **options)
        do(job)
        capsys.readouterr()
        report.complete(Inventory(resolve(job)), "complete")
        return capsys.readouterr().out

    return made


def findings(out: Path, name: str) -> int:
    """Verify a product; return how much is wrong with it."""
    opened = productcheck.open_product(out, Begun.at(paths.product_mark(out, name)), ())
    assert isinstance(opened, FinishedProduct)
    return len(productcheck.check_files(opened).findings)


def test_one_table_of_classes_serves_two_folders(tmp_path: Path, out: Path, make: Make) -> None:
    train = draw(tmp_path / "train", "ant/0.jpg", "bee/0.jpg", "cow/0.jpg", "none/0.txt")
    val = draw(tmp_path / "val", "ant/0.jpg", "cow/0.jpg")
    said = make(train)
    table = out / "lists" / "train.classes.tsv"
    assert f"train: 3 classes: ant 0, bee 1, cow 2: {table}\n" in said
    assert "folders without an image, which are no class: none" in said
    assert table.read_text() == "folder\tlabel\nant\t0\nbee\t1\ncow\t2\n"
    said = make(val, classes=str(table))
    assert "val: classes of the table without an image here: bee" in said
    assert (labels(out, "train"), labels(out, "val")) == ([(0,), (1,), (2,)], [(0,), (2,)])
    # The table is one of the products: known, verified, made again.
    again, job = out / "lists" / "val.classes.tsv", job_of(val, out, classes=str(table))
    content = again.read_bytes()
    assert status.survey_products(Inventory(resolve(job))) == {"classes-val": True}
    assert findings(out, "classes-val") == 0
    again.write_bytes(content.replace(b"cow\t2", b"cow\t1"))
    assert findings(out, "classes-val") == 1
    again.unlink()
    assert status.survey_products(Inventory(resolve(job))) == {"classes-val": False}
    make(val, classes=str(table))
    assert again.read_bytes() == content


def test_the_table_goes_with_the_folder_as_it_is(tmp_path: Path, out: Path, make: Make) -> None:
    train = draw(tmp_path / "train", "10/0.jpg", "9/0.jpg")
    assert "sorted as text: 10 has a smaller label than 9" in make(train)
    draw(train, "1/0.jpg")
    shutil.rmtree(train / "9")
    make(train)
    table = out / "lists" / "train.classes.tsv"
    assert table.read_text() == "folder\tlabel\n1\t0\n10\t1\n"


def test_folders_that_are_splits_become_splits_of_one_table(
    tmp_path: Path, out: Path, make: Make
) -> None:
    names = ("train/ant/0.jpg", "train/bee/0.jpg", "train/cow/0.jpg", "val/ant/0.jpg")
    whole = draw(tmp_path / "set", *names, "val/cow/0.jpg", "Annotations/ant/0.xml")
    said = make(whole, 1)
    assert (labels(out, "train"), labels(out, "val")) == ([(0,), (1,), (2,)], [(0,), (2,)])
    for split in ("train", "val"):
        assert f"{split}: 3 classes: ant 0, bee 1, cow 2: {out}/lists/{split}." in said
    assert f"passed over beside the splits in {whole}: 1, e.g. Annotations\n" in said


def test_a_shard_that_bad_images_leave_empty_needs_fewer_shards(
    tmp_path: Path, out: Path, make: Make
) -> None:
    folder = draw(tmp_path / "set", "ant/0.jpg", "bee/0.jpg")
    lay(folder / "ant/0.jpg", b"<html>")
    with pytest.raises(BadImage) as refusal:
        make(folder, 2, on_bad_image="skip")
    assert refusal.value.remedy == "ask for fewer shards than 2 with --shards"
    assert "1 left out" in make(folder, 1, on_bad_image="skip")


def test_the_least_and_most_labels_of_a_list_are_said(tmp_path: Path, make: Make) -> None:
    draw(tmp_path, "a.jpg", "b.jpg")
    one, two = "2\t5\t0\t0.1\t0.1\t0.5\t0.5", "\t1\t0.2\t0.2\t0.6\t0.6"
    detection = lay(tmp_path / "set.lst", f"0\t{one}\ta.jpg\n1\t{one}{two}\tb.jpg\n".encode())
    assert "set: labels an image: 7 to 12\n" in make(detection, recursive=False)
    same = lay(tmp_path / "same.lst", f"0\t{one}\ta.jpg\n1\t{one}\tb.jpg\n".encode())
    assert "labels an image" not in make(same, recursive=False)
