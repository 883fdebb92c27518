"""A flipped bit in what is kept of images and annotations that are files of their own is found.

SHARDMILL_FLIPS says how many bits are flipped, SHARDMILL_SEED which.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from drawnlists import lay
from drawntrees import CLASSES, TreeSet, annotation, do, draw_tree
from filetimes import age
from support import products, shardmill

from pipeline import manifest, paths
from pipeline.job import build
from pipeline.state.standing import output_folders
from pipeline.verification.reading import Verification

FLIPS = int(os.environ.get("SHARDMILL_FLIPS", "200")) // 10
SOURCES = ".shardmill/sources"
KINDS = {
    "fingerprints of images": f"{SOURCES}/*/*.arrow",
    "marks of these": f"{SOURCES}/*/*.json",
    "fingerprints of annotations": f"{SOURCES}/annotations-*.arrow",
    "mark of these": f"{SOURCES}/annotations-*.json",
    "trees": f"{SOURCES}/train-*.json",
    "unmatched boxes": "bboxes.unmatched.csv",
    "class tables": "lists/*.classes.tsv",
    "descriptions of trees": "train/metadata.parquet",
    "withdrawal": ".shardmill/withdrawal.json",
}


@dataclass(frozen=True)
class Prepared:
    """An output folder of a tree and of a folder of classes."""

    drawn: TreeSet
    out: Path

    def make(self) -> None:
        """Do both jobs."""
        made = ("boxes", "lists", "extract", "shards")
        exports = ("parquet", "imagefolder")
        do(self.drawn.job(self.out, steps=made, formats=("webdataset",), exports=exports))
        folder = self.drawn.tree / "train"
        do(build.list_job(str(folder), "", str(self.out), 2, name="folder", recursive=True))


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    drawn = draw_tree(tmp_path)
    lay(drawn.annotation(77), annotation(f"{CLASSES[0]}_77", 30))  # of no image
    age(drawn.tree)
    made = Prepared(drawn, tmp_path / "out")
    made.make()
    return made


def flip(path: Path, chance: random.Random) -> bytes:
    """Flip one bit of a file, anywhere in it; return what it held."""
    content = path.read_bytes()
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    return content


def test_every_flipped_bit_is_found(prepared: Prepared, chance: random.Random) -> None:
    out = prepared.out
    # A command that was killed leaves one; it names nothing, so all outputs are as they were.
    paths.withdrawal(out).write_bytes(manifest.serialise({"parts": {}, "files": []}))
    for number in range(max(len(KINDS), FLIPS)):
        path = chance.choice(sorted(out.glob([*KINDS.values()][number % len(KINDS)])))
        content = flip(path, chance)
        found = {finding.path for finding in Verification(out).findings(output_folders(out))}
        path.write_bytes(content)
        assert path in found


def test_what_is_removed_for_it_is_made_again(prepared: Prepared, chance: random.Random) -> None:
    before = products(prepared.out)
    for pattern in KINDS.values():
        for path in sorted(prepared.out.glob(pattern))[:1]:
            flip(path, chance)
    assert shardmill("verify", prepared.out, "--remove-damaged").returncode == 1
    prepared.make()
    # Whose images are not known any more may be in an export: the second job, which withdraws
    # its own, leaves the exports of the first to be made again.
    prepared.make()
    assert products(prepared.out) == before
    assert shardmill("verify", prepared.out).returncode == 0
