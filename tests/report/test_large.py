"""How large the pages of a set of a thousand classes in three splits are: no image is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report_scale import IMAGES, MB, gathered
from pipeline.report import page_files, places
from pipeline.report.chosen import CELLS
from pipeline.report.gathered import Gathered


@pytest.fixture(scope="module")
def whole() -> Gathered:
    """All three splits of the set."""
    return gathered(Path("OUT"))


def test_the_first_page_is_less_than_two_megabytes(whole: Gathered) -> None:
    sizes = {path.name: len(content) for path, content in page_files.first_page(whole)}
    assert 0.5 * MB < sizes["index.html"] < 2 * MB
    assert sizes[places.KEYS] < 4 * MB


def test_a_page_of_a_class_is_less_than_a_megabyte(whole: Gathered) -> None:
    _, content = next(page_files.pages_of_classes(whole))
    assert content.count(b"<figure ") == CELLS * len(IMAGES)
    assert len(content) < MB / 10  # so those of all classes leave room for 183 MB of sheets
