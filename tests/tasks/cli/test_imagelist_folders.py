"""``shardmill imagelist`` on folders of class folders: which class has which label."""

from __future__ import annotations

import shutil
from pathlib import Path

from drawnlists import encoded, lay, stored
from support import products, shardmill

RECORDIO = ("--recursive", "--format", "recordio")


def draw(path: Path, *names: str) -> Path:
    """Draw a picture under each name, no two alike."""
    for number, name in enumerate(names):
        lay(path / name, encoded(number + len(str(path)) % 40))
    return path


def labels(out: Path, split: str) -> list[object]:
    """Return the labels of a split, sorted."""
    return sorted(said["labels"] for said, _ in stored(out, "recordio", split))  # type: ignore[type-var]


def test_one_table_of_classes_serves_two_folders(tmp_path: Path, out: Path) -> None:
    train = draw(tmp_path / "train", "ant/0.jpg", "bee/0.jpg", "cow/0.jpg", "none/0.txt")
    val = draw(tmp_path / "val", "ant/0.jpg", "cow/0.jpg")
    run = shardmill("imagelist", train, "--out", out, *RECORDIO)
    assert run.returncode == 0, run.stderr
    table = out / "lists" / "train.classes.tsv"
    assert f"train: 3 classes: ant 0, bee 1, cow 2: {table}\n" in run.stdout
    assert "folders without an image, which are no class: none" in run.stdout
    assert table.read_text() == "folder\tlabel\nant\t0\nbee\t1\ncow\t2\n"
    refused = shardmill("imagelist", val, "--out", out, *RECORDIO)
    assert refused.returncode == 2
    assert f"say --classes {table}" in refused.stderr
    run = shardmill("imagelist", val, "--out", out, *RECORDIO, "--classes", table)
    assert run.returncode == 0, run.stderr
    assert "val: classes of the table without an image here: bee" in run.stdout
    assert (labels(out, "train"), labels(out, "val")) == ([(0,), (1,), (2,)], [(0,), (2,)])
    # The table is one of the products: known, verified, made again.
    finished = products(out)
    assert "classes-val: complete" in shardmill("status", out).stdout
    assert shardmill("verify", out).returncode == 0
    (out / "lists" / "val.classes.tsv").write_bytes(b"folder\tlabel\nant\t0\ncow\t1\n")
    assert shardmill("verify", out, "--remove-damaged").returncode == 1
    assert shardmill("status", out).returncode == 1
    run = shardmill("imagelist", val, "--out", out, *RECORDIO, "--classes", table)
    assert run.returncode == 0, run.stderr
    assert products(out) == finished
    assert "nothing to remove" in shardmill("clean", out).stdout


def test_the_table_goes_with_the_folder_as_it_is(tmp_path: Path, out: Path) -> None:
    train = draw(tmp_path / "train", "10/0.jpg", "9/0.jpg")
    run = shardmill("imagelist", train, "--out", out, *RECORDIO)
    assert run.returncode == 0, run.stderr
    assert "sorted as text: 10 has a smaller label than 9" in run.stdout
    draw(train, "1/0.jpg")
    shutil.rmtree(train / "9")
    run = shardmill("imagelist", train, "--out", out, *RECORDIO)
    assert run.returncode == 0, run.stderr
    table = out / "lists" / "train.classes.tsv"
    assert table.read_text() == "folder\tlabel\n1\t0\n10\t1\n"
    assert shardmill("status", out).returncode == 0


def test_folders_that_are_splits_become_splits_of_one_table(tmp_path: Path, out: Path) -> None:
    names = ("train/ant/0.jpg", "train/bee/0.jpg", "train/cow/0.jpg", "val/ant/0.jpg")
    whole = draw(tmp_path / "set", *names, "val/cow/0.jpg", "Annotations/ant/0.xml")
    run = shardmill("imagelist", whole, "--out", out, *RECORDIO, "--shards", 1)
    assert run.returncode == 0, run.stderr
    assert (labels(out, "train"), labels(out, "val")) == ([(0,), (1,), (2,)], [(0,), (2,)])
    for split in ("train", "val"):
        assert f"{split}: 3 classes: ant 0, bee 1, cow 2: {out}/lists/{split}." in run.stdout
    assert f"passed over beside the splits in {whole}: 1, e.g. Annotations\n" in run.stdout
    verified = shardmill("verify", out, "--against", whole)
    assert verified.returncode == 0, verified.stderr
    assert "2 compared with their sources" in verified.stdout
    assert shardmill("status", out).returncode == 0


def test_a_shard_that_bad_images_leave_empty_needs_fewer_shards(tmp_path: Path, out: Path) -> None:
    folder = draw(tmp_path / "set", "ant/0.jpg", "bee/0.jpg")
    lay(folder / "ant/0.jpg", b"<html>")
    where = ("imagelist", folder, "--out", out, *RECORDIO, "--on-bad-image", "skip", "--shards")
    run = shardmill(*where, 2)
    assert run.returncode == 3
    assert "ask for fewer shards than 2 with --shards" in run.stderr
    assert shardmill(*where, 1).returncode == 4
