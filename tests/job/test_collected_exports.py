"""What is made of Open Images without being asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.job.build import build_job


@pytest.mark.parametrize(
    ("given", "exports"),
    [
        ({}, ("annotations",)),
        ({"boxes": False, "by": "masks"}, ("annotations",)),
        ({"boxes": False, "by": "labels", "masks": True}, ("annotations",)),
        ({"boxes": False, "by": "labels"}, ()),
    ],
)
def test_annotations_are_made_where_there_are_objects(
    tmp_path: Path, given: dict[str, Any], exports: tuple[str, ...]
) -> None:
    job = build_job("openimages", {"out": str(tmp_path), "class": ("Bear",), **given})
    assert job.openimages.by == given.get("by", "boxes")
    assert job.exports == exports
