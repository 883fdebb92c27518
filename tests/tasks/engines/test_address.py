"""The address of a cluster, and whether its scheduler answers: known without Dask."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.errors import EnvironmentRefused, UsageError
from tasks.engines import address
from tasks.engines.address import EngineAddress, check, parse

GREETING = (
    b"\x3a\0\0\0\0\0\0\0\x01\x83\xabcompression\xc0\xa6python\x93\x03\x0b\x07"
    b"\xafpickle-protocol\x05"
)
"""As Dask sends it, with the bytes before it shortened."""


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("dask://sched:8786", "tcp://sched:8786"),
        ("dask://10.0.0.1:1", "tcp://10.0.0.1:1"),
        ("dask://[::1]:8786", "tcp://[::1]:8786"),
        ("tls://sched.example.org:65535", "tls://sched.example.org:65535"),
    ],
)
def test_an_address_is_that_of_dask(given: str, url: str) -> None:
    found = parse(given)
    assert (str(found), found.url) == (given, url)


@pytest.mark.parametrize(
    "given",
    [
        *("sched:8786", "dask://sched", "dask://:8786", "dask://sched:0", "dask://sched:65536"),
        *("tcp://sched:8786", "dask://sched:8786/", "dask:sched:8786"),
        *("dask://a b:8786", "dask://sched:٨٧٨٦", "dask://::1:8786", ""),
    ],
)
def test_what_is_no_address_is_refused_with_the_form_of_one(given: str) -> None:
    with pytest.raises(UsageError, match="dask://HOST:PORT") as caught:
        parse(given)
    assert caught.value.found == given


@contextmanager
def server(says: bytes, *, ends: bool = True) -> Iterator[EngineAddress]:
    """A server that says something to whoever connects, and then ends, or says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def serve() -> None:
            connection, _ = listening.accept()
            connection.sendall(says)
            if ends:
                connection.close()
            kept.append(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield EngineAddress("dask", "127.0.0.1", listening.getsockname()[1])
        thread.join()
        for each in kept:
            each.close()


def test_no_password_of_an_address_is_shown() -> None:
    with pytest.raises(UsageError) as refusal:
        address.parse("dask://user:secret@sched:8786")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("protocol", ["dask", "tls"])
def test_a_scheduler_greets(protocol: str) -> None:
    with server(GREETING, ends=False) as at:
        check(EngineAddress(protocol, at.host, at.port))


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 400 Bad\r\n\r\n"])
def test_what_does_not_greet_is_no_scheduler(says: bytes) -> None:
    with server(says) as at, pytest.raises(EnvironmentRefused, match="does not greet as Dask"):
        check(at)


def test_what_says_nothing_is_not_waited_for_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "PATIENCE_S", 0.05)
    with server(b"", ends=False) as at, pytest.raises(EnvironmentRefused, match="timed out"):
        check(at)


def test_where_nobody_listens_there_is_no_scheduler() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(EnvironmentRefused, match=r"no Dask scheduler answers at dask://127"):
        check(EngineAddress("dask", "127.0.0.1", port))


def test_dask_that_is_not_installed_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install '\.\[dask\]'"):
        address.check_installed()
