"""Log records as text: what Luigi and the tasks log holds names of others.

Luigi sets its handlers and formatters up itself, from the user's settings, so records are made
plain when they come into being, whoever writes them where.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Final

from pipeline import plaintext
from pipeline.errors import ShardmillError

_OURS: Final = ("luigi", "luigi-interface", "pipeline", "tasks")  # loggers, and those below them
_NUMBERS: Final = (int, float)


def install() -> None:
    """Have the records of Luigi and of this program be plain, for the rest of the process."""
    usual = logging.getLogRecordFactory()
    if getattr(usual, "plain", False):
        return

    def make(name: str, *args: object, **more: object) -> logging.LogRecord:
        record = usual(name, *args, **more)
        if name.partition(".")[0] in _OURS:
            _make_plain(record)
        return record

    make.plain = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def indented(text: str) -> str:
    """Return a text whose line feeds are meant, all but its first line indented.

    So no line of it passes for the beginning of another message.
    """
    return plaintext.lines(text.rstrip("\n")).replace("\n", "\n    ")


def _make_plain(record: logging.LogRecord) -> None:
    """Escape what a record was given, and format what is raised."""
    if isinstance(record.args, Mapping):
        record.args = {name: _plain(value) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(map(_plain, record.args))
    record.msg = indented(str(record.msg))
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = f"    {indented(_raised(record.exc_info[1]))}"


def _raised(error: BaseException) -> str:
    """Return an error with its traceback; a refusal says where the fault lies without one."""
    if isinstance(error, ShardmillError) and error.permanent:
        return str(error)
    return "".join(traceback.format_exception(error))


def _plain(value: object) -> object:
    return value if isinstance(value, _NUMBERS) else plaintext.line(value)
