"""Reads the words of ``shardmill im2rec`` as im2rec.py does, and those of its older versions.

Tutorials of 2015 to 2018 give its switches a value (``--recursive True``), and web pages make one
long dash of two: what was meant is said, where it would be taken for something else.
"""

from __future__ import annotations

import itertools
from typing import Final

import click

from tasks.cli.grouping import GroupedCommand

_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"
_TRUTHS: Final = {"true", "false"}
_SWITCHED: Final = {*_TRUTHS, "1", "0", "yes", "no"}
_PAIR: Final = 2  # words: PREFIX and ROOT
_GONE: Final = {"--shuffle": "lists are shuffled unless you say --no-shuffle: leave it out"}


class Im2recCommand(GroupedCommand):
    """Takes ``--exts`` as argparse does: with all words that follow, up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a command line.

        Raises:
            click.UsageError: they are of an older version of im2rec.py, or misspelt.
        """
        for word in args:
            self._check_option(word)
        words, many = list[str](), False
        for word in args:
            if word.startswith("-"):
                many = word == "--exts"
                words += [] if many else [word]
            else:
                words.append(f"--exts={word}" if many else word)
        rest = super().parse_args(ctx, words)
        self._check_values(args, ctx.params["words"])
        return rest

    def _check_option(self, word: str) -> None:
        """Refuse an option that an older version or another spelling means."""
        name, equals, _ = word.partition("=")
        if name in _GONE:
            raise click.UsageError(f"{name}: {_GONE[name]}")
        if equals and name in self._switches():
            raise click.UsageError(f"{name} takes no value: say {name} alone, or leave it out")
        typed = "--" + name.lstrip(_DASHES + "-")
        if name[:1] in set(_DASHES) and typed in self._options():
            raise click.UsageError(
                f"{name} begins with a long dash, as web pages have it: type {typed}"
            )

    def _check_values(self, args: list[str], words: tuple[str, ...]) -> None:
        """Refuse a value behind a switch, which would be taken for PREFIX, ROOT or OUT."""
        meant = _SWITCHED if len(words) > _PAIR else _TRUTHS
        for name, value in itertools.pairwise(args):
            if name in self._switches() and value in words and value.lower() in meant:
                raise click.UsageError(
                    f"{name} takes no value, and is followed by {value}: say {name} alone, or leave"
                    " it out"
                )

    def _switches(self) -> set[str]:
        switches = (each for each in self.params if isinstance(each, click.Option) and each.is_flag)
        return {name for each in switches for name in each.opts}

    def _options(self) -> set[str]:
        return {name for each in self.params for name in each.opts}
