"""Every source answers the same questions, whichever of them a job's options mean."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from drawnlists import draw_list
from drawntrees import draw_tree
from indexing import verify_and_index
from support import RawSet

from pipeline import paths
from pipeline.catalog import table as catalog
from pipeline.errors import TreeRefused
from pipeline.formats.registry import is_cut
from pipeline.job.options import Job
from pipeline.sources import registry
from pipeline.sources.source import Source


def jobs(folder: Path, small: RawSet) -> dict[str, Job]:
    """Return a job for each kind of source, all of a single split."""
    out = folder / "out"
    listed = draw_list(folder / "list", 10)
    whole = str(listed.root)
    return {
        "archive": small.job(out, splits=("train",), boxes=False),
        "tree": draw_tree(folder).job(out, boxes=False),
        "list": Job("", str(out), "", images=str(listed.path), root=whole),
        "folder": Job(
            "", str(out), "", images=str(listed.root), root=str(listed.root), recursive=True
        ),
    }


def source_of(job: Job) -> Source:
    found = registry.data_set(job)
    ((name, source),) = found.read(registry.split_names(job), is_cut).items()
    assert source.split == found.splits[name]
    return source


@pytest.mark.parametrize("kind", ["archive", "tree", "list", "folder"])
def test_a_source_says_beforehand_what_its_rows_will_be(
    small: RawSet, tmp_path: Path, kind: str
) -> None:
    job = jobs(tmp_path, small)[kind]
    source = source_of(job)
    for archive in source.inputs:
        index = paths.archive_index(Path(job.out), archive.file)
        verify_and_index(source.root / archive.file, index, expected_md5=archive.md5, nested=True)
    rows = pa.concat_tables(source.rows(Path(job.out), None))
    assert rows.schema == catalog.SCHEMA
    assert rows.num_rows == source.expected.images > 0
    assert source.whole_files is (kind != "archive") is (source.stamps() is not None)
    assert source.size() >= sum(rows["length"].to_pylist())
    assert all((source.root / name).exists() for name in set(rows["source"].to_pylist()))
    again = source_of(job)
    assert (again.identity(), again.places()) == (source.identity(), source.places())


@pytest.mark.parametrize("kind", ["tree", "folder"])
def test_another_file_is_another_identity_and_its_place_is_none(
    small: RawSet, tmp_path: Path, kind: str
) -> None:
    job = jobs(tmp_path, small)[kind]
    before = source_of(job)
    moved = Path(job.tree or job.images).rename(tmp_path / "moved")
    if job.tree:
        there = replace(job, tree=str(moved))
    else:
        there = replace(job, images=str(moved), root=str(moved), name=before.split.name)
    assert source_of(there).identity() == before.identity()
    longer = next(path for path in sorted(moved.rglob("*.[jJ]*")) if path.is_file())
    longer.write_bytes(longer.read_bytes() + b"\0")
    assert source_of(there).identity() != before.identity()


def test_a_tree_that_is_gone_is_what_was_remembered_of_it(small: RawSet, tmp_path: Path) -> None:
    job = jobs(tmp_path, small)["tree"]
    there = source_of(job)
    assert there.gone() is None
    there.remember()
    shutil.rmtree(job.tree)
    source = source_of(job)
    assert (source.identity(), source.stamps()) == (there.identity(), None)
    with pytest.raises(TreeRefused, match="the tree is gone"):
        raise source.gone() or LookupError
