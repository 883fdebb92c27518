"""The output folder that a command looks at, on this machine or in a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from pipeline import storage
from pipeline.job.options import Job
from pipeline.storage import Location, RemoteOptions


@dataclass(frozen=True)
class Reached:
    """An output folder, and how remote places are reached.

    Attributes:
        out: where it lies.
        options: what the command was given.
    """

    out: Location
    options: RemoteOptions

    @classmethod
    def of(cls, out: str, given: Mapping[str, Any]) -> Self:
        """Return the output of a command line; from now on stores are reached as it says.

        Args:
            out: a path or an address in S3.
            given: the options of remote places, by the names of their fields.

        Raises:
            UsageError: nothing can lie there.
        """
        storage.parse(out, "OUT")
        place = storage.parse(storage.absolute(out, "OUT"), "OUT")
        reached = cls(storage.check_takes_files(place, "OUT"), RemoteOptions(**given))
        reached.use()
        storage.renew()  # a command looks anew, also one of several in a process
        return reached

    @property
    def is_shared(self) -> bool:
        """Whether it lies in a store, where commands of other hosts are not seen from here."""
        return not storage.takes_folders(self.out)

    def use(self) -> None:
        """Have this process reach it, and answer for what is in it from listings."""
        storage.use(self.options)
        storage.watch(self.out)

    def as_given(self, jobs: Iterable[Job]) -> list[Job]:
        """Return recorded jobs that reach remote places as this command does.

        What it was not given is as each of them had it, but for the scratch folder, which may be of
        another host.
        """
        default = asdict(RemoteOptions())
        own = {
            name: value for name, value in asdict(self.options).items() if value != default[name]
        }
        own["scratch"] = self.options.scratch
        return [replace(job, remote=replace(job.remote, **own)) for job in jobs]
