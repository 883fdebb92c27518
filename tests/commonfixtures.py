"""Fixtures of all tests: the drawn sample, the real images where they are to be had, and others."""

from __future__ import annotations

import ctypes
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
import shared
from finishedoutputs import prepared
from openimagesmini import mini_openimages, write_set
from support import ROOT, SHARDS, RawSet, interpreted, mini_set, mini_source, products

from pipeline.sample.draw import draw_sample
from pipeline.sample.openimages import draw_openimages
from pipeline.storage.local import folders

_HURRIED = {
    "retry_delay": "1",
    "rpc_retry_wait": "1",
    "worker_disconnect_delay": "5",
}


# No test asserts a time. Few examples of each rule: `make fuzz` tries many.
_EXAMPLES = int(os.environ.get("SHARDMILL_EXAMPLES", "15"))
hypothesis.settings.register_profile("shared", deadline=None, max_examples=_EXAMPLES)
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session", autouse=True)
def hangups_are_not_ignored() -> Iterator[None]:
    """Have commands that tests start hear SIGHUP, also where nohup has started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session", autouse=True)
def no_file_is_flushed() -> Iterator[None]:
    """Have nothing wait for the disk, which is no matter where no test cuts the power.

    That files are flushed, and when, is shown by the tests of `pipeline.storage`; commands in new
    interpreters flush theirs.
    """
    library = SimpleNamespace(syncfs=lambda _: 0)
    errors = {"get_errno": ctypes.get_errno, "set_errno": ctypes.set_errno}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        patch.setattr(folders, "ctypes", SimpleNamespace(CDLL=lambda *_, **__: library, **errors))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_is_kept_in_the_home_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have commands keep what they keep for their user in folders of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def place_of_what_is_shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Say where that is made which all tests read, and all processes that run them."""
    base = tmp_path_factory.getbasetemp()
    shared.use((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")


@pytest.fixture(scope="session")
def sample() -> RawSet:
    """The drawn sample, as its command draws it: never changed by a test."""
    raw = shared.once("sample", _draw_by_command)
    return RawSet(raw, raw / "sample.toml")


@pytest.fixture(scope="session")
def small() -> RawSet:
    """A smaller sample in fewer shards, without odd images, for tests that run whole jobs often."""
    raw = shared.once("small", _draw_small)
    return RawSet(raw, raw / "sample.toml")


@pytest.fixture(scope="session")
def openimages() -> Path:
    """The drawn set of Open Images' shape, never changed by a test.

    It holds `openimages.toml`, `raw/` and `bucket/`; `openimages_plan.plan()` says what is in it.
    """
    return shared.once("openimages", draw_openimages)


@pytest.fixture(scope="session")
def openimages_mini() -> Path:
    """The real mini set of Open Images, if it is there, laid out as the drawn one."""
    source = mini_openimages()
    if source is None:
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
    return shared.once("openimages-mini", lambda folder: write_set(source, folder))


@pytest.fixture(params=["openimages", "openimages_mini"])
def openimages_set(request: pytest.FixtureRequest) -> Path:
    """The drawn set of Open Images, then the real mini set."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


def _draw_by_command(raw: Path) -> None:
    run = interpreted("sample", raw)
    assert run.returncode == 0, run.stderr


def _draw_small(raw: Path) -> None:
    config = draw_sample(
        raw, train_classes=3, images_per_class=4, validation_images=6, quirks=False
    )
    text = config.read_text()
    assert text.count("shards = 8\n") == 1
    config.write_text(text.replace("shards = 8\n", "shards = 4\n"))


@pytest.fixture(scope="session")
def mini() -> RawSet:
    """The real mini set, if it is there."""
    source = mini_source()
    if source is None:
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
    folder = shared.once("mini", lambda folder: mini_set(source, folder))
    return RawSet(source, folder / "mini.toml")


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
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    prepared(sample, out, *SHARDS)
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
