"""The command ``shardmill``; one module a subcommand."""

from __future__ import annotations

import functools
import os
import signal
import sys
from importlib import import_module
from types import ModuleType

import click

import pipeline
from pipeline.processes.interrupts import catch, ignore
from tasks.cli.ending import carried_out
from tasks.cli.grouping import CONTEXT_SETTINGS
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.wrapping import fitting
from tasks.run import streams
from tasks.run.safepath import SAFE_PATH

_COMMANDS = (
    *("fetch", "describe", "config"),
    *("imagenet", "imagelist", "reshard", "openimages", "openimages-split", "openimages-download"),
    "worker",
    *("classes", "im2rec", "dbcollection-cache"),
    *("status", "verify", "clean", "where", "show", "report", "sample", "doctor"),
    *("completion", "man"),
)
_MODULES = {"report": "report_page"}  # where the module is not called as its command
_LONGEST_SENTENCE = 1000


class _Commands(click.Group):
    """Imports the module of a command when it is called: not all of them need Luigi."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(_module(f"tasks.cli.{_MODULES.get(name, name)}"), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the whole first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in _COMMANDS]
        rows = [
            (name, command.get_short_help_str(_LONGEST_SENTENCE))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_help(self, ctx: click.Context) -> str:
        """Return the text of ``--help``, as a terminal is to show it."""
        return fitting(super().get_help(ctx), sys.stdout)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return a command; the refusal of another word names the one that was likely meant."""
        name = args[0]
        if not name.startswith("-") and name not in _COMMANDS and not ctx.resilient_parsing:
            from tasks.cli.paramtypes import did_you_mean  # noqa: PLC0415 - storage: not for all

            likely = did_you_mean(name, _COMMANDS)
            ctx.fail(f"No such command {name!r}.{likely}")
        return super().resolve_command(ctx, args)


@functools.cache  # what is imported already is not to be kept from the collector again
def _module(name: str) -> ModuleType:
    with importing_luigi():
        return import_module(name)


@click.group(
    cls=_Commands,
    context_settings=CONTEXT_SETTINGS,
)
@click.version_option(pipeline.__version__, prog_name="shardmill")
def cli() -> None:
    """Turn raw image archives into verified, training-ready shards.

    \b
    Exit status:
      0    complete
      1    incomplete or failed (no space, no permission, a crash)
      2    usage or configuration
      3    input refused (an archive missing, wrong or truncated; a bad image)
      4    complete, with images left out (--on-bad-image skip)
      10   --no-overlap, and another command is at work; fetch: another fetches the same file
      130  interrupted; the same command goes on
    """


def main() -> None:
    """Run the command and exit with its status."""
    os.environ.update(SAFE_PATH)
    streams.install()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, no status of a process could be had
    catch()
    code = carried_out(lambda: cli.main(prog_name="shardmill", standalone_mode=False))
    ignore()  # the answer stands: Python tidies up
    sys.exit(code)
