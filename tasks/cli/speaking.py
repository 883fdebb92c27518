"""A command that may be asked to be quiet, or to write a log: how it is carried out."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from pipeline.errors import UsageError
from tasks.cli.ending import carried_out
from tasks.cli.enginewords import with_clusters
from tasks.cli.grouping import GroupedCommand
from tasks.cli.saying import Voice, say_traceback, speaking

DEFECT = 1
"""The exit status of a command that ends with an error which nobody expected."""


class TellingCommand(GroupedCommand):
    """A command with the options that say where messages go, which it need not know."""

    def voice_for_programs(self) -> Voice:
        """Return what speaks with ``--json``."""
        from tasks.cli.events import Events  # noqa: PLC0415 - not where a person is told

        return Events()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take in the words of the command line."""
        if any(parameter.name == "cluster" for parameter in self.params):
            args = with_clusters(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out the command with the voice that is asked for."""
        quiet, log_file = ctx.params.pop("quiet", False), ctx.params.pop("log_file", None)
        as_json = ctx.params.pop("json")
        if quiet and as_json:
            raise UsageError("--quiet and --json contradict each other: leave one out")
        if not quiet and log_file is None and not as_json:
            return self.work(ctx)
        from tasks.cli import voices  # noqa: PLC0415 - Arrow: not where it prints as usual

        with contextlib.ExitStack() as stack:
            voice = voices.Quiet() if quiet else Voice()
            if as_json:
                voice = self.voice_for_programs()
            if log_file is not None:
                log = stack.enter_context(voices.Log.opened(log_file))
                voice = voices.Logged(log, voice)
            stack.enter_context(speaking(voice))
            stack.enter_context(voices.saying_waits())
            voice.begin(str(ctx.info_name))
            status = DEFECT
            try:
                status = carried_out(lambda: self.work(ctx))
            except Exception as error:  # noqa: BLE001 - it is told where everything else is
                say_traceback(error)
            finally:
                voice.end(status)
            return status

    def work(self, ctx: click.Context) -> Any:
        """Do what the command does, with the voice that is asked for."""
        return super().invoke(ctx)


class AnsweringCommand(TellingCommand):
    """A command that answers a program with one JSON object."""

    def voice_for_programs(self) -> Voice:
        """Return what speaks with ``--json``."""
        from tasks.cli.events import Answer  # noqa: PLC0415 - not where a person is told

        return Answer()
