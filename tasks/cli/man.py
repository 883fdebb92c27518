"""``shardmill man``: the manual page, made of the same options and texts as ``--help``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

import pipeline
from pipeline.plaintext import Lines
from tasks.cli.grouping import GroupedCommand
from tasks.cli.saying import say_as_it_is


@click.command(cls=GroupedCommand, hidden=True)
@click.pass_context
def man(ctx: click.Context) -> int:
    """Print the manual page of shardmill, which ``make man`` keeps as docs/shardmill.1."""
    group = ctx.find_root().command
    if not isinstance(group, click.Group):
        raise TypeError("the program is no group of commands")
    say_as_it_is(Lines.of(page(group)))
    return 0


def page(group: click.Group) -> Iterator[str]:
    """Yield the lines of the manual page of a group of commands, in the macros of man(7)."""
    top = click.Context(group, info_name="shardmill", help_option_names=["-h", "--help"])
    summary, *description = _paragraphs(group)
    yield f'.TH SHARDMILL 1 "" "shardmill {pipeline.__version__}" "User Commands"'
    yield from (".SH NAME", _escaped(f"shardmill - {summary.rstrip('.')}"))
    yield from (".SH SYNOPSIS", r".B shardmill", r"\fICOMMAND\fR [\fIOPTION\fR]...")
    yield from (".SH DESCRIPTION", _escaped(summary))
    yield from _text(description)
    for name in group.list_commands(top):
        command = group.get_command(top, name)
        if command is not None and not command.hidden:
            yield from _command(command, click.Context(command, parent=top, info_name=name))


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f'.SH "{_escaped(ctx.command_path.upper())}"'
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield from (".B", _escaped(usage))
    yield from _text(_paragraphs(command))
    if not isinstance(command, GroupedCommand):
        return
    for heading, records in command.groups(ctx).items():
        yield f'.SS "{heading}"'
        for flags, text in records:
            yield from (".TP", rf"\fB{_escaped(flags)}\fR", _escaped(" ".join(text.split())))
    if command.examples:
        yield from ('.SS "Examples"', ".nf", *map(_escaped, command.examples), ".fi")


def _paragraphs(command: click.Command) -> list[str]:
    """Return the paragraphs of a help text; those behind a backspace keep their lines."""
    return [each for each in inspect.cleandoc(command.help or "").split("\n\n") if each.strip()]


def _text(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        yield ".PP"
        if lines[0] == "\b":
            yield from (".nf", *map(_escaped, lines[1:]), ".fi")
        else:
            yield _escaped(" ".join(lines))


def _escaped(text: str) -> str:
    """Return a text that troff shows as it is: no escape, no request, no hyphen for a minus."""
    shown = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{shown}" if shown[:1] in {".", "'"} else shown
