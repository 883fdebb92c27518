"""A file of all splits keeps those that earlier commands have finished by the same options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import inprocess
import pyarrow.parquet as pq
import pytest
from collectedimages import collect, job_of, some_images

from pipeline import paths, storage
from pipeline.errors import OutputDamaged
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.sources.openimages import config, places
from pipeline.state import claims, whole_set
from tasks.prepare import is_complete, leaf_tasks

SPLITS = {"train": 12, "validation": 6, "test": 7}
SHARDS = (("train", 2), ("test", 1))
FILES = ("metadata.parquet", "croissant.json")
HEAD = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,"
    "OriginalSize,OriginalMD5,Thumbnail300KURL,Rotation\n"
)


def collected(out: Path, **options: object) -> Job:
    """Return a job of all splits that is to be prepared."""
    job = job_of(out, *SPLITS, exports=("croissant",), replace=True, **options)
    for split, count in SPLITS.items():
        collect(job, split, some_images(count))
        authors(job, split).parent.mkdir(exist_ok=True)
        authors(job, split).write_text(HEAD)
    return job


def authors(job: Job, split: str) -> Path:
    """Return the CSV file of whose the images of a split are."""
    published = config.load(Path(job.config)).split(split).images
    assert published is not None
    return places.raw(Path(job.out)) / published.name


def prepare(job: Job) -> None:
    inprocess.forget()
    inprocess.build(leaf_tasks(job))
    assert is_complete(job)


def of(job: Job, split: str) -> Job:
    """Return the job of one split, which asks for shards of no other."""
    shards = tuple(pair for pair in job.shards if pair[0] == split)
    return replace(job, splits=(split,), shards=shards)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def contents(job: Job) -> list[bytes]:
    return [Path(job.out, name).read_bytes() for name in FILES]


def test_splits_one_by_one_give_the_files_of_all_together(tmp_path: Path) -> None:
    together = collected(tmp_path / "together", shards=SHARDS)
    prepare(together)
    apart = collected(tmp_path / "apart", shards=SHARDS)
    for split in ("test", "train", "validation"):
        prepare(of(apart, split))
    assert contents(apart) == contents(together)
    prepare(of(apart, "test"))  # again: the others stay
    assert contents(apart) == contents(together)


def test_a_split_of_other_options_is_not_kept_and_that_is_said(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    prepare(of(job, "train"))
    prepare(replace(of(job, "test"), formats=("webdataset",)))
    table = pq.read_table(Path(job.out, "metadata.parquet"))
    assert set(table["split"].to_pylist()) == {"test"}
    mark = claims.mark(job.folder, "parquet")
    assert mark is not None
    said = "metadata.parquet: without train, made by other options or not whole."
    assert mark.closing == (said,)


def test_a_split_that_is_not_whole_is_not_kept(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    prepare(of(job, "train"))
    train = resolve(of(job, "train")).splits["train"]
    resolved = resolve(of(job, "test"))
    assert list(whole_set.extended(resolved, "parquet").splits) == ["train", "test"]
    for needed in (
        paths.manifest(train.outputs[0].folder),
        paths.catalog_mark(job.folder, "train", train.catalog_digest),
        authors(job, "train"),
    ):
        away = storage.on_this_machine(needed).rename(tmp_path / "away")
        assert list(whole_set.extended(resolved, "parquet").splits) == ["test"]
        away.rename(storage.on_this_machine(needed))


def test_damaged_facts_of_another_split_are_refused(tmp_path: Path) -> None:
    job = collected(tmp_path / "out")
    prepare(of(job, "train"))
    (output,) = resolve(of(job, "train")).splits["train"].outputs
    flip(storage.on_this_machine(paths.facts(output.folder)))
    inprocess.forget()
    with pytest.raises(OutputDamaged, match="facts are not as they were written"):
        inprocess.build(leaf_tasks(of(job, "test")))
