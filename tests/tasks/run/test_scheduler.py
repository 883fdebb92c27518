"""A ``luigid`` that is not there yet is waited for, as one is that has gone away."""

from __future__ import annotations

import socket
import threading

import pytest

from pipeline.errors import ShardmillError
from tasks.run import scheduler


@pytest.fixture
def port() -> int:
    """The number of a port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_one_that_comes_late_is_waited_for(port: int) -> None:
    listener, said = socket.socket(), list[str]()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    start = threading.Timer(0.2, listener.listen)
    start.start()
    try:
        scheduler.wait_for(("127.0.0.1", port), said.append)
    finally:
        start.join()
        listener.close()
    (line,) = said
    assert "waiting for it" in line
    assert f"127.0.0.1:{port}" in line


def test_one_that_never_comes_is_given_up_after_what_the_settings_say(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.run.settings.luigid_patience", lambda: (0.0, 0.0))
    with pytest.raises(ShardmillError, match="no Luigi scheduler answers"):
        scheduler.wait_for(("127.0.0.1", port), lambda _: None)
