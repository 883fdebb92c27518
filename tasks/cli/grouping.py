"""A command whose ``--help`` has its options under headings, with examples; options for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from pipeline.job.choices import words
from pipeline.job.table.group import Group
from tasks.cli.wrapping import fitting

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # which is generic in later versions only
    ParamType = click.ParamType

CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""How every command is asked for help, and how wide that is."""


class ListOf(ParamType):
    """Words with commas between them, each of one type."""

    name = "list"

    def __init__(self, each: ParamType) -> None:
        self.each = each

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the words as a tuple; an empty text is the one word that it is."""
        given = words(value) or (value,)
        return tuple(self.each.convert(word, param, ctx) for word in given)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return what stands for one word."""
        return self.each.get_metavar(param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the last word."""
        before, comma, last = incomplete.rpartition(",")
        items = self.each.shell_complete(ctx, param, last)
        return [CompletionItem(f"{before}{comma}{item.value}", type=item.type) for item in items]


class GroupedOption(click.Option):
    """An option that stands under a heading of ``--help``.

    Attributes:
        group: the heading.
    """

    def __init__(self, *args: Any, group: Group = Group.RUN, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the words of a list in one tuple, however they were given."""
        cast = super().type_cast_value(ctx, value)
        if isinstance(self.type, ListOf) and isinstance(cast, tuple):
            return tuple(word for given in cast for word in given)
        return cast


class GroupedArgument(click.Argument):
    """An argument that ``--help`` says something of, among the options of its input."""

    def __init__(self, *args: Any, text: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text = text
        self.group = Group.INPUT

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return its place holder, and what is said of it."""
        return self.make_metavar(ctx), self.text


class GroupedCommand(click.Command):
    """A command whose ``--help`` has its options under headings, and examples.

    Attributes:
        examples: command lines.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        # Its own, too: click keeps the help option that it makes first, perhaps without the group.
        kwargs["context_settings"] = {**CONTEXT_SETTINGS, **kwargs.get("context_settings", {})}
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words of a command line; see `click.Command`.

        Raises:
            click.UsageError: they are not what it takes; of an option that is called as one of its
                arguments it is said how that is given.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.removeprefix("--")
            arguments = [param for param in self.params if isinstance(param, GroupedArgument)]
            meant = [param for param in arguments if param.name == name]
            if not meant:
                raise
            usage = " ".join([ctx.command_path, *(param.make_metavar(ctx) for param in arguments)])
            place = meant[0].make_metavar(ctx)
            what = f"No such option {error.option_name!r}: {place} is given without one, {usage}"
            raise click.UsageError(what, ctx) from error

    def get_help(self, ctx: click.Context) -> str:
        """Return the text of ``--help``, as a terminal is to show it."""
        return fitting(super().get_help(ctx), sys.stdout)

    def groups(self, ctx: click.Context) -> Mapping[str, list[tuple[str, str]]]:
        """Return each heading, and what is said under it of its options."""
        headings: dict[str, list[tuple[str, str]]] = {group.value: [] for group in Group}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            group = getattr(param, "group", Group.RUN)
            if record is not None and record[1]:
                headings[group.value].append(record)
        return {heading: records for heading, records in headings.items() if records}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings."""
        for heading, records in self.groups(ctx).items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))
