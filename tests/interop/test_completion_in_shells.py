"""zsh and fish themselves complete what is typed, by the scripts that shardmill prints for them."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

SECONDS = 120
TYPED = {
    "shardmill fet": "fetch",
    "shardmill imagenet --order in": "inception",
    "shardmill fetch --limit-r": "--limit-rate",
    "shardmill imagenet --format tfrecord,recor": "tfrecord,recordio",
    "shardmill completion z": "zsh",
}
ZSHRC = """
eval "$(shardmill completion zsh)"
bindkey '^I' expand-or-complete
show() { print -r -- "$BUFFER" > "$HOME/typed"; exit }
zle -N show
bindkey '^X' show
"""
"""As a user has it, and a key that ends the shell and says what stands in its line."""


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell whose home is empty, and that has the command."""
    program = tmp_path / "bin" / "shardmill"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom tasks.cli import main\nmain()\n")
    program.chmod(0o755)
    home = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    path = f"{program.parent}:{os.environ['PATH']}"
    return os.environ | home | {"PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb"}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here: sh .ci/system-packages interop")
    return found


@pytest.mark.parametrize("typed", TYPED)
def test_zsh_completes(typed: str, surroundings: dict[str, str], tmp_path: Path) -> None:
    zsh = shell("zsh")
    (tmp_path / ".zshrc").write_text(ZSHRC)
    ours, its = pty.openpty()
    with subprocess.Popen(
        [zsh, "--no-globalrcs", "-i"], stdin=its, stdout=its, stderr=its, env=surroundings
    ) as run:
        os.close(its)
        os.write(ours, f"{typed}\t\x18".encode())
        try:
            run.wait(SECONDS)
        finally:
            run.kill()
            os.close(ours)
    before, _, _ = typed.rpartition(" ")
    assert (tmp_path / "typed").read_text().rstrip() == f"{before} {TYPED[typed]}"


@pytest.mark.parametrize("typed", TYPED)
def test_fish_completes(typed: str, surroundings: dict[str, str], tmp_path: Path) -> None:
    fish = shell("fish")
    script = tmp_path / "fish" / "completions" / "shardmill.fish"
    script.parent.mkdir(parents=True)
    with script.open("wb") as file:
        words = [str(tmp_path / "bin" / "shardmill"), "completion", "fish"]
        subprocess.run(words, env=surroundings, stdout=file, check=True)
    asked = [fish, "-c", "complete -C $argv[1]", typed]
    run = subprocess.run(asked, env=surroundings, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert [line.partition("\t")[0] for line in run.stdout.splitlines()] == [TYPED[typed]]
