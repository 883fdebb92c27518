"""Outputs that the last command asked for and that were never begun.

After an upgrade of the program, digests may differ from those of finished outputs though the same
was asked for: that is no damage, and what is current is what can be verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.state import status
from pipeline.storage import Location


@dataclass(frozen=True)
class NotBegun:
    """An output of which nothing is there.

    Attributes:
        folder: where it would go.
        current: the finished output of the same format, split, options and source files.
    """

    folder: Location
    current: Location

    def __str__(self) -> str:
        """The sentence that says so, as commands print it."""
        return (
            f"asked for and not begun: {self.folder}; {self.current.name} is current and made with"
            " the same options of the same files, by an earlier shardmill or with other tables of"
            " labels: that is verified, and the same command makes the other one"
        )


def outputs_not_begun(resolved: ResolvedJob) -> Iterator[NotBegun]:
    """Yield the outputs of a job that are not begun, where one that was made alike is current."""
    for split, output in resolved.outputs:
        current = current_beside(resolved.out, output.folder)
        if current is not None and _made_alike(resolved, split, output, current):
            yield NotBegun(output.folder, current)


def current_beside(out: Location, folder: Location) -> Location | None:
    """Return the finished output that is current where one is not begun; else None.

    Args:
        out: the output folder.
        folder: of the output that may not be begun.
    """
    begun = folder.name in storage.folders(folder.parent) or status.published_shards(
        out, folder.name
    )
    split, shard_format = folder.parent.name, folder.parent.parent.name
    pointed = storage.pointed(paths.current(out, shard_format, split))
    if begun or pointed is None or not paths.is_digest(pointed):
        return None
    current = folder.parent / pointed
    return current if storage.stat(paths.manifest(current)) is not None else None


def _made_alike(resolved: ResolvedJob, split: SplitJob, output: Output, current: Location) -> bool:
    """Whether a finished output has the options and source files of one that is asked for."""
    path = paths.manifest(current)
    if manifest.read_undamaged(path, OutputManifest) is None:
        return False
    document = manifest.load(path)  # as it was written: older versions knew fewer parameters
    if document["inputs"] != outputs.inputs(split):
        return False
    then, now = document["parameters"], outputs.parameters(resolved, split, output)
    return all(then[name] == now[name] for name in then.keys() & now.keys())
