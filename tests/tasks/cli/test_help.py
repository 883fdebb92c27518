"""The options of every command are those of the table, and ``--help`` has them with examples."""

from __future__ import annotations

import shlex

import click
import pytest

from pipeline.job.table.option import PACK
from pipeline.job.table.options import OPTIONS, options_of
from tasks.cli import cli
from tasks.cli.grouping import GroupedArgument, GroupedCommand, GroupedOption

COMMANDS = tuple(dict.fromkeys(name for option in OPTIONS for name in option.commands))
WORDS = {PACK: {"words"}}
"""Arguments that are no option of the table: words of another program's command line."""


def command(name: str) -> GroupedCommand:
    found = cli.get_command(click.Context(cli), name)
    assert isinstance(found, GroupedCommand)
    return found


def test_every_command_has_options_in_the_table() -> None:
    assert {*cli.list_commands(click.Context(cli))} == {*COMMANDS, "man"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_the_options_of_the_table(name: str) -> None:
    taken = {param.name for param in command(name).params}
    assert taken == {option.name for option in options_of(name)} | WORDS.get(name, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_option_under_its_heading(name: str) -> None:
    context = command(name).make_context(name, [], resilient_parsing=True)
    assert all(isinstance(p, GroupedArgument | GroupedOption) for p in command(name).params)
    headings = command(name).groups(context)
    for option in options_of(name):
        texts = [text for _, text in headings[option.group.value]]
        assert any(text.startswith(option.summary) for text in texts), option.flag


@pytest.mark.parametrize("name", COMMANDS)
def test_the_three_examples_of_a_command_are_command_lines_of_it(name: str) -> None:
    examples = command(name).examples
    assert len(set(examples)) == 3
    for example in examples:
        program, called, *words = shlex.split(example.partition(" > ")[0])
        assert (program, called) == ("shardmill", name)
        command(name).make_context(name, words)
