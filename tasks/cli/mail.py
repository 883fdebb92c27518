"""One mail when a command fails, by Luigi's ``[email]`` settings."""

from __future__ import annotations

import html
import logging
import socket
import threading
import warnings
from collections.abc import Sequence
from typing import Final

from pipeline import plaintext
from pipeline.errors import ConfigError

_LONGEST_S: Final = 60.0
"""Seconds that sending may take in all; Luigi's settings bound each answer of the server."""
_MOST_FAILURES: Final = 100
_LUIGI: Final = "luigi-interface"


def text_of(head: Sequence[str], failures: Sequence[str]) -> str:
    """Return what a mail says: a few lines, then why the command failed, at most a hundred times.

    Args:
        head: the lines.
        failures: the errors, each in one or more lines.
    """
    shown = failures[:_MOST_FAILURES]
    more = len(failures) - len(shown)
    last = [f"and {more:,} more: the log has them"] if more else []
    return "\n\n".join(["\n".join(head), *shown, *last]) + "\n"


def send(subject: str, text: str) -> str:
    """Send a mail, if Luigi's settings name a receiver; return why it was not sent, or "".

    As Luigi's own mails it is not sent where standard output is a terminal, unless
    ``[email] force_send`` is set.

    Args:
        subject: of the mail, without Luigi's prefix.
        text: of the mail; see `text_of`.
    """
    from tasks.cli.luigi_import import importing_luigi  # noqa: PLC0415 - only after a failure

    try:
        with importing_luigi():
            from luigi import notifications  # noqa: PLC0415

            from tasks.run import settings  # noqa: PLC0415

            settings.apply_users_settings()
    except ConfigError as error:
        return error.what

    chosen = notifications.email()
    if not chosen.receiver:
        return ""
    if chosen.format == "html":
        text = f"<pre>{html.escape(text)}</pre>"
    problems = list[str]()
    logger, handler = logging.getLogger(_LUIGI), _Noting(problems)

    def work() -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Luigi's, of the defaults of its own settings
                notifications.send_error_email(plaintext.line(subject), text)
        except Exception as error:  # noqa: BLE001 - of whatever service it is sent by
            problems.append(f"{type(error).__name__}: {plaintext.beginning(error)}")

    logger.addHandler(handler)
    try:
        sending = threading.Thread(target=work, daemon=True)
        sending.start()
        sending.join(_LONGEST_S)
        if sending.is_alive():
            return f"the server did not take it within {_LONGEST_S:,.0f} s"
    finally:
        logger.removeHandler(handler)
    return problems[0] if problems else ""


def host() -> str:
    """Return the name of this host."""
    return socket.gethostname()


class _Noting(logging.Handler):
    """Notes what Luigi logs of a mail that it could not send, and does not raise."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        self._problems.append(plaintext.beginning(record.getMessage()))
