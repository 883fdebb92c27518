"""Luigi's command and shardmill take the same words, and understand the same by them."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from optionwords import (
    REQUIRED,
    Words,
    by_click,
    by_luigi,
    by_luigi_from_python,
    examples,
    of_jobs,
    refused,
)

from pipeline.errors import UsageError
from pipeline.job.build import command_words
from pipeline.job.table.option import SET

GIVEN = [(name, words) for name, option in of_jobs() for words in examples(option)]
REFUSED = [(name, words) for name, option in of_jobs() for words in refused(option)]


def whole(command: str, words: Words) -> Words:
    """Return words with the required options that are not among them."""
    pairs = zip(REQUIRED[command][::2], REQUIRED[command][1::2], strict=True)
    return (*(word for pair in pairs if pair[0] != words[0] for word in pair), *words)


def refuses(ask: Callable[[str, Words], object], command: str, given: Words) -> bool:
    """Whether words are refused; Luigi's from Python are by errors of ours alone."""
    errors = UsageError if ask is by_luigi_from_python else (UsageError, click.UsageError)
    try:
        ask(command, given)
    except errors:
        return True
    return False


def of(command: str, cases: list[tuple[str, Words]]) -> list[Words]:
    """Return the cases of a command, each with the required options."""
    given = [whole(name, words) for name, words in cases if name == command]
    assert given
    return given


@pytest.mark.parametrize("command", REQUIRED)
def test_an_option_means_the_same_to_luigi_and_to_the_command(command: str) -> None:
    cases = of(command, GIVEN)
    assert [given for given in cases if by_luigi(command, given) != by_click(command, given)] == []


@pytest.mark.parametrize("command", REQUIRED)
def test_a_job_is_printed_as_the_command_that_asks_for_it(command: str) -> None:
    for given in of(command, GIVEN):
        job = by_click(command, given)
        printed = command_words(job)
        assert printed is not None, given
        program, name, *rest = printed
        assert (program, name) == ("shardmill", command), given
        assert by_click(command, tuple(rest)) == job, given


@pytest.mark.parametrize("command", REQUIRED)
def test_some_words_of_each_option_change_the_job(command: str) -> None:
    plain = by_click(command, REQUIRED[command])
    options = [option for name, option in of_jobs() if name == command]
    assert options
    for option in options:
        jobs = [by_click(command, whole(command, words)) for words in examples(option)]
        only_one_step = option.choices == ("shards",)
        assert any(job != plain for job in jobs) != only_one_step, option.flag


@pytest.mark.parametrize("command", REQUIRED)
def test_what_luigi_refuses_the_command_refuses(command: str) -> None:
    for given in of(command, REFUSED):
        assert refuses(by_luigi_from_python, command, given), given
        assert refuses(by_click, command, given), given


def test_luigi_takes_the_former_name_of_an_option_too() -> None:
    given = whole(SET, ("--with", "test"))
    former = whole(SET, ("--extras", "test"))
    assert by_luigi(SET, former) == by_click(SET, given)
    assert by_luigi(SET, (*given, "--extras", "devkit")).extras == ("test", "devkit")


def test_a_switch_and_its_opposite_are_refused_by_luigi() -> None:
    with pytest.raises(UsageError, match="contradict"):
        by_luigi(SET, whole(SET, ("--boxes", "--no-boxes")))


def test_options_of_images_may_be_one_document_but_not_twice() -> None:
    document = whole(SET, ("--image", '{"resize": 256, "color": -1}'))
    plain = whole(SET, ("--resize", "256", "--color", "-1"))
    assert by_luigi(SET, document) == by_click(SET, plain)
    with pytest.raises(UsageError, match="--quality is given"):
        by_luigi(SET, whole(SET, ("--image", '{"quality": 90}', "--quality", "80")))
