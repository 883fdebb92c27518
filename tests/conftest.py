"""Fixtures: the product's own drawn sample, and the real images where they are to be had."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support import ROOT, SHARDS, RawSet, mini_set, mini_source, prepare, products

from pipeline.sample.draw import draw_sample

_HURRIED = {
    "retry_delay": "1",
    "rpc_retry_wait": "1",
    "worker_disconnect_delay": "5",
}


hypothesis.settings.register_profile("shared", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session", autouse=True)
def hangups_are_not_ignored() -> Iterator[None]:
    """Have commands that tests start hear SIGHUP, also where nohup has started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """The drawn sample: never changed by a test."""
    raw = tmp_path_factory.mktemp("sample")
    return RawSet(raw, draw_sample(raw))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """A smaller sample, without odd images, for tests that run the whole job often."""
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
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
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


@pytest.fixture(scope="session")
def undisturbed(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bytes of a run that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture
def hurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped Luigi settings with shorter waits, so that a killed task is tried again soon."""
    lines = []
    for line in (ROOT / "luigi.cfg").read_text().splitlines():
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {_HURRIED[name]}" if name in _HURRIED else line)
        if line == "[worker]":
            lines.append("max_keep_alive_idle_duration = 2 seconds")
    path = tmp_path / "hurried.cfg"
    path.write_text("\n".join(lines))
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(path))
    return path


@pytest.fixture
def chance() -> random.Random:
    """Random choices, repeatable by SHARDMILL_SEED."""
    return random.Random(int(os.environ.get("SHARDMILL_SEED", "0")))
