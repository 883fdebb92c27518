"""The options of the table as click's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.job.table.group import Kind
from pipeline.job.table.option import Option
from tasks.cli.grouping import GroupedArgument, GroupedOption, ListOf
from tasks.cli.paramtypes import BUCKET, LOCAL_PATH, LOCATION, NearestChoice

if TYPE_CHECKING:
    from tasks.cli.grouping import ParamType


_MOST_IN_A_PLACE_HOLDER: Final = 40
_NAME: Final = "NAME"


def parameters(options: Iterable[Option]) -> list[click.Parameter]:
    """Return options of the table as click's."""
    return [_parameter(option) for option in options]


def split_run_options(
    options: Iterable[Option], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of options that make a job, and those of how the command is run."""
    fields = {option.name for option in options if option.field}
    of_job = {name: value for name, value in given.items() if name in fields}
    return of_job, {name: value for name, value in given.items() if name not in fields}


def processes(given: int | None) -> int:
    """Return how many processes work: as many as are asked for, or as there are CPUs."""
    if given is not None:
        return given
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parameter(option: Option) -> click.Parameter:
    words: dict[str, Any]
    if option.positional:
        words = {"metavar": option.metavar or None, "type": _type(option)}
        words |= {"required": option.required}
        return GroupedArgument([option.name], text=option.summary, **words)
    words = {} if option.required else {"default": option.default}
    if option.kind is Kind.SWITCH:
        words |= {"is_flag": True, "show_default": bool(option.off)}
    else:
        words |= {
            "type": ListOf(_type(option)) if option.repeats and option.commas else _type(option),
            "multiple": option.repeats,
            "required": option.required,
            "show_default": bool(option.default),
        }
    metavar, text = option.metavar, option.summary
    if not metavar and len("|".join(option.choices)) > _MOST_IN_A_PLACE_HOLDER:
        metavar = _NAME  # wider than many a terminal, and nothing of it could be broken
        text += f" {_NAME} is {', '.join(option.choices[:-1])} or {option.choices[-1]}."
    spelled = f"{option.flag}/{option.off}" if option.off else option.flag
    flags = [option.short, spelled] if option.short else [spelled]
    return GroupedOption(
        [*flags, option.name],
        group=option.group,
        metavar=metavar or None,
        help=text,
        **words,
    )


def _type(option: Option) -> ParamType:
    if option.kind is Kind.PATH:
        anywhere = BUCKET if option.whole_bucket else LOCATION
        return anywhere if option.anywhere else LOCAL_PATH
    if option.kind is Kind.CHOICE:
        return NearestChoice(option.choices)
    if option.kind is Kind.NUMBER:
        bounded = (option.least, option.most) != (None, None)
        return click.IntRange(option.least, option.most) if bounded else click.INT
    if option.kind is Kind.FRACTION:
        return click.FLOAT
    return click.STRING
