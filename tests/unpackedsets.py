"""Unpacked sets in the layouts that people have them in, and the command that reads one."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from commands import shardmill
from support import RawSet, products

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
BOXES, VALIDATION_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz", "ILSVRC2012_bbox_val_v3.tgz"


def unpack_train(raw: Path, folder: Path) -> None:
    """Unpack the tar of class tars as people do: one folder a class."""
    with tarfile.open(raw / TRAIN) as outer:
        for member in outer:
            content = outer.extractfile(member)
            assert content is not None
            with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
                inner.extractall(folder / member.name.removesuffix(".tar"), filter="data")


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def wnids(raw_set: RawSet) -> dict[str, str]:
    """Validation file name -> WNID."""
    lines = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    with tarfile.open(raw_set.raw / VALIDATION) as tar:
        return {name: lines[int(name[15:23]) - 1] for name in tar.getnames()}


def classic(raw_set: RawSet, tree: Path) -> Path:
    """train/<wnid>, val flat, the annotations beside them."""
    unpack_train(raw_set.raw, tree / "train")
    unpack(raw_set.raw / VALIDATION, tree / "val")
    unpack(raw_set.raw / BOXES, tree / "bboxes")
    return tree


def foldered(raw_set: RawSet, tree: Path) -> Path:
    """As `classic`, the validation images in class folders."""
    classic(raw_set, tree)
    for name, wnid in wnids(raw_set).items():
        (tree / "val" / wnid).mkdir(exist_ok=True)
        (tree / "val" / name).rename(tree / "val" / wnid / name)
    return tree


def named_like_the_archives(raw_set: RawSet, tree: Path) -> Path:
    """As `classic`, in folders that are named after the archives."""
    classic(raw_set, tree)
    (tree / "train").rename(tree / "ILSVRC2012_img_train")
    (tree / "val").rename(tree / "ILSVRC2012_img_val")
    return tree


def competition(raw_set: RawSet, tree: Path) -> Path:
    """The layout of the competition's archive, with its CSV of the validation labels."""
    data = tree / "ILSVRC" / "Data" / "CLS-LOC"
    annotations = tree / "ILSVRC" / "Annotations" / "CLS-LOC"
    unpack_train(raw_set.raw, data / "train")
    unpack(raw_set.raw / VALIDATION, data / "val")
    unpack(raw_set.raw / BOXES, annotations / "train")
    unpack(raw_set.raw / VALIDATION_BOXES, annotations)
    lines = ["ImageId,PredictionString"]
    lines += [f"{Path(name).stem},{wnid} 1 2 3 4 " for name, wnid in wnids(raw_set).items()]
    (tree / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    return tree


LAYOUTS = (classic, foldered, named_like_the_archives, competition)


def from_tree(
    raw_set: RawSet, tree: Path, out: Path, *options: object
) -> subprocess.CompletedProcess[str]:
    where = ("--tree", tree, "--config", raw_set.config, "--out", out)
    return shardmill("imagenet", *where, *options)


def shards(out: Path) -> dict[tuple[str, ...], str]:
    """The shards and their indexes, without the digests of their folders."""
    found = {}
    for name, content in products(out).items():
        parts = Path(name).parts
        if parts[0] == "tfrecord" and "-of-" in parts[-1]:
            found[(parts[1], *parts[3:])] = content
    return found
