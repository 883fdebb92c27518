"""The signals that interrupt a command."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


def interrupting() -> list[signal.Signals]:
    """Return them: the keyboard's, a batch system's, and that of a terminal which was closed.

    The last is left out where it is ignored: so ``nohup`` asks for it.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Have signals interrupt at the end of a context, not in it; in the main thread.

    A library of C that calls Python swallows what is raised in such a call.

    Raises:
        KeyboardInterrupt: at the end, if one came.
    """
    came = list[int]()
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in interrupting()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
