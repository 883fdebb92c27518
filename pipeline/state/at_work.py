"""Who is at work on an output folder, on whichever host, by the leases that are there.

See `pipeline.state.lease`, which writes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Self

from pipeline import manifest, paths, plaintext, storage
from pipeline.documents.leases import Lease
from pipeline.errors import OutputDamaged
from pipeline.storage import Location, Plan

ALONE: Final = "no-overlap"
"""The name of the one lease of a command that is to be alone."""


@dataclass(frozen=True)
class AtWork:
    """A command that says that it is at work.

    Attributes:
        place: of its lease.
        content: of that, as it was read.
        lease: what it says; None: it is damaged.
    """

    place: Location
    content: bytes
    lease: Lease | None

    @classmethod
    def of(cls, place: Location, content: bytes) -> Self:
        """Return what the content of a lease means."""
        try:
            return cls(place, content, manifest.decoded(content, Lease, place))
        except OutputDamaged:
            return cls(place, content, None)

    @property
    def runs(self) -> bool | None:
        """Whether its process runs; None: that cannot be seen from here."""
        if self.lease is None:
            return None
        said = self.lease
        process = storage.Owner(said.host, said.pid, said.place, said.birth)
        return process.runs() if process.is_comparable else None

    @property
    def process(self) -> str:
        """Who it is, and where."""
        if self.lease is None:
            return "somebody whose lease is damaged"
        return f"process {self.lease.pid} on {plaintext.line(self.lease.host)}"

    @property
    def since(self) -> str:
        """Since when it is at work, by the clock of its host."""
        began = self.lease.began if self.lease else 0.0
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began))

    @property
    def told(self) -> dict[str, str | int | float | bool | None]:
        """What a program is told of it."""
        if self.lease is None:
            return {}
        said = self.lease
        return {"host": said.host, "process": said.pid, "began": said.began, "runs": self.runs}

    def __str__(self) -> str:
        """Who it is, where, and since when."""
        return f"{self.process}, since {self.since}" if self.lease else self.process


def at_work(out: Location) -> list[AtWork]:
    """Return who says that he is at work on an output folder, and is not known to be gone."""
    return [each for each in all_leases(out).values() if each.runs is not False]


def sweep(out: Location) -> None:
    """Remove the leases of processes of this host that are gone."""
    if storage.documents(paths.lease(out, ALONE).parent):
        for each in all_leases(out).values():
            if each.runs is False:
                storage.remove(out, each.place)


def leftovers(out: Location, *, of_other_hosts: bool) -> Plan:
    """Return what goes of leases: of processes that are gone, and those that were withdrawn.

    Args:
        out: the output folder.
        of_other_hosts: whether those of processes go, too, of which nothing is known here.
    """
    folder = paths.lease(out, ALONE).parent
    stays = {each.place for each in at_work(out) if each.runs or not of_other_hosts}
    goes = lambda path: path.suffix == ".json" and path.name[0] != "." and path not in stays  # noqa: E731
    plan = storage.plan_folder(out, folder, goes)
    return plan if plan.files else Plan(out)  # an empty folder is nothing to ask about


def all_leases(out: Location) -> dict[str, AtWork]:
    """Return the leases of an output folder by the names of their documents, as they are now."""
    folder = paths.lease(out, ALONE).parent
    contents = storage.small_documents(folder)
    return {name: AtWork.of(folder / name, content) for name, content in contents.items()}


def content_of(place: Location) -> bytes:
    """Return what a lease says at this moment; b"": there is none."""
    return storage.small_document(place)
