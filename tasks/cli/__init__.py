"""The command ``shardmill``; one module a subcommand."""

from __future__ import annotations

import signal
import sys

import click

import pipeline
from pipeline.errors import ShardmillError
from tasks.cli.clean import clean
from tasks.cli.im2rec import im2rec
from tasks.cli.imagelist import imagelist
from tasks.cli.imagenet import imagenet
from tasks.cli.sample import sample
from tasks.cli.status import status
from tasks.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(pipeline.__version__, prog_name="shardmill")
def cli() -> None:
    """Turn raw image archives into verified, training-ready shards.

    \b
    Exit status:
      0    complete
      1    incomplete or failed (no space, no permission, a crash)
      2    usage or configuration
      3    input refused (an archive missing, wrong or truncated; a bad image)
      4    complete, with images left out (--on-bad-image skip)
      10   --no-overlap, and another command is at work
      130  interrupted; the same command goes on
    """


for command in (imagenet, imagelist, im2rec, status, verify, clean, sample):
    cli.add_command(command)


def main() -> None:
    """Run the command and exit with its status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both signals: interrupted
    try:
        code = cli.main(standalone_mode=False)
    except ShardmillError as error:
        click.echo(f"shardmill: {error}", err=True)
        code = error.exit_status
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the answer stands: Python tidies up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code if isinstance(code, int) else 0)
