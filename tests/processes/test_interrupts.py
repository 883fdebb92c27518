"""Signals that come where what they raise would be lost are held until that is over."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from pipeline.processes import children, interrupts
from pipeline.processes.interrupts import catch, held, ignore, interrupt, interrupting
from tasks.run.standby import standing_by

_PATIENCE_S = 30.0
_coming = list[signal.Signals]()


def _raise_what_comes() -> None:
    while _coming:
        signal.raise_signal(_coming.pop())


# Python writes an error of such a function to stderr, and goes on.
os.register_at_fork(after_in_parent=_raise_what_comes)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that interrupts, as it does a command."""
    number: signal.Signals = request.param
    # A shell that starts a command in the background has it ignore the interrupt, and so Python.
    before = signal.signal(number, signal.default_int_handler)
    yield number
    signal.signal(number, before)


def test_a_signal_interrupts_when_it_is_no_longer_held(number: signal.Signals) -> None:
    went_on = []

    def work() -> None:
        with held():
            signal.raise_signal(number)
            went_on.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert went_on
    assert signal.getsignal(number) is signal.default_int_handler


def test_a_signal_interrupts_also_where_the_work_it_was_held_for_fails(
    number: signal.Signals,
) -> None:
    def work() -> None:
        with held():
            signal.raise_signal(number)
            raise OSError

    with pytest.raises(KeyboardInterrupt):
        work()


def test_one_that_comes_when_they_are_no_longer_held_leaves_none_held(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_handler = signal.signal
    before = {each: set_handler(each, signal.default_int_handler) for each in interrupting()}

    def interrupted(number: int, handler: Any) -> None:
        set_handler(number, handler)
        if handler is signal.default_int_handler:
            monkeypatch.undo()
            signal.raise_signal(number)

    try:
        with pytest.raises(KeyboardInterrupt), held():
            monkeypatch.setattr(signal, "signal", interrupted)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        for each, handler in before.items():
            set_handler(each, handler)


def test_a_handler_of_somebody_else_is_called_then(number: signal.Signals) -> None:
    came = []
    signal.signal(number, lambda number, _frame: came.append(number))
    with held():
        signal.raise_signal(number)
        assert came == []
    assert came == [number]


def test_one_that_comes_while_a_process_is_forked_to_stand_by_interrupts(
    number: signal.Signals,
) -> None:
    _coming.append(number)
    with pytest.raises(KeyboardInterrupt), standing_by(is_wanted=True):
        pass


def test_one_that_comes_while_a_process_is_forked_to_share_the_work_interrupts(
    number: signal.Signals,
) -> None:
    _coming.append(number)
    with pytest.raises(KeyboardInterrupt), children.group() as members:
        members.append(children.start(_wait, others=members))
    assert signal.getsignal(number) is signal.default_int_handler


def test_one_that_comes_while_a_module_is_imported_interrupts_when_that_is_whole(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a module makes each later import fail: a command that says how it ended imports, too."""
    signal.signal(number, interrupt)
    body = f"import signal\nsignal.raise_signal({number:d})\nsum(range(1000))\nwhole = True\n"
    (tmp_path / "interrupted_module.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)

    def load() -> None:
        importlib.import_module("interrupted_module")
        time.sleep(_PATIENCE_S)

    try:
        with pytest.raises(KeyboardInterrupt):
            load()
        assert sys.modules["interrupted_module"].whole
    finally:
        sys.modules.pop("interrupted_module", None)


def test_one_that_comes_while_an_object_goes_interrupts_after_that(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python writes what is raised there to stderr, and goes on."""

    class Going:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def work() -> None:
        Going()
        time.sleep(_PATIENCE_S)

    before = {each: signal.getsignal(each) for each in [*interrupting(), signal.SIGALRM]}
    monkeypatch.setattr(sys, "unraisablehook", None)  # put back at the end
    try:
        catch()
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_one_that_waits_for_an_import_is_forgotten_with_all_others(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes its handlers away when it ends: the alarm would end it."""
    monkeypatch.setattr(interrupts, "_is_importing", lambda _frame: True)
    every = [*interrupting(), signal.SIGALRM]
    before = {each: signal.getsignal(each) for each in every}
    signal.signal(number, interrupt)
    signal.raise_signal(number)
    try:
        ignore()
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait(line: Connection) -> None:
    with contextlib.suppress(EOFError):
        line.recv()
