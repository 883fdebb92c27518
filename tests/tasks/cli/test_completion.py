"""What shells are told may come next, by the completer that they call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import inprocess
import pytest
from click.shell_completion import ShellComplete
from support import ROOT

from pipeline.formats.registry import FORMATS
from pipeline.job.table.group import Kind
from pipeline.job.table.option import SET, Option
from pipeline.job.table.options import OPTIONS, options_of
from pipeline.job.table.outputs import SHELLS
from tasks.cli import cli
from tasks.cli.completion import VARIABLE

COMMANDS = dict.fromkeys(name for option in OPTIONS for name in option.commands)


def candidates(*words: str) -> list[str]:
    """Return what may stand for the last word."""
    completer = ShellComplete(cli, {}, "shardmill", VARIABLE)
    return [item.value for item in completer.get_completions([*words[:-1]], words[-1])]


def test_commands_are_completed() -> None:
    assert candidates("ima") == ["imagenet", "imagelist"]
    assert {*candidates("")} == {*COMMANDS}, "all but man, which is hidden"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_completed(command: str) -> None:
    flags = {option.flag for option in options_of(command) if not option.positional}
    flags |= {option.off for option in options_of(command) if option.off}
    assert set(candidates(command, "--")) == flags | {"--help"}


@pytest.mark.parametrize(
    ("option", "command"),
    [(o, name) for name in COMMANDS for o in options_of(name) if o.kind is Kind.CHOICE],
    ids=lambda each: getattr(each, "flag", each),
)
def test_the_choices_of_an_option_are_completed(option: Option, command: str) -> None:
    words = [] if option.positional else [option.flag]
    assert candidates(command, *words, "") == list(option.choices)


def test_the_last_word_of_a_list_is_completed() -> None:
    first, *_ = FORMATS
    assert candidates(SET, "--format", f"{first},rec") == [f"{first},recordio"]
    assert candidates(SET, "--export", "parquet,cr") == ["parquet,croissant"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_is_printed(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    run = inprocess.shardmill(monkeypatch, "completion", shell)
    assert run.status == 0
    assert f"{VARIABLE}={shell}_complete" in run.said
    assert ("compinit" in run.said) == (shell == "zsh")
    assert ("--max 1" in run.said) == (shell == "fish")


def test_an_unknown_shell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inprocess.shardmill(monkeypatch, "completion", "cmd").status == 2


def test_bash_itself_completes(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    program = tmp_path / "shardmill"
    program.write_text(f"#!{sys.executable}\nfrom tasks.cli import main\nmain()\n")
    program.chmod(0o755)
    script = """
    source <(shardmill completion bash)
    COMP_WORDS=(shardmill imagenet --order in) COMP_CWORD=3
    _shardmill_completion shardmill
    echo "${COMPREPLY[@]}"
    """
    run = subprocess.run(
        [bash, "-c", script],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("inception\n", "")
