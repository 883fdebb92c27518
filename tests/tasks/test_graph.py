"""What depends on what is written once: Luigi sees the graph of the artifacts, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import pytest
from drawnlists import draw_list
from goldenjobs import JOBS, Command, draw_inputs
from support import RawSet

from pipeline.exports import registry
from pipeline.job.artifacts import Begun
from pipeline.job.build import build_job
from pipeline.job.graph import Graph
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.options import options_of
from pipeline.state.inventory import Inventory
from tasks.cli import cli, options
from tasks.roots import prepare_task

PREPARING = {
    name: [words for words in commands if words[0] in {"imagenet", "imagelist"}]
    for name, commands in JOBS.items()
    if not name.startswith(("im2rec", "open images"))
}
"""Commands that prepare, by the name of their golden job.

Of Open Images there is no graph before it was collected.
"""

OF_EVERYTHING = """
inputs:
archive-ILSVRC2012_bbox_train_v2.tar.gz: inputs
bboxes-train: archive-ILSVRC2012_bbox_train_v2.tar.gz
archive-ILSVRC2012_img_train.tar: inputs
catalog-train: archive-ILSVRC2012_img_train.tar bboxes-train
list-train: catalog-train
unmatched-train: catalog-train
groups-train-tree: catalog-train inputs archive-ILSVRC2012_img_train.tar
tree-train: groups-train-tree
labels: inputs
plan-train: catalog-train
shards-train: plan-train inputs archive-ILSVRC2012_img_train.tar
manifest-train-recordio: shards-train
joined-train-DIGEST: manifest-train-recordio
groups-train-tree256: catalog-train inputs archive-ILSVRC2012_img_train.tar
tree256-train: groups-train-tree256
dbcollection.raw256: catalog-train tree256-train
dbcollection.classification: catalog-train tree-train
imagefolder-train: catalog-train tree-train
parquet: catalog-train manifest-train-recordio
croissant: bboxes-train joined-train-DIGEST list-train unmatched-train labels parquet\
 manifest-train-recordio
link-train-recordio: manifest-train-recordio
"""
"""What each artifact needs of a job that makes nearly everything."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph") / "in"
    draw_inputs(folder)
    return folder


def job_of(words: Command, inputs: Path, out: Path) -> Job:
    """Return the job that a command line means."""
    command, *given = (word.format_map({"in": str(inputs), "out": str(out)}) for word in words)
    found: Any = cli.get_command(None, command)  # type: ignore[arg-type]
    values, _ = options.split_run_options(
        options_of(command), found.make_context(command, given).params
    )
    return build_job(command, values)


def required(task: Any) -> list[Any]:
    """Return the tasks that Luigi runs before a task."""
    flatten: Any = luigi.task.flatten
    return list(flatten(task.requires()))


def tasks_behind(roots: list[Any]) -> Iterator[Any]:
    """Yield every task that Luigi would run, each once."""
    seen: dict[str, Any] = {}
    ahead = list(roots)
    while ahead:
        task = ahead.pop()
        if task.task_id not in seen:
            seen[task.task_id] = task
            ahead += required(task)
    yield from seen.values()


def needs(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {artifact.name: artifact.needs for artifact in graph}


@pytest.mark.parametrize("name", PREPARING)
def test_luigi_sees_the_graph_of_artifacts(name: str, inputs: Path, out: Path) -> None:
    for words in PREPARING[name]:
        job = job_of(words, inputs, out)
        graph, last = resolve(job).graph, required(prepare_task(job))
        assert [task.artifact.name for task in last] == list(graph.last)
        seen: dict[str, tuple[str, ...]] = {}
        for task in tasks_behind(last):
            before = tuple(dict.fromkeys(each.artifact.name for each in required(task)))
            assert seen.setdefault(task.artifact.name, before) == before
            assert not hasattr(task, "digest") or task.digest == task.artifact.digest
        assert seen == needs(graph)


@pytest.mark.parametrize("name", PREPARING)
def test_each_artifact_stands_behind_what_it_needs_and_can_be_asked_for(
    name: str, inputs: Path, out: Path
) -> None:
    resolved = resolve(job_of(PREPARING[name][0], inputs, out))
    before = set[str]()
    for artifact in resolved.graph:
        assert before.issuperset(artifact.needs)
        before.add(artifact.name)
    inventory = Inventory(resolved)
    assert {each.name: each.step for each in inventory.pending()} == {
        each.name: each.step for each in resolved.graph
    }
    assert all(each.step for each in resolved.graph)


@pytest.mark.parametrize("name", PREPARING)
def test_the_path_of_a_mark_says_the_kind_split_and_variant_of_its_product(
    name: str, inputs: Path, out: Path
) -> None:
    for product in resolve(job_of(PREPARING[name][0], inputs, out)).products:
        assert product.mark is not None
        there = Begun.at(product.mark)
        assert there.name == product.name
        assert (there.kind, there.split) == (product.kind, product.split)
        assert there.variant == product.variant
        assert bool(product.tree) == (product.kind in registry.trees())


def test_what_everything_needs(sample: RawSet, out: Path) -> None:
    job = sample.job(
        out,
        splits=("train",),
        steps=("boxes", "lists", "extract", "shards"),
        formats=("recordio",),
        joined=True,
        exports=("raw256", "dbcollection", "imagefolder", "parquet", "croissant"),
    )
    resolved = resolve(job)
    (output,) = resolved.splits["train"].outputs
    lines = (f"{name}: {' '.join(each)}".rstrip() for name, each in needs(resolved.graph).items())
    text = "".join(f"{line}\n" for line in lines).replace(output.digest, "DIGEST")
    assert sorted(text.splitlines()) == sorted(OF_EVERYTHING.strip().splitlines())


def test_only_catalog_plan_and_shards_are_made_of_archives_that_are_not_verified(
    sample: RawSet, out: Path
) -> None:
    options: dict[str, Any] = {"splits": ("train",), "exports": ("parquet",)}
    options |= {"steps": ("boxes", "lists", "extract", "shards"), "formats": ("recordio",)}
    beside = resolve(sample.job(out, verify="beside", **options)).graph
    archive, walked = "archive-ILSVRC2012_img_train.tar", "walked-ILSVRC2012_img_train.tar"
    assert beside["catalog-train"].needs == (walked, "bboxes-train")
    assert beside["plan-train"].needs == ("catalog-train",)
    assert beside["shards-train"].needs == ("plan-train", "inputs")
    others = {*needs(beside)} - {"catalog-train", "plan-train", "shards-train"}
    of_images = {"catalog-train", "plan-train", "shards-train"}
    for name in others:
        if of_images.intersection(beside[name].needs):
            assert archive in beside[name].needs, name
    before = resolve(sample.job(out, **options)).graph
    assert {*needs(beside)} == {*needs(before), walked}


def test_luigi_sees_the_graph_where_archives_are_verified_beside_the_shards(
    sample: RawSet, out: Path
) -> None:
    job = sample.job(out, verify="beside", steps=("boxes", "lists", "extract", "plan", "shards"))
    graph, seen = resolve(job).graph, dict[str, tuple[str, ...]]()
    for task in tasks_behind(required(prepare_task(job))):
        before = tuple(dict.fromkeys(each.artifact.name for each in required(task)))
        assert seen.setdefault(task.artifact.name, before) == before
        assert task.priority == (task.artifact.kind == "archive")
    assert seen == needs(graph)


def test_a_list_comes_after_the_shards_where_images_may_be_left_out(
    sample: RawSet, out: Path
) -> None:
    graph = resolve(sample.job(out, on_bad_image="skip")).graph
    for split in ("train", "validation"):
        assert graph[f"list-{split}"].needs == (f"catalog-{split}", f"manifest-{split}-tfrecord")


def test_what_nothing_needs_any_more_is_not_asked_for(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "set", images=6)
    words = ("imagelist", str(drawn.path), "--root", str(drawn.root), "--out", str(out))
    resolved = resolve(job_of((*words, "--shards", "2"), tmp_path, out))
    split = next(iter(resolved.splits))
    inventory = Inventory(resolved)
    assert [artifact.kind for artifact in inventory.pending()] == [
        *("inputs", "catalog", "plan", "shards", "manifest", "link")
    ]
    assert inventory.pending([f"catalog-{split}"]) == tuple(resolved.graph)[:2]
    assert not inventory.complete
