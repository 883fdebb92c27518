"""Makes a full-size file in a process of its own: ``FOLDER``; prints a JSON object.

That is the most memory it had, in bytes, before and after. Names have the lengths of the real
ones; classes, their numbers of images and words are the shipped ones.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline import storage
from pipeline.exports.dbcollection.file import CLASSIFICATION, ClassText, write
from pipeline.exports.dbcollection.split import arrange
from pipeline.exports.dbcollection.strict import STRICT
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import label_files as labels

DATA_DIR = "/home/mf/tmp/download_data/ilsvrc2012"  # of 37 characters, as that of the author
LONGEST_GLOSS = 255
ROWS = 1 << 14


def tables(wnids: list[str], keys: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of a catalog."""
    for start in range(0, len(keys), ROWS):
        part = slice(start, start + ROWS)
        synsets = pa.array(wnids[part], pa.string()).dictionary_encode()
        yield pa.table({"key": keys[part], "class_id": synsets})


def train_tables(counts: dict[str, int]) -> Iterator[pa.Table]:
    """Yield the rows of each class; its last image has a number of six digits."""
    for wnid, count in counts.items():
        numbers = [*range(10_000, 10_000 + count - 1), 137_632]
        yield from tables([wnid] * count, [f"{wnid}/{wnid}_{number}.JPEG" for number in numbers])


def peak() -> int:
    """Return the most memory that this process had, in bytes; its parent's do not count."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def main() -> None:
    """Make the file."""
    before = peak()
    table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
    counts = labels.load_counts("labels:num_train_images", table)
    wnids = shipped("config/ilsvrc2012/validation_synsets.txt").read_text().split()
    keys = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, len(wnids) + 1)]
    train = arrange("train", counts, train_tables(counts))
    val = arrange("val", Counter(wnids), tables(wnids, keys), flat=True)
    texts = {
        wnid: ClassText(words, "x" * LONGEST_GLOSS)
        for wnid, words in zip(table.class_ids, table.words, strict=True)
    }
    with storage.StagedFile(Path(sys.argv[1]) / "full.h5") as staged:
        write(staged, CLASSIFICATION, [train, val], texts, DATA_DIR, conventions=STRICT)
        storage.publish(staged)
    json.dump({"before": before, "after": peak()}, sys.stdout)


if __name__ == "__main__":
    main()
