"""Words for every option of the table, and the jobs that the command and Luigi make of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import click
from luigi.cmdline_parser import CmdlineParser
from luigi.task_register import Register

import tasks  # noqa: F401 - registers Luigi's roots
from pipeline.job.build import build_job
from pipeline.job.options import Job
from pipeline.job.table.group import Kind
from pipeline.job.table.option import COMMANDS, LIST, OPEN, SET, Option
from pipeline.job.table.options import options_of
from tasks.cli import cli

ROOTS = {SET: "PrepareImageNet", LIST: "PrepareImageList", OPEN: "PrepareOpenImages"}
REQUIRED = {
    SET: ("--out", "/out"),
    LIST: ("--images", "/lists/a.lst", "--out", "/out"),
    OPEN: ("--class", "Bear", "--out", "/out"),
}

_BUILD: Any = CmdlineParser._build_parser

Words = tuple[str, ...]


def of_jobs() -> list[tuple[str, Option]]:
    """Return each command with each of its options that decides something of a job."""
    return [(name, option) for name in COMMANDS for option in options_of(name) if option.field]


def examples(option: Option) -> Iterator[Words]:
    """Yield words that give an option another value than its default."""
    if option.kind is Kind.SWITCH:
        yield (option.flag,)
        yield from [(option.off,)] if option.off else []
        return
    values = _values(option)
    yield (option.flag, values[0])
    if option.repeats:
        yield (option.flag, ", ".join(values))
        yield tuple(word for value in values for word in (option.flag, value))


def _values(option: Option) -> list[str]:
    if option.kind is Kind.CHOICE:
        others = [word for word in option.choices if word != option.default] or option.choices
        return list(others[-2 if option.repeats else -1 :])
    if option.kind is Kind.NUMBER:
        ends = [end for end in (option.least, option.most) if end is not None]
        return [str(ends[-1] if ends else 1)]
    if option.kind is Kind.COUNTS:
        return ["train=3", "validation=12"]
    if option.kind is Kind.SHARES:
        return ["train=0.25", "validation=0.75"]
    return ["else where"] if option.kind is Kind.PATH else ["train", "b_2"][: 1 + option.repeats]


def refused(option: Option) -> Iterator[Words]:
    """Yield words that give an option a value that it does not take."""
    if option.kind is Kind.CHOICE:
        yield (option.flag, "nonsense")
        yield from [(option.flag, f"{option.choices[0]},nonsense")] if option.repeats else []
    if option.kind is Kind.NUMBER:
        yield from ((option.flag, word) for word in ("many", "1.5"))
        yield from [(option.flag, str(option.least - 1))] if option.least is not None else []
        yield from [(option.flag, str(option.most + 1))] if option.most is not None else []
    if option.kind is Kind.COUNTS:
        yield from ((option.flag, word) for word in ("train", "train=x", "train=1,train=2"))
    if option.kind is Kind.SHARES:
        yield from ((option.flag, word) for word in ("train", "train=x", "=1", "train=1/2"))
    if option.kind is Kind.PATH:
        yield (option.flag, "gs://bucket/x" if option.anywhere else "s3://bucket/x")


def by_click(command: str, words: Words) -> Job:
    """Return the job that ``shardmill`` makes of words; a flag that it does not have is dropped."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    given = [word for word in words if word != "--images"]
    context = found.make_context(command, given)
    return build_job(command, context.params)


def by_luigi(command: str, words: Words) -> Job:
    """Return the job that Luigi's own command makes of words."""
    with parsing_one_root():
        parser: Any = CmdlineParser([ROOTS[command], *words])  # type: ignore[no-untyped-call]
        job: Job = parser.get_task_obj().job
    return job


def parsing_one_root() -> AbstractContextManager[Any]:
    """Have Luigi build its parser once for each root."""
    return mock.patch.object(CmdlineParser, "_build_parser", staticmethod(_parser_of_root))


@functools.cache
def _parser_of_root(root_task: str | None = None, help_all: bool = False) -> Any:
    """Build Luigi's parser once a root: it has an option for each parameter of every task."""
    return _BUILD(root_task, help_all)


def by_luigi_from_python(command: str, words: Words) -> Job:
    """Return the job of a root of Luigi that Python code makes, with pairs of words."""
    pairs = zip(words[::2], words[1::2], strict=True)
    given = {flag.removeprefix("--").replace("-", "_"): value for flag, value in pairs}
    root: Any = Register.get_task_cls(ROOTS[command])  # type: ignore[no-untyped-call]
    job: Job = root(**given).job
    return job
