"""The options of ``shardmill fetch``; those that a preparation has, too, are made of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.inputs import INPUT_OPTIONS
from pipeline.job.table.option import FETCH, NO_DIGEST, Option
from pipeline.job.table.remote import REMOTE_OPTIONS

MOST_CONNECTIONS: Final = 64

_INPUT: Final = {option.flag: option for option in INPUT_OPTIONS}
_STORE: Final = tuple(
    replace(option, commands=(FETCH,), field="")
    for option in REMOTE_OPTIONS
    if option.flag.startswith("--s3-") or option.flag == "--scratch"
)

STORE_FIELDS: Final = tuple(option.name for option in _STORE)
"""What says how a store is reached: the names of options, and the fields of `RemoteOptions`."""

FETCH_OPTIONS: Final = (
    replace(
        _INPUT["--config"],
        help="TOML file that names the archives, their MD5s and addresses; default: ILSVRC2012's.",
        commands=(FETCH,),
        field="",
        digests=NO_DIGEST,
    ),
    replace(
        _INPUT["--raw"],
        help="Folder that the archives go into; it is made if it does not exist.",
        commands=(FETCH,),
        field="",
        default=None,
        required=True,
        anywhere=False,
    ),
    replace(
        _INPUT["--out"],
        help="Output folder of the command that is to prepare them, or its s3:// address: they are"
        " verified and indexed for it while they arrive, so that it need not read them first.",
        commands=(FETCH,),
        field="",
        default="",
        required=False,
    ),
    Option(
        flag="--only",
        kind=Kind.TEXT,
        group=Group.SELECTION,
        help="Archive to fetch, by its name in the configuration, such as train or devkit;"
        " default: all that are not optional.",
        commands=(FETCH,),
        default=(),
        metavar="NAME",
        repeats=True,
    ),
    Option(
        flag="--mirror",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Address of a folder that has the same archives, which is asked before the configured"
        " addresses; the MD5 decides whether they are the same.",
        commands=(FETCH,),
        default=(),
        metavar="URL",
        repeats=True,
        commas=False,
    ),
    Option(
        flag="--header",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="File with headers to send, a line each, such as `Cookie: ...` of a login; of several"
        " hosts, say for which. They are sent to no other host.",
        commands=(FETCH,),
        default=(),
        metavar="[HOST=]@FILE",
        repeats=True,
        commas=False,
    ),
    Option(
        flag="--netrc",
        kind=Kind.SWITCH,
        group=Group.INPUT,
        help="Look up user and password of a host in ~/.netrc.",
        commands=(FETCH,),
        default=False,
    ),
    *_STORE,
    Option(
        flag="--connections",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="How many parts of an archive are fetched at a time.",
        commands=(FETCH,),
        default=4,
        least=1,
        most=MOST_CONNECTIONS,
        metavar="N",
    ),
    Option(
        flag="--limit-rate",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Bytes a second that are fetched at most, over all connections, such as 500k, 50M or"
        " 1G; default: no limit.",
        commands=(FETCH,),
        default="",
        metavar="RATE",
    ),
)
"""The options of fetch, in the order of ``--help``."""
