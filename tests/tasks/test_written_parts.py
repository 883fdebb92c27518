"""The step that writes a part: what it needs is there, and it is never complete before it ran."""

from __future__ import annotations

from pathlib import Path

import pytest
import support
from finishedoutputs import kept, prepared
from support import RawSet, products

from pipeline.shards.part import Part
from pipeline.state import progress, run_end
from tasks.parts import WritePart
from tasks.phases import PREPARING, PartOf, named

MORE = ("--shards", "train=3", "--split", "train")


def test_a_worker_is_told_of_a_part_by_its_name() -> None:
    phase = PartOf(Part(3, 100))
    assert phase.name == "part 3/100"
    assert named(phase.name) == phase
    assert named(PREPARING.name) is PREPARING


def test_what_a_part_needs_is_there_once_it_is_planned(small: RawSet, out: Path) -> None:
    prepared(small, out, *MORE, "--until", "plan")
    job = small.job(out, shards=(("train", 3),), splits=("train",))
    root = PartOf(Part(0, 2)).root(job)
    assert isinstance(root, WritePart)
    names = {type(task).__name__: task.document() is not None for task in root.requires()}
    assert names == {"BuildPlan": True, "CheckInputs": False, "VerifyArchive": True}
    assert not root.complete()
    assert not PartOf(Part(0, 2)).is_complete(job)
    assert PartOf(Part(3, 4)).is_complete(job)  # it has none of its own


@pytest.mark.usefixtures("hurried")
def test_a_worker_writes_a_part_in_processes(small: RawSet, out: Path) -> None:
    prepared(small, out, *MORE, "--until", "plan")
    run = support.prepare(small, out, *MORE, "--part", "1/2", "--workers", 2)
    assert run.returncode == 0, run.stderr
    assert products(out) == products(kept(small, *MORE).out)
    end = run_end.last(out)
    assert end is not None
    assert end.status == 0
    name = progress.latest_run(out)
    assert name is not None
    steps = {step.step: step.tasks for step in progress.by_step(progress.timings(out, name))}
    assert steps["shards"] == 3
    assert progress.counts(out, name) == []
