"""How a command speaks to a program: JSON on standard output, and nothing else there."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from typing import Any

import pipeline
from pipeline.errors import ShardmillError
from tasks.cli.saying import Level, Voice


class Events(Voice):
    """Prints each thing that happens as a JSON object in a line of its own, by one write."""

    shows_bars = False
    is_for_programs = True
    keeps_errors = True

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str, level: Level) -> None:
        """Print what a person would be told."""
        self.event("message", level=level.value, text=text)

    def say_progress(self, text: str) -> None:
        """Say nothing: `event` says it in numbers."""

    def refuse(self, error: ShardmillError) -> None:
        """Print the fields of an error."""
        self.event("failure", **_fields(error))

    def event(self, name: str, /, **fields: Any) -> None:
        """Print something that happened."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.say_as_it_is(_encoded({"event": name, "time": now, **fields}))

    def begin(self, command: str) -> None:
        """Print which command begins."""
        version, process = pipeline.__version__, os.getpid()
        self.event("begin", command=command, version=version, process=process)

    def end(self, status: int) -> None:
        """Print the exit status."""
        self.event("end", status=status, seconds=round(time.monotonic() - self._began, 3))


class Answer(Voice):
    """Keeps what a command finds, and prints all of it as one JSON object."""

    shows_bars = False
    is_for_programs = True

    def __init__(self) -> None:
        self._facts = dict[str, Any]()
        self._lists: dict[str, list[Any]] = {"messages": [], "failures": [], "outputs": []}

    def say(self, text: str, level: Level) -> None:
        """Keep what a person would be told."""
        del level
        self._lists["messages"].append(text)

    def refuse(self, error: ShardmillError) -> None:
        """Keep the fields of an error."""
        self._lists["failures"].append(_fields(error))

    def event(self, name: str, /, **fields: Any) -> None:
        """Keep one of several things of a kind."""
        self._lists.setdefault(f"{name}s", []).append(fields)

    def fact(self, **fields: Any) -> None:
        """Keep what there is once."""
        self._facts |= fields

    def end(self, status: int) -> None:
        """Print the object."""
        self.say_as_it_is(_encoded({"status": status, **self._facts, **self._lists}))


def _fields(error: ShardmillError) -> dict[str, Any]:
    return {**error.to_record(), "permanent": error.permanent, "exit_status": error.exit_status}


def _encoded(document: dict[str, Any]) -> str:
    """Return a document as JSON of ASCII characters: nothing in it is obeyed by a terminal.

    Bytes of file names that are no UTF-8 are spelled as Python spells lone surrogates, since JSON
    has none.
    """
    return json.dumps(_clean(document))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
