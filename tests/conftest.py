"""What pytest does before and after collecting; the fixtures are in `commonfixtures`."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Have the fixtures in processes that run tests.

    One that has others run them would take seconds to import what they need, before these begin.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("commonfixtures")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected: nearly all that is made then is kept."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Keep the modules and the tests, all needed to the end, from the collector of garbage.

    Each time it would look through all of them, and a forked process would copy their memory.
    """
    gc.collect()
    gc.freeze()
