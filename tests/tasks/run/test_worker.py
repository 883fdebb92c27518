"""The process that runs Luigi: what it makes of a job whose inputs are others by then."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawnlists import draw_list

from pipeline.errors import InputRefused
from pipeline.job.build import build_job
from tasks.run import worker


def test_a_list_that_was_changed_after_the_look_is_named(tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "set", 3)
    job = build_job(
        "imagelist",
        {"images": str(drawn.path), "root": str(drawn.root), "out": str(tmp_path / "out")},
    )
    with pytest.raises(InputRefused, match="was changed while the command was at work") as refusal:
        worker._run(job, "of another list", 1, [])
    assert refusal.value.file == str(drawn.path)
    assert "same command again" in str(refusal.value.remedy)
