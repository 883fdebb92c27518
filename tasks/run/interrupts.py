"""The signals that interrupt a command."""

from __future__ import annotations

import signal


def interrupting() -> list[signal.Signals]:
    """Return them: the keyboard's, a batch system's, and that of a terminal which was closed.

    The last is left out where it is ignored: so ``nohup`` asks for it.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers
