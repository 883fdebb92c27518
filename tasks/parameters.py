"""The options of a command as parameters of Luigi's roots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import luigi

from pipeline.errors import UsageError
from pipeline.job.table.group import Kind
from pipeline.job.table.option import COMMANDS, Option, Value
from pipeline.job.table.options import options_of
from pipeline.job.table.values import parsed, text_of

_Root = TypeVar("_Root", bound=luigi.Task)


class ListParameter(luigi.Parameter[str]):
    """Words with commas between them; on the command line it may also be repeated."""

    between = ","

    def parse(self, x: str | list[str]) -> str:
        """Return the words of one text, or of each time that it was given."""
        return x if isinstance(x, str) else self.between.join(x)

    @classmethod
    def _parser_kwargs(cls, param_name: str, task_name: str | None = None) -> dict[str, Any]:
        return {**super()._parser_kwargs(param_name, task_name), "action": "append"}


class LinesParameter(ListParameter):
    """Words that may hold commas: a line each, or repeated on the command line."""

    between = "\n"


def takes(
    command: str, *flags: str, unnamed: Collection[str] = (), **defaults: str
) -> Callable[[type[_Root]], type[_Root]]:
    """Return a decorator that gives a root the options of a command as parameters.

    Each has the name of its option, and, as `shardmill` has them, the same words. What says how a
    preparation is run is Luigi's own.

    Args:
        command: whose options they are.
        *flags: of the options; none: all.
        unnamed: names of options that are no part of a task's id.
        **defaults: texts that take the place of defaults, by the name of the option.
    """

    def give(root: type[_Root]) -> type[_Root]:
        for option in _options(command, flags):
            for name, parameter in _parameters(option, defaults.get(option.name)):
                parameter.significant = option.name not in unnamed
                parameter.__set_name__(root, name)
                setattr(root, name, parameter)
        return root

    return give


def given(root: luigi.Task, command: str) -> dict[str, Value]:
    """Return the values that a root has for the options of a command.

    Raises:
        UsageError: a text means nothing.
    """
    return {
        option.name: _value(root, option)
        for option in _options(command, ())
        if hasattr(root, option.name)
    }


def _options(command: str, flags: tuple[str, ...]) -> list[Option]:
    """Return options of a command, all or those of some flags; of a preparation, of its job."""
    prepares = command in COMMANDS
    options = [option for option in options_of(command) if option.field or not prepares]
    return [option for option in options if not flags or option.flag in flags]


def _parameters(option: Option, default: str | None) -> Iterator[tuple[str, luigi.Parameter[Any]]]:
    if option.kind is Kind.SWITCH:
        yield option.name, luigi.BoolParameter(description=option.help)
        if option.off:
            yield _off(option), luigi.BoolParameter(description=f"The opposite of {option.flag}.")
        return
    several = ListParameter if option.commas else LinesParameter
    kind: Any = several if option.repeats else luigi.Parameter
    words: dict[str, Any] = {"description": _description(option)}
    if not option.required:
        words["default"] = text_of(option) if default is None else default
    yield option.name, kind(**words)


def _description(option: Option) -> str:
    """Return its help, with the words that it takes: argparse fills in percent signs."""
    words = f" One of {', '.join(option.choices)}." if option.choices else ""
    return f"{option.summary}{words}".replace("%", "%%")


def _value(root: luigi.Task, option: Option) -> Value:
    value = getattr(root, option.name)
    if option.kind is not Kind.SWITCH:
        return parsed(option, value)
    if not option.off:
        return bool(value)
    off = bool(getattr(root, _off(option)))
    if value and off:
        raise UsageError(f"{option.flag} and {option.off} contradict each other")
    return not off


def _off(option: Option) -> str:
    return option.off.removeprefix("--").replace("-", "_")
