"""An annotation that was changed and kept its size: its boxes are not taken for the new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawntrees import TreeSet, annotation, do, draw_tree

from pipeline import paths
from pipeline.annotations import bboxes
from pipeline.errors import OutputConflict, TransientError
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state.standing import output_folders
from pipeline.verification.findings import Finding, Layer
from pipeline.verification.reading import Verification

OLD, NEW = "n00000001_1.JPEG,0.1000,0.2500,0.5000,0.5000", ",0.9000,"


@pytest.fixture
def drawn(tmp_path: Path) -> TreeSet:
    return draw_tree(tmp_path)


def findings(out: Path, jobs: list[Job], against: Path) -> list[Finding]:
    reading = Verification(out, jobs, against)
    return list(reading.findings(output_folders(out)))


def correct(drawn: TreeSet) -> None:
    path = drawn.annotation(1)
    before = path.stat().st_size
    path.write_bytes(annotation("n00000001_1", 90))
    assert path.stat().st_size == before


def test_it_is_refused_and_replaced_on_request(drawn: TreeSet, out: Path) -> None:
    do(drawn.job(out))
    finished = resolve(drawn.job(out)).splits["train"].outputs[0]
    correct(drawn)
    with pytest.raises(OutputConflict, match=r"bboxes\.csv"):
        do(drawn.job(out))
    assert OLD in paths.bboxes(out, "train").read_text()
    do(drawn.job(out, replace=True))
    assert NEW in paths.bboxes(out, "train").read_text()
    made = resolve(drawn.job(out, replace=True)).splits["train"].outputs[0]
    assert made.digest != finished.digest
    assert paths.current(out, "tfrecord", "train").resolve() == made.folder
    assert findings(out, [drawn.job(out)], drawn.tree) == []


def test_verify_names_the_box_that_is_another_now(drawn: TreeSet, out: Path) -> None:
    job = drawn.job(out)
    do(job)
    assert findings(out, [job], drawn.tree) == []
    correct(drawn)
    (found,) = findings(out, [job], drawn.tree)
    assert (found.layer, found.path, found.removable) == (
        Layer.SOURCE,
        paths.bboxes(out, "train"),
        False,
    )
    assert found.error.found == OLD
    assert NEW in str(found.error.expected)
    assert "--replace" in str(found.error.remedy)


def test_one_that_is_changed_while_boxes_are_made_is_not_taken(
    drawn: TreeSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = bboxes.collect

    def late(*given: object, **options: object) -> object:
        found = collect(*given, **options)  # type: ignore[arg-type]
        correct(drawn)
        return found

    monkeypatch.setattr(bboxes, "collect", late)
    job = drawn.job(out, steps=("boxes",))
    with pytest.raises(TransientError, match="changed while"):
        do(job)
    assert not paths.bboxes(out, "train").exists()
    monkeypatch.undo()
    do(job)
    assert NEW in paths.bboxes(out, "train").read_text()
