"""What a command says of itself while it is at work on an output folder."""

from __future__ import annotations

from msgspec import Struct

from pipeline.documents.values import Position, Seconds, Size, Text
from pipeline.manifest import FileEntry


class Lease(Struct, frozen=True):
    """A command that is at work; see `pipeline.state.lease`.

    Attributes:
        host: name of its machine.
        pid: number of its process there.
        place: of machine and PID namespace; see `pipeline.storage.local.owner`.
        birth: of boot and start.
        began: when, by the clock of its host; only shown, never compared.
        renewed: how often it has said so again.
        files: none.
    """

    host: Text
    pid: Position
    place: Text = ""
    birth: Text = ""
    began: Seconds = 0.0
    renewed: Size = 0
    files: tuple[FileEntry, ...] = ()
