"""Pure functions that spell every file name of the output tree that is not a format's or export's.

Formats name the files of shards and those that an output has once (`ShardFormat.files` and
`whole_files`), exports those of the whole data set (`Export.files`); the folders are named here.

::

    OUT/
      <format>/<split>/<digest>/                          shards and their indexes; or facts/...
      <format>/<split>/<digest>/facts.parquet             what only the bytes tell, a row per image
      <format>/<split>/<digest>/manifest.json             written last
      <format>/<split>/current -> <digest>
      bboxes.csv  bboxes.report.csv  bboxes.unmatched.csv of train; bboxes.<split>.csv of others
      lists/<split>.lst  lists/<split>.classes.tsv        image lists, labels of class folders
      lists/synsets.txt  lists/labels.tsv                 label tables
      train/<class>/*.JPEG  val/<class>/*.JPEG              trees, named by a split's `folder`
      .shardmill/                                         how far the work is
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.digests import file_name
from pipeline.storage import Location, Where, below, host_state, with_suffix

_STATE = ".shardmill"
METADATA = "metadata.parquet"  # of the images of a folder and of the folders in it; no image itself
LISTS = "lists"  # the folder of image lists and label tables, whose name no tree may have
_DIGEST = re.compile(r"[0-9a-f]{12}")


def state(out: Where) -> Where:
    """The folder of marks, indexes, catalogs, plans and shard manifests."""
    return below(out, _STATE)


def run_lock(out: Location) -> Path:
    """The file that running commands lock."""
    return below(host_state(out), "run.lock")


def jobs(out: Where) -> Where:
    """The folder of what was asked for, a file per job."""
    return below(out, _STATE, "jobs")


def last_job(out: Where) -> Where:
    """What was asked for last."""
    return below(out, _STATE, "job.json")


def job(out: Where, digest: str) -> Where:
    """What was asked for, written when its inputs were found to be there."""
    return below(jobs(out), f"{digest}.json")


def archive_mark(out: Where, archive: str, look: str) -> Where:
    """The mark of a verified copy of an archive, by its published name and `FileInfo.look`."""
    return below(out, _STATE, "archives", f"{file_name(archive)}.{look}.json")


def archive_refusal(out: Where, archive: str, look: str) -> Where:
    """Why an archive of these looks was refused."""
    return below(out, _STATE, "archives", f"{file_name(archive)}.{look}.refused.json")


def archive_index(out: Where, archive: str) -> Where:
    """The member index of an archive, by its published file name."""
    return below(out, _STATE, "archives", f"{file_name(archive)}.index.parquet")


def walked_index(out: Where, archive: str) -> Where:
    """The member index of an archive that is not verified yet, by its published file name."""
    return below(out, _STATE, "archives", f"{file_name(archive)}.walked.parquet")


def member_hashes(out: Where, archive: str) -> Where:
    """The hashes of the members of an archive, by its published file name."""
    return below(out, _STATE, "archives", f"{file_name(archive)}.members.arrow")


def tree_record(out: Where, split: str, digest: str) -> Where:
    """What is known of a split in a tree without reading it, or when it is gone."""
    return below(sources(out), f"{split}-{digest}.json")


def list_record(out: Where, split: str, digest: str) -> Where:
    """What is known of a split in a list or folder without reading it; `split` "": of which."""
    return below(sources(out), f"list-{split}-{digest}.json")


def shards_record(out: Where, split: str, digest: str) -> Where:
    """What is known of a split in shards without reading them; its table lies beside it."""
    return below(sources(out), f"shards-{split}-{digest}.json")


def sources(out: Where) -> Where:
    """The folder of what is known of sources, and of the files that parts were made of."""
    return below(out, _STATE, "sources")


def part_sources(out: Where, family: str, part: int) -> Where:
    """The fingerprints of what a shard or class group was made of; `family`: of shards or tree."""
    return below(sources(out), family, f"{part:05d}.arrow")


def sources_lock(out: Location) -> Path:
    """The file that is locked while outputs are finished or withdrawn."""
    return below(host_state(out), "sources.lock")


def withdrawal(out: Where) -> Where:
    """What is being withdrawn because an image was replaced; absent otherwise."""
    return below(out, _STATE, "withdrawal.json")


def annotation_contents(out: Where, split: str) -> Where:
    """The fingerprints of a split's annotations in a tree."""
    return below(sources(out), f"annotations-{split}.arrow")


def catalog(out: Where, split: str, digest: str) -> Where:
    """The catalog of a split: a row per image."""
    return below(out, _STATE, "catalogs", f"{split}-{digest}.parquet")


def catalog_mark(out: Where, split: str, digest: str) -> Where:
    """The mark of a finished catalog."""
    return with_suffix(catalog(out, split, digest), ".json")


def catalog_unmatched(out: Where, split: str, digest: str) -> Where:
    """The annotations that fit no image of a catalog."""
    return with_suffix(catalog(out, split, digest), ".unmatched.csv")


def labels_mark(out: Where, split: str, digest: str) -> Where:
    """The mark that a split's labels agree with the devkit's."""
    return below(out, _STATE, "labels", f"{split}-{digest}.json")


def plan(out: Where, split: str, digest: str) -> Where:
    """The plan of a split: the catalog in shard order, a record batch per shard."""
    return below(out, _STATE, "plans", f"{split}-{digest}.arrow")


def plan_mark(out: Where, split: str, digest: str) -> Where:
    """The mark of a finished plan."""
    return with_suffix(plan(out, split, digest), ".json")


def append_record(out: Where, split: str, digest: str) -> Where:
    """What an append comes to, by the digest of the shards that it makes: how many of what."""
    return below(out, _STATE, "generations", f"{split}-{digest}.json")


def shard_terms(out: Where, split: str, name: str) -> Where:
    """What decides the bytes of a split's shards, kept when they are planned."""
    return below(out, _STATE, "terms", f"{split}-{name}.json")


def shard_claim(out: Where, digest: str, index: int) -> Where:
    """Which process says that it is writing a shard of the shards of a digest."""
    return below(out, _STATE, "claims", digest, f"{index:05d}.json")


def lease(out: Where, name: str) -> Where:
    """What a command says of itself while it is at work."""
    return below(out, _STATE, "leases", f"{name}.json")


def shard_marks(out: Where, digest: str) -> Where:
    """The folder of one output's shard manifests and facts."""
    return below(out, _STATE, "shards", digest)


def shard_mark(out: Where, digest: str, index: int) -> Where:
    """The manifest of one shard."""
    return below(shard_marks(out, digest), f"{index:05d}.json")


def shard_facts(out: Where, digest: str, index: int) -> Where:
    """The facts of the images of one shard."""
    return below(shard_marks(out, digest), f"{index:05d}.facts.arrow")


def product_marks(out: Where) -> Where:
    """The folder of the marks of products whose paths carry no digest."""
    return below(out, _STATE, "products")


def product_mark(out: Where, name: str) -> Where:
    """The mark of such a product: whose it is, and whether it is finished."""
    return below(product_marks(out), f"{name}.json")


def tree_marks(out: Where, digest: str) -> Where:
    """The folder of the marks and listings of one extracted tree."""
    return below(out, _STATE, "trees", digest)


def group_mark(out: Where, digest: str, index: int) -> Where:
    """The mark of one extracted group of classes."""
    return below(tree_marks(out, digest), f"{index:05d}.json")


def group_listing(out: Where, digest: str, index: int) -> Where:
    """The files of one extracted group of classes, with sizes and hashes."""
    return below(tree_marks(out, digest), f"{index:05d}.files.arrow")


def bboxes(out: Where, split: str) -> Where:
    """The bounding boxes of a split."""
    return below(out, f"{_bboxes(split)}.csv")


def bboxes_report(out: Where, split: str) -> Where:
    """What was repaired, dropped or refused on the way to the boxes."""
    return below(out, f"{_bboxes(split)}.report.csv")


def bboxes_unmatched(out: Where, split: str) -> Where:
    """The annotations that fit no image of a split."""
    return below(out, f"{_bboxes(split)}.unmatched.csv")


def bboxes_table(out: Where, split: str) -> Where:
    """The bounding boxes of a split by class and name, for its catalog."""
    return below(product_marks(out), f"bboxes-{split}.arrow")


def lists(out: Where) -> Where:
    """The folder of image lists and label tables."""
    return below(out, LISTS)


def image_list(out: Where, split: str) -> Where:
    """The images of a split, in the form of im2rec."""
    return below(lists(out), f"{split}.lst")


def synsets(out: Where) -> Where:
    """The ids of the classes, sorted, one per line."""
    return below(lists(out), "synsets.txt")


def class_table(out: Where, split: str) -> Where:
    """The label of each class folder that a split was made of."""
    return below(lists(out), f"{split}.classes.tsv")


def label_table(out: Where) -> Where:
    """Every class by all conventions in use."""
    return below(lists(out), "labels.tsv")


def tree(out: Where, folder: str) -> Where:
    """The tree of class folders of a split."""
    return below(out, folder)


def runs(out: Location) -> Path:
    """The folder of the commands that worked here, a folder each."""
    return below(host_state(out), "runs")


def run(out: Location, name: str) -> Path:
    """The folder of one command's counters, timings, failures and log."""
    return below(runs(out), name)


def run_failures(out: Location, name: str) -> Path:
    """The folder of the failure records of one command."""
    return below(run(out, name), "failures")


def run_counters(out: Location, name: str) -> Path:
    """The folder of the progress counters of one command, a file per process at work."""
    return below(run(out, name), "counters")


def run_timings(out: Location, name: str) -> Path:
    """The steps that one command has finished, a JSON object per line."""
    return below(run(out, name), "timings.jsonl")


def run_end(out: Location, name: str) -> Path:
    """How one command ended."""
    return below(run(out, name), "end.json")


def run_log(out: Location, name: str) -> Path:
    """The log of the worker of one command."""
    return below(run(out, name), "worker.log")


def outputs(out: Where, shard_format: str, split: str) -> Where:
    """The folder of all outputs of one format and split."""
    return below(out, shard_format, split)


def output(out: Where, shard_format: str, split: str, digest: str) -> Where:
    """The folder of one output."""
    return below(outputs(out, shard_format, split), digest)


def current(out: Where, shard_format: str, split: str) -> Where:
    """The link to the output that was finished last: the path a training script uses."""
    return below(outputs(out, shard_format, split), "current")


def manifest(folder: Where) -> Where:
    """The manifest of an output."""
    return below(folder, "manifest.json")


def facts(folder: Where) -> Where:
    """The facts of an output."""
    return below(folder, "facts.parquet")


def is_digest(name: str) -> bool:
    """Whether a folder of this name can be an output's."""
    return _DIGEST.fullmatch(name) is not None


def _bboxes(split: str) -> str:  # the scripts that it is of know boxes of training images only
    return "bboxes" if split == "train" else f"bboxes.{split}"
