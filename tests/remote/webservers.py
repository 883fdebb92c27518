"""Fixtures of web servers; a test module takes them by ``pytest_plugins = ("webservers",)``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from faultproxy import FaultProxy
from nginx import Nginx, is_installed

SIZE = 8_000_000


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `nginx` serves, with ``object``, `SIZE` random bytes."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "object").write_bytes(random.Random(5).randbytes(SIZE))
    return folder


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, served: Path) -> Iterator[Nginx]:
    assert is_installed(), "make remote installs nginx-light and libnginx-mod-http-lua"
    with Nginx(tmp_path_factory.mktemp("nginx"), served) as server:
        yield server


@pytest.fixture(scope="session")
def web_proxy(nginx: Nginx) -> Iterator[FaultProxy]:
    """A proxy before `nginx`; each test gives it rules of its own."""
    with FaultProxy(nginx.url) as proxy:
        yield proxy
