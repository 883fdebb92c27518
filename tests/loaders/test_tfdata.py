"""The loader for TensorFlow, as far as it needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline.errors import OutputDamaged, UsageError
from pipeline.loaders import tfdata


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfdata, "_tensorflow", Mock())


def test_a_split_that_is_not_there_is_refused_with_the_one_that_was_meant(out: Path) -> None:
    for name in ("train", "validation"):
        (out / "tfrecord" / name).mkdir(parents=True)
    with pytest.raises(UsageError) as refusal:
        tfdata.dataset(out, "val")
    assert refusal.value.expected == "train, validation"
    assert refusal.value.remedy == "say 'validation'"


def test_an_output_that_was_not_finished_is_no_matter_of_names(out: Path) -> None:
    (out / "tfrecord" / "validation").mkdir(parents=True)
    with pytest.raises(OutputDamaged, match="not finished"):
        tfdata.dataset(out, "validation")
