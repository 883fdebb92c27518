"""The manual page: as it is generated, and what troff makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest
from support import ROOT

from tasks.cli import cli
from tasks.cli.man import page

PAGE = ROOT / "docs" / "shardmill.1"
MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi"}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """The page as it would be generated now."""
    return list(page(cli))


def test_the_page_is_current(lines: list[str]) -> None:
    assert PAGE.read_text() == "\n".join(lines) + "\n", "run: make man"


@pytest.mark.parametrize("name", ["fetch", "im2rec"])
def test_the_page_is_the_same_after_a_command_was_parsed_alone(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command._help_option = None  # what click keeps of an earlier test
    with pytest.raises(click.UsageError):
        command.make_context(name, ["--no-such-option"])
    assert PAGE.read_text() == "\n".join(page(cli)) + "\n"


def test_each_line_is_a_known_macro_or_text_with_known_escapes(lines: list[str]) -> None:
    assert {line.split()[0] for line in lines if line[0] in ".'"} == MACROS
    for line in lines:
        assert not re.sub(r"\\(?:-|e|&|fB|fI|fR)", "", line).count("\\"), line
    assert lines.count(".nf") == lines.count(".fi")


def test_the_page_has_every_option_of_every_command(lines: list[str]) -> None:
    text = "\n".join(lines).replace("\\-", "-")
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if command.hidden:
            continue
        begin = text.index(f'.SH "SHARDMILL {name.upper()}"')
        section = text[begin : text.find("\n.SH ", begin)]
        flags = {flag for param in command.params for flag in param.opts if flag[:2] == "--"}
        shown = re.findall(r"--[a-z0-9_-]+", " ".join(re.findall(r"\\fB(.*)\\fR", section)))
        assert flags <= set(shown)


def test_man_shows_it_without_a_warning() -> None:
    man = shutil.which("man")
    if man is None or shutil.which("groff") is None:
        pytest.skip("there is no man here")
    words = [man, "--warnings", "-l", str(PAGE)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    shown = re.sub(r".\x08", "", run.stdout)
    assert "--max-pixels N" in shown
    assert "shardmill imagenet --raw RAW --out OUT --workers 4" in shown
