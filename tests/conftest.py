"""Fixtures: the product's own drawn sample, and the real pictures where they are to be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import RawSet, mini_set, mini_source

from pipeline.sample import draw_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """The drawn sample: never changed by a test."""
    raw = tmp_path_factory.mktemp("sample")
    return RawSet(raw, draw_sample(raw))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """A smaller sample, without odd pictures, for tests that run the whole job often."""
    raw = tmp_path_factory.mktemp("small")
    config = draw_sample(
        raw, train_classes=3, images_per_class=4, validation_images=6, quirks=False
    )
    return RawSet(raw, config)


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """The real mini set, if it is there."""
    source = mini_source()
    if source is None:
        pytest.skip("the real pictures are not here: set SHARDMILL_TEST_DATA")
    return mini_set(source, tmp_path_factory.mktemp("mini"))


@pytest.fixture(params=["sample", "mini"])
def raw_set(request: pytest.FixtureRequest) -> RawSet:
    """The drawn sample, then the real mini set."""
    found: RawSet = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder for output that is not there yet."""
    return tmp_path / "out"
