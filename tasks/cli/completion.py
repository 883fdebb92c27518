"""``shardmill completion``: the script that lets a shell complete options and their values."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from pipeline.job.table.option import COMPLETION
from pipeline.job.table.options import options_of
from pipeline.job.table.outputs import SHELLS
from pipeline.plaintext import Lines
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

VARIABLE: Final = "_SHARDMILL_COMPLETE"
"""The variable by which the script has ``shardmill`` say what may come next: click's own."""
EXAMPLES: Final = tuple(f"shardmill completion {shell}" for shell in SHELLS)


@click.command(cls=GroupedCommand, params=parameters(options_of(COMPLETION)), examples=EXAMPLES)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that lets a shell complete the options of shardmill.

    \b
    bash  in ~/.bashrc:  eval "$(shardmill completion bash)"
    zsh   in ~/.zshrc:   eval "$(shardmill completion zsh)"
    fish  once:          shardmill completion fish > ~/.config/fish/completions/shardmill.fish
    """  # noqa: D301 - click's \b is a real backspace
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    program = ctx.find_root().command
    say(Lines(completer(program, {}, "shardmill", VARIABLE).source()))
    return 0
