"""The base of the tasks that make the artifacts of a job, and which task makes which."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, Self

import luigi

from pipeline import storage
from pipeline.job.artifacts import Artifact
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.manifest import Sealed
from pipeline.state import inventory
from pipeline.storage import Location
from tasks.base import JobTask


class DocumentTarget(luigi.Target):
    """A manifest or mark: it exists when it parses and `find` says that its files are there."""

    def __init__(self, path: Location, find: Callable[[], Sealed | None]) -> None:
        self.path = str(path)
        self._find = find

    def __str__(self) -> str:
        return self.path

    def exists(self) -> bool:
        """Whether the manifest parses and its files are there."""
        return self._find() is not None


class ShardmillTask(JobTask):
    """Base of the tasks that make an artifact: the graph of the job says what it needs."""

    makes: ClassVar[str] = ""
    """The kind of artifact that it makes, or its `Artifact.maker`."""
    document_kind: ClassVar[type[Sealed]]
    """What its mark is decoded into."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "makes" in cls.__dict__:
            MAKERS[cls.makes] = cls

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return the tasks that make an artifact for a job: one, or one for each of its parts."""
        return [cls(out=resolved.job.out, job=resolved.job, **cls.named(artifact))]

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an artifact."""
        raise TypeError(f"{cls.__name__} does not make {artifact.name}")

    @property
    def artifact_name(self) -> str:
        """The name of the artifact that it makes, in its job."""
        raise TypeError(f"{type(self).__name__} makes nothing")

    @property
    def artifact(self) -> Artifact:
        """The artifact that it makes, or makes a part of."""
        return self.resolved.graph[self.artifact_name]

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return self.artifact_name

    @property
    def step(self) -> str:
        """What it does, for reports."""
        return self.artifact.step

    def requires(self) -> list[ShardmillTask]:
        """Return the tasks that make what the artifact needs."""
        return tasks_of(self.resolved, self.artifact.needs)

    def needed(self, kind: str) -> list[ShardmillTask]:
        """Return those of the tasks before this one that make artifacts of a kind."""
        graph = self.resolved.graph
        names = [need for need in self.artifact.needs if graph[need].kind == kind]
        return tasks_of(self.resolved, names)

    @property
    def resolved(self) -> ResolvedJob:
        """The job with its digests."""
        return resolve(self.job)

    def mark(self) -> Location:
        """Return the path of the document that is written last."""
        mark = self.artifact.mark
        if mark is None:
            raise TypeError(f"{type(self).__name__} has no mark")
        return mark

    def document(self) -> Sealed | None:
        """Return that document if the product is complete, else None."""
        return inventory.document(self.resolved, self.artifact)

    def invalidate(self) -> None:
        """Have the product made anew, because it was found damaged."""
        storage.remove(self.folder, self.mark())

    def output(self) -> DocumentTarget:
        """Return the document as Luigi's target."""
        return DocumentTarget(self.mark(), self.document)


MAKERS: Final[dict[str, type[ShardmillTask]]] = {}
"""The task that makes each kind of artifact: filled where each is defined."""


def tasks_of(resolved: ResolvedJob, names: Iterable[str]) -> list[ShardmillTask]:
    """Return the tasks that make the artifacts of these names for a job."""
    artifacts = [resolved.graph[name] for name in names]
    makers = [MAKERS[artifact.maker or artifact.kind] for artifact in artifacts]
    pairs = zip(makers, artifacts, strict=True)
    return [task for maker, artifact in pairs for task in maker.of(resolved, artifact)]
