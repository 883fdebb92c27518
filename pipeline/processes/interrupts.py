"""The signals that interrupt a command, and how to hold them where they would be lost."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_IMPORTS: Final = "<frozen importlib"  # the file name of each frame of Python's own that imports
_AGAIN_S: Final = 0.01


def interrupting() -> list[signal.Signals]:
    """Return them: the keyboard's, a batch system's, and that of a terminal which was closed.

    The last is left out where it is ignored: so ``nohup`` asks for it.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def catch() -> None:
    """Have these signals interrupt this process, a command, wherever they come."""
    for number in interrupting():
        signal.signal(number, interrupt)
    sys.unraisablehook = _interrupt_if_lost


def interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt what the main thread does: the handler of a command for these signals.

    While a module is imported, the signal is sent again until that is done: what is raised in an
    import leaves half a module behind, at which the next import of it fails, or it is lost.

    Raises:
        KeyboardInterrupt: no module is being imported.
    """
    if not _is_importing(frame):
        raise KeyboardInterrupt
    _send_again(number)


def _interrupt_if_lost(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again whose handler has raised where nothing can be raised: in ``__del__``."""
    if lost.exc_type is KeyboardInterrupt:
        _send_again(signal.SIGINT)
    else:
        sys.__unraisablehook__(lost)


def _send_again(number: int) -> None:
    # Whoever has set another handler by then gets it.
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


def ignore() -> None:
    """Have the signals interrupt nothing from now on, nor one that waits for an import."""
    for number in interrupting():
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Have signals interrupt at the end of a context, not in it.

    What a handler raises is lost where a library of C has called Python, and in what Python calls
    around a fork, where it leaves the lock of `logging` taken, too. A process that is forked in
    this context has handlers that do nothing: it sets its own.

    In a thread that is not the main one nothing is done: it runs no handlers.

    Raises:
        KeyboardInterrupt: at the end, if a signal came whose handler raises it, also where the
            context raises something else.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came, is_over = list[int](), False
    # A handler that was not set from Python cannot be set again from here: it stays.
    handlers = ((number, signal.getsignal(number)) for number in interrupting())
    before = {number: handler for number, handler in handlers if handler is not None}

    def hold(number: int, _frame: FrameType | None) -> None:
        if not is_over:
            came.append(number)
            return
        # Another has interrupted this while they were set again.
        signal.signal(number, before[signal.Signals(number)])
        signal.raise_signal(number)

    try:
        for number in before:
            signal.signal(number, hold)
        yield
    finally:
        is_over = True
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)
