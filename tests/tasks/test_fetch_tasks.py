"""Fetching as tasks of Luigi: the options that it takes, and how it ends where it is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import forked
import pytest
from luigi.cmdline_parser import CmdlineParser
from optionwords import examples, parsing_one_root
from support import RawSet

from pipeline.errors import UsageError
from pipeline.job.table.fetch import FETCH_OPTIONS
from pipeline.job.table.option import FETCH
from tasks import fetch
from tasks.cli import cli

FetchArchive: Any = fetch.FetchArchive
FetchArchives: Any = fetch.FetchArchives
NAMES = {option.name for option in FETCH_OPTIONS}


def by_click(*words: str) -> dict[str, Any]:
    """Return the values that ``shardmill fetch`` makes of words, but of where messages go."""
    found = cli.get_command(click.Context(cli), FETCH)
    assert found is not None
    values = found.make_context(FETCH, [*words]).params
    return {name: value for name, value in values.items() if name in NAMES}


def fetch_archives(**given: Any) -> Any:
    return FetchArchives(**{"raw": "/raw", **given})


def test_each_option_of_the_command_is_a_parameter() -> None:
    assert {name for name, _ in FetchArchives.get_params()} == NAMES
    assert {name for name, _ in FetchArchive.get_params()} == NAMES - {"only"} | {"archive"}


def test_the_parameters_have_the_defaults_of_the_options() -> None:
    assert fetch_archives().values() == by_click("--raw", "/raw")


def by_luigi(*words: str) -> dict[str, Any]:
    """Return the values that Luigi's own command makes of words."""
    with parsing_one_root():
        parser: Any = CmdlineParser(["FetchArchives", *words])  # type: ignore[no-untyped-call]
        values: dict[str, Any] = parser.get_task_obj().values()
    return values


@pytest.mark.parametrize(
    "words", [words for option in FETCH_OPTIONS for words in examples(option)], ids=" ".join
)
def test_words_mean_the_same_to_luigi_and_to_the_command(words: tuple[str, ...]) -> None:
    given = words if words[0] == "--raw" else ("--raw", "/raw", *words)
    assert by_luigi(*given) == by_click(*given)
    assert by_click(*given) != by_click("--raw", "/raw")


def test_a_mirror_and_a_header_may_hold_commas() -> None:
    mirrors = ("https://h/a,b/c", "s3://bucket/x, y")
    files = ("@/a, b", "h=@/c,d")
    words = [word for each in mirrors for word in ("--mirror", each)]
    words += [word for each in files for word in ("--header", each)]
    values = by_click("--raw", "/raw", *words)
    assert (values["mirror"], values["header"]) == (mirrors, files)
    assert fetch_archives(mirror="\n".join(mirrors), header="\n".join(files)).values() == values
    parameters = dict(FetchArchives.get_params())
    assert parameters["mirror"].parse([*mirrors]) == "\n".join(mirrors)
    assert parameters["only"].parse(["train", "boxes"]) == "train,boxes"


@pytest.mark.parametrize("word", ["0", "-3", "100000", "65", "many", "1.5", ""])
def test_luigi_and_the_command_refuse_the_same_numbers(small: RawSet, word: str) -> None:
    shared: dict[str, Any] = {"raw": "/raw", "config": str(small.config), "connections": word}
    with pytest.raises(UsageError, match="--connections"):
        FetchArchives(**shared).requires()
    with pytest.raises(UsageError, match="--connections"):
        FetchArchive(archive="train", **shared).complete()
    with pytest.raises(click.UsageError):
        by_click("--raw", "/raw", "--connections", word)


def test_how_archives_are_fetched_is_in_no_task_id() -> None:
    how: dict[str, Any] = {"mirror": "https://h/f", "connections": "9", "limit_rate": "5M"}
    how |= {"s3_profile": "p", "s3_unsigned": True}
    assert fetch_archives(header="@f", netrc=True, **how).task_id == fetch_archives().task_id
    assert fetch_archives(out="/out").task_id != fetch_archives().task_id


def test_an_archive_without_an_address_is_tried_once(small: RawSet, tmp_path: Path) -> None:
    words = ("--raw", str(tmp_path / "raw"), "--config", str(small.config), "--only", "boxes")
    luigi = [sys.executable, "-m", "luigi", "--module", "tasks", "FetchArchives"]
    run = forked.run([*luigi, *words, "--local-scheduler", "--workers", "2"])
    assert run.returncode == 30  # task_failed
    assert run.stderr.count("the configuration has no address") == 1
    assert "Traceback" not in run.stderr
