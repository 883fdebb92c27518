"""What commands show on a terminal, as text that is the same on every machine and at every time.

A command runs once, in the process of the test; what it says is kept as it is handed to the
terminal, and what is this machine's in it (folders, times, sizes, digests) is replaced. Then it is
broken into the lines of terminals of several widths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from commands import shardmill

from tasks.cli import saying
from tasks.cli.saying import Voice
from tasks.cli.wrapping import wrapped

WIDTHS = (50, 80, 140)
GOLDEN = Path(__file__).parent / "golden_screens"
"""A file for each screen; see `test_screens` for how they are renewed."""

_REPLACED = (
    (re.compile(r"\b(?=[a-z]*\d)[0-9a-f]{12,32}\b"), "0123456789ab"),
    (re.compile(r"\b[\d.,]+ (?:B|[kMG]B)\b"), "1.23 MB"),
    (re.compile(r"\b[\d,]+ bytes\b"), "1,234 bytes"),
    (re.compile(r"\bin [\d.]+ s\b"), "in 1.23 s"),
    (re.compile(r"\b[\d,]+ images/s\b"), "123 images/s"),
    (re.compile(r"\b\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"), "2001-02-03 04:05:06"),
    (re.compile(r"\bin all: [\d:]+"), "in all: 0:12"),
    (re.compile(r"\bwritten [\d:]+ ago\b"), "written 1:02:03 ago"),
    (re.compile(r"\b0x[0-9a-f]{8}\b"), "0x01234567"),
    (re.compile(r"\bbyte \d+"), "byte 123"),
    (re.compile(r"\bbytes = \d+"), "bytes = 123"),
    (re.compile(r'"(bytes_\w+|time)": [\d.]+'), r'"\1": 123'),
    (re.compile(r"\b[\d,]+ from [\d,]+ on\b"), "1,234 from 5,678 on"),
    (re.compile(r"\bfrom [\d,]+ on\b"), "from 5,678 on"),
    (re.compile(r"/runs/[\w-]+/"), "/runs/20010203-040506-host-012345/"),
)


@dataclass
class Screen:
    """What a command has said.

    Attributes:
        words: the command's, as they were given.
        status: its exit status.
        said: texts in their order, each with whether its lines may be broken.
        places: folders of this machine, and addresses -> what stands for each.
    """

    words: tuple[str, ...]
    status: int = -1
    said: list[tuple[str, bool]] = field(default_factory=list)
    places: Mapping[str, str] = field(default_factory=dict)

    def lines(self, width: int) -> list[str]:
        """Return the lines of a terminal."""
        texts = [(self._plain(text), may_break) for text, may_break in self.said]
        shown = [wrapped(text, width) if may_break else text for text, may_break in texts]
        return [line for text in shown for line in text.split("\n")]

    def text(self) -> str:
        """Return it as the file of `GOLDEN` has it, at all widths."""
        parts = [f"$ {' '.join(('shardmill', *self.words))}\n[{self.status}]\n"]
        for width in WIDTHS:
            parts += [f"--- {width} ---\n", *(f"{line}\n" for line in self.lines(width))]
        return "".join(parts)

    def _plain(self, text: str) -> str:
        for place, stands in sorted(self.places.items(), key=lambda each: -len(each[0])):
            text = text.replace(place, stands)
        for pattern, stands in _REPLACED:
            text = pattern.sub(stands, text)
        return text


def shown(words: str, places: Mapping[str, str], patch: pytest.MonkeyPatch) -> Screen:
    """Run a command, and return what it says."""
    screen = Screen(tuple(words.split()), places=places)

    def print_(text: str, *, err: bool) -> None:
        del err  # a terminal shows both
        screen.said.append((text, True))

    def say_as_it_is(_: Voice, text: str) -> None:
        screen.said.append((text, False))

    patch.setattr(saying, "_print", print_)
    patch.setattr(Voice, "say_as_it_is", say_as_it_is)
    servers = {name: place for place, name in places.items() if name.startswith("http")}
    run = shardmill(*(_at_server(word, servers) for word in screen.words))
    screen.status = run.returncode
    assert click.unstyle(run.stdout + run.stderr) == "", "something is said past tasks.cli.saying"
    return screen


def _at_server(word: str, servers: Mapping[str, str]) -> str:
    """Return a word of a command line with the address of the server that a name stands for."""
    for name, address in servers.items():
        word = word.replace(name, address)
    return word
