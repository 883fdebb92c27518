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
from tasks.cli.saying import say_as_it_is

VARIABLE: Final = "_SHARDMILL_COMPLETE"
"""The variable by which the script has ``shardmill`` say what may come next: click's own."""
_COMPINIT: Final = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"
"""What the script of zsh calls a function of, which a ~/.zshrc need not have loaded before."""
_SPLIT: Final = 'string split "," $completion'
_SPLIT_ONCE: Final = 'string split --max 1 "," $completion'
"""How click's script of fish splits what it is told, and how it must: a list has commas itself."""
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
    script = completer(ctx.find_root().command, {}, "shardmill", VARIABLE).source()
    script = f"{_COMPINIT}{script}" if shell == "zsh" else script.replace(_SPLIT, _SPLIT_ONCE)
    say_as_it_is(Lines(script))
    return 0
