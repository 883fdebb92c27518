"""Finished output folders that hold a document of every kind, and the commands that made them."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import inprocess
import pytest
import shared
from commands import prepare, shardmill
from drawnlists import ALL_FORMATS, SPLIT, THREE, ListedSet, draw_list, encoded, lay
from drawntrees import draw_tree
from exportnames import OF_ALL_SETS
from support import RawSet

from pipeline import manifest
from pipeline.formats.base import RecordOptions
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import PLAIN
from pipeline.shards.output import RecordForm

DATA = ("--data-dir", "/data/ilsvrc2012")
EVERY = tuple(word for name in OF_ALL_SETS for word in ("--export", name))
EVERY_EXPORT = ("--format", "none", *EVERY, *DATA, "--dbcollection-strict")
"""Options that make no shards, and every export that a set without boxes has."""


@dataclass(frozen=True)
class Finished:
    """A finished output folder.

    Attributes:
        out: the folder.
        words: the command that made it, and its options.
    """

    out: Path
    words: tuple[object, ...]

    def restore(self, pristine: Path) -> None:
        """Make the folder again what it was."""
        shutil.rmtree(self.out)
        shutil.copytree(pristine, self.out, symlinks=True)


@dataclass(frozen=True)
class Kept:
    """An output folder that all tests read and none may change, and what was said of it."""

    out: Path
    stdout: str


def kept(raw_set: RawSet, *options: object) -> Kept:
    """Return what ``shardmill imagenet`` makes of a raw set with options, made once for all tests.

    The command ran in another folder, which is gone and which the record of the job names. A raw
    set that a test has changed lies elsewhere, and is another.
    """
    words = repr((str(raw_set.raw), str(raw_set.config), [*map(str, options)]))

    def make(folder: Path) -> None:
        run = prepare(raw_set, folder / "out", *options)
        assert run.returncode == 0, run.stdout + run.stderr
        (folder / "stdout").write_text(run.stdout)

    name = f"prepared-{hashlib.sha256(words.encode()).hexdigest()[:16]}"
    folder = shared.once(name, make)
    return Kept(folder / "out", (folder / "stdout").read_text())


def prepared(raw_set: RawSet, out: Path, *options: object) -> str:
    """Have an absent folder hold a copy of that, which a test may change; return what was said."""
    finished = kept(raw_set, *options)
    shutil.copytree(finished.out, out, symlinks=True)
    return finished.stdout


def of_list_in_all_formats() -> tuple[ListedSet, Path]:
    """Return a list of 24 images and what is made of it in `THREE` shards, once for all tests."""
    folder = shared.once("list", lambda folder: draw_list(folder / "drawn")) / "drawn"
    drawn = ListedSet(folder / "root", folder / f"{SPLIT}.lst")

    def make(folder: Path) -> None:
        run = drawn.prepare_here(folder / "out", *THREE)
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("24 records in 3 shards") == len(FORMATS)

    return drawn, shared.once("list-prepared", make) / "out"


def of_imagelist(folder: Path) -> Finished:
    """Make all formats, and a joined one, of class folders."""
    drawn, out = draw_list(folder / "drawn", images=8), folder / "out"
    words = ("imagelist", drawn.root, "--recursive", "--name", "images", "--out", out)
    return _made(Finished(out, (*words, *ALL_FORMATS, "--shards", 2, "--joined")))


def of_split_column(folder: Path) -> Finished:
    """Make facts alone of a list whose column names two splits."""
    lines, out = ["path,label,split"], folder / "out"
    for number, split in enumerate(("train", "test", "train")):
        lay(folder / f"{number}.jpg", encoded(number))
        lines.append(f"{number}.jpg,{number},{split}")
    listed = lay(folder / "photos.csv", "\n".join(lines).encode())
    return _made(Finished(out, ("imagelist", listed, "--out", out, "--format", "none")))


def of_append(folder: Path) -> Finished:
    """Make facts alone of a list, and append those of an image that it names since."""
    listed, out = folder / "photos.csv", folder / "out"
    words = ("imagelist", listed, "--out", out, "--format", "none", "--append")
    for number in range(3):
        lay(folder / f"{number}.jpg", encoded(number))
        lay(listed, b"path,label\n" + b"".join(b"%d.jpg,1\n" % n for n in range(number + 1)))
        finished = _made(Finished(out, words)) if number else None
    assert finished is not None
    return finished


def of_reshard(other: Path, folder: Path) -> Finished:
    """Make facts alone of the shards that another output has."""
    out = folder / "out"
    return _made(Finished(out, ("reshard", other, "--out", out, "--format", "none")))


def of_imagenet(raw: RawSet, folder: Path) -> Finished:
    """Make shards, lists, boxes, a tree, and what describes the whole, of archives."""
    out = folder / "out"
    words = ("imagenet", "--raw", raw.raw, "--config", raw.config, "--out", out)
    more = ("--extract", "--shards", "train=2", "--export", "parquet", "--export", "croissant")
    return _made(Finished(out, (*words, *more)))


def of_imagenet_unsaid(raw: RawSet, folder: Path) -> Finished:
    """Verify the archives of a configuration that leaves MD5s and counts out."""
    own, out = raw.copy(folder / "raw"), folder / "out"
    left_out = re.sub("(?m)^(?:md5|counts|images) = .*\n", "", own.config.read_text())
    own.config.write_text(left_out)
    words = ("imagenet", "--raw", own.raw, "--config", own.config, "--out", out)
    return _made(Finished(out, (*words, "--until", "verify")))


def of_tree(folder: Path) -> Finished:
    """Make shards and a tree of an unpacked set."""
    drawn, out = draw_tree(folder), folder / "out"
    words = ("imagenet", "--tree", drawn.tree, "--config", drawn.config, "--split", "train")
    return _made(Finished(out, (*words, "--extract", "--out", out)))


def of_openimages(folder: Path) -> Path:
    """Return what is made of three classes of the drawn set, with masks; made once for all tests.

    Nobody may change it.
    """
    words = ("--class", "Bear", "--class", "Waffle", "--class", "Handgun", "--masks")

    def make(made: Path) -> None:
        where = ("--raw", folder / "raw", "--config", folder / "openimages.toml")
        sized = ("--mask-size", "image", "--recipe")
        run = shardmill("openimages", *where, *words, *sized, "--out", made / "out")
        assert run.returncode == 4, run.stdout + run.stderr  # images are absent

    return shared.once("openimages-prepared", make) / "out"


def reported(out: Path, *words: object) -> Path:
    """Have the page of a finished output made; return its folder."""
    run = shardmill("report", out, *words)
    assert run.returncode in {0, 4}, run.stdout + run.stderr
    return out / "report"


def empty_manifest(split: str, digest: str, **counts: int) -> bytes:
    """Return the manifest of a finished TFRecord output without a shard or any other file."""
    form = RecordForm("tfrecord", RecordOptions(1), PLAIN, None, repairs=True)
    nothing = dict.fromkeys(("bytes", "images", "left_out", "records", "repaired"), 0)
    return manifest.serialise(
        {
            "format": form.format,
            "split": split,
            "digests": {"output": digest, "plan": digest},
            "inputs": [{"list": "a.lst"}],
            "parameters": form.to_json(),
            "counts": nothing | counts,
            "shards": [],
            "files": [],
        }
    )


def _made(finished: Finished) -> Finished:
    with pytest.MonkeyPatch.context() as patch:
        run = inprocess.shardmill(patch, *finished.words)
    assert run.status == 0, run.said
    return finished
