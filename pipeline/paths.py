"""Pure functions that spell every file name of the output tree that is not a format's or export's.

The files of shards, and those that a format has once for all of them, are named by the formats
(`pipeline.formats.base.ShardFormat.files` and `whole_files`), files of the whole data set by the
exports (`pipeline.exports.base.Export.files`); the folders are named here.

::

    OUT/
      <format>/<split>/<digest>/                          shards and their indexes
      <format>/<split>/<digest>/facts.parquet             what only the bytes tell, a row per image
      <format>/<split>/<digest>/manifest.json             written last
      <format>/<split>/current -> <digest>
      bboxes.csv  bboxes.report.csv                       of train; bboxes.<split>.csv of others
      bboxes.unmatched.csv                                annotations that fit no image
      lists/<split>.lst  synsets.txt  labels.tsv          image lists and label tables
      lists/<split>.classes.tsv                           of class folders, the label of each
      facts/<split>/<digest>/                             no shards, where none are wanted
      train/<class>/*.JPEG  val/<class>/*.JPEG              trees, named by a split's `folder`
      .shardmill/                                         how far the work is
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_STATE = ".shardmill"
METADATA = "metadata.parquet"
"""What describes the images of a folder and of the folders in it, and is no image itself."""
LISTS = "lists"
"""The folder of image lists and label tables, whose name no tree may have."""
_NUMBERED = re.compile(r"([0-9]{5,8})\.json")
_DIGEST = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class ShardName:
    """One shard of a split: 0-based `index` of `count`."""

    split: str
    index: int
    count: int

    @property
    def stem(self) -> str:
        """The name without a format's suffix: ``train-00000-of-01024``."""
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}"


def state(out: Path) -> Path:
    """The folder of marks, indexes, catalogs, plans and shard manifests."""
    return out / _STATE


def run_lock(out: Path) -> Path:
    """The file that running commands lock."""
    return state(out) / "run.lock"


def jobs(out: Path) -> Path:
    """The folder of what was asked for, a file per job."""
    return state(out) / "jobs"


def last_job(out: Path) -> Path:
    """What was asked for last."""
    return state(out) / "job.json"


def job(out: Path, digest: str) -> Path:
    """What was asked for, written when its inputs were found to be there."""
    return jobs(out) / f"{digest}.json"


def archive_mark(out: Path, archive: str, look: str) -> Path:
    """The mark of a verified archive, by its published name and its `FileInfo.look`.

    Hosts whose copies have other times share one output: each copy has a mark of its own.
    """
    return state(out) / "archives" / f"{archive}.{look}.json"


def archive_refusal(out: Path, archive: str, look: str) -> Path:
    """Why an archive of these looks was refused."""
    return state(out) / "archives" / f"{archive}.{look}.refused.json"


def archive_index(out: Path, archive: str) -> Path:
    """The member index of an archive, by its published file name."""
    return state(out) / "archives" / f"{archive}.index.parquet"


def member_hashes(out: Path, archive: str) -> Path:
    """The hashes of the members of an archive, by its published file name."""
    return state(out) / "archives" / f"{archive}.members.arrow"


def tree_record(out: Path, split: str, digest: str) -> Path:
    """What is known of a split in a tree without reading it, or when it is gone."""
    return sources(out) / f"{split}-{digest}.json"


def list_record(out: Path, split: str, digest: str) -> Path:
    """What is known of a split in a list or folder without reading it."""
    return sources(out) / f"list-{split}-{digest}.json"


def sources(out: Path) -> Path:
    """The folder of what is known of sources, and of the files that parts were made of."""
    return state(out) / "sources"


def part_sources(out: Path, family: str, part: int) -> Path:
    """The fingerprints of the files that a shard, or a group of classes of a tree, was made of.

    `family` is the digest of the shards of a split, or of a tree.
    """
    return sources(out) / family / f"{part:05d}.arrow"


def sources_lock(out: Path) -> Path:
    """The file that is locked while outputs are finished or withdrawn."""
    return state(out) / "sources.lock"


def withdrawal(out: Path) -> Path:
    """What is being withdrawn because an image was replaced; absent otherwise."""
    return state(out) / "withdrawal.json"


def annotation_contents(out: Path, split: str) -> Path:
    """The fingerprints of a split's annotations in a tree."""
    return sources(out) / f"annotations-{split}.arrow"


def catalog(out: Path, split: str, digest: str) -> Path:
    """The catalog of a split: a row per image."""
    return state(out) / "catalogs" / f"{split}-{digest}.parquet"


def catalog_mark(out: Path, split: str, digest: str) -> Path:
    """The mark of a finished catalog."""
    return catalog(out, split, digest).with_suffix(".json")


def catalog_unmatched(out: Path, split: str, digest: str) -> Path:
    """The annotations that fit no image of a catalog."""
    return catalog(out, split, digest).with_suffix(".unmatched.csv")


def labels_mark(out: Path, split: str, digest: str) -> Path:
    """The mark that a split's labels agree with the devkit's."""
    return state(out) / "labels" / f"{split}-{digest}.json"


def plan(out: Path, split: str, digest: str) -> Path:
    """The plan of a split: the catalog in shard order, a record batch per shard."""
    return state(out) / "plans" / f"{split}-{digest}.arrow"


def plan_mark(out: Path, split: str, digest: str) -> Path:
    """The mark of a finished plan."""
    return plan(out, split, digest).with_suffix(".json")


def shard_marks(out: Path, digest: str) -> Path:
    """The folder of one output's shard manifests and facts."""
    return state(out) / "shards" / digest


def shard_mark(out: Path, digest: str, index: int) -> Path:
    """The manifest of one shard."""
    return shard_marks(out, digest) / f"{index:05d}.json"


def shard_facts(out: Path, digest: str, index: int) -> Path:
    """The facts of the images of one shard."""
    return shard_marks(out, digest) / f"{index:05d}.facts.arrow"


def product_marks(out: Path) -> Path:
    """The folder of the marks of products whose paths carry no digest."""
    return state(out) / "products"


def product_mark(out: Path, name: str) -> Path:
    """The mark of such a product: whose it is, and whether it is finished."""
    return product_marks(out) / f"{name}.json"


def tree_marks(out: Path, digest: str) -> Path:
    """The folder of the marks and listings of one extracted tree."""
    return state(out) / "trees" / digest


def group_mark(out: Path, digest: str, index: int) -> Path:
    """The mark of one extracted group of classes."""
    return tree_marks(out, digest) / f"{index:05d}.json"


def group_listing(out: Path, digest: str, index: int) -> Path:
    """The files of one extracted group of classes, with sizes and hashes."""
    return tree_marks(out, digest) / f"{index:05d}.files.arrow"


def bboxes(out: Path, split: str) -> Path:
    """The bounding boxes of a split."""
    return out / f"{_bboxes(split)}.csv"


def bboxes_report(out: Path, split: str) -> Path:
    """What was repaired, dropped or refused on the way to the boxes."""
    return out / f"{_bboxes(split)}.report.csv"


def bboxes_unmatched(out: Path, split: str) -> Path:
    """The annotations that fit no image of a split."""
    return out / f"{_bboxes(split)}.unmatched.csv"


def bboxes_table(out: Path, split: str) -> Path:
    """The bounding boxes of a split by class and name, for its catalog."""
    return product_marks(out) / f"bboxes-{split}.arrow"


def lists(out: Path) -> Path:
    """The folder of image lists and label tables."""
    return out / LISTS


def image_list(out: Path, split: str) -> Path:
    """The images of a split, in the form of im2rec."""
    return lists(out) / f"{split}.lst"


def synsets(out: Path) -> Path:
    """The ids of the classes, sorted, one per line."""
    return lists(out) / "synsets.txt"


def class_table(out: Path, split: str) -> Path:
    """The label of each class folder that a split was made of."""
    return lists(out) / f"{split}.classes.tsv"


def label_table(out: Path) -> Path:
    """Every class by all conventions in use."""
    return lists(out) / "labels.tsv"


def tree(out: Path, folder: str) -> Path:
    """The tree of class folders of a split."""
    return out / folder


def runs(out: Path) -> Path:
    """The folder of the commands that worked here, a folder each."""
    return state(out) / "runs"


def run(out: Path, name: str) -> Path:
    """The folder of one command's counters, timings, failures and log."""
    return runs(out) / name


def run_failures(out: Path, name: str) -> Path:
    """The folder of the failure records of one command."""
    return run(out, name) / "failures"


def run_counters(out: Path, name: str) -> Path:
    """The folder of the progress counters of one command, a file per process at work."""
    return run(out, name) / "counters"


def run_timings(out: Path, name: str) -> Path:
    """The steps that one command has finished, a JSON object per line."""
    return run(out, name) / "timings.jsonl"


def run_end(out: Path, name: str) -> Path:
    """How one command ended."""
    return run(out, name) / "end.json"


def run_log(out: Path, name: str) -> Path:
    """The log of the worker of one command."""
    return run(out, name) / "worker.log"


def outputs(out: Path, shard_format: str, split: str) -> Path:
    """The folder of all outputs of one format and split."""
    return out / shard_format / split


def output(out: Path, shard_format: str, split: str, digest: str) -> Path:
    """The folder of one output."""
    return outputs(out, shard_format, split) / digest


def current(out: Path, shard_format: str, split: str) -> Path:
    """The link to the output that was finished last: the path a training script uses."""
    return outputs(out, shard_format, split) / "current"


def manifest(folder: Path) -> Path:
    """The manifest of an output."""
    return folder / "manifest.json"


def facts(folder: Path) -> Path:
    """The facts of an output."""
    return folder / "facts.parquet"


def numbers(marks: Iterable[Path]) -> list[int]:
    """The 0-based numbers in the names of marks of parts; other files have none."""
    return [int(match[1]) for path in marks if (match := _NUMBERED.fullmatch(path.name))]


def is_digest(name: str) -> bool:
    """Whether a folder of this name can be an output's."""
    return _DIGEST.fullmatch(name) is not None


def _bboxes(split: str) -> str:  # the scripts that it is of know boxes of training images only
    return "bboxes" if split == "train" else f"bboxes.{split}"
