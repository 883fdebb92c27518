"""One reading of everything that an output folder holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from pipeline import storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.errors import UsageError
from pipeline.job.artifacts import BOXES, Begun, begun
from pipeline.job.options import Job
from pipeline.quantities import counted
from pipeline.sources import registry as sources
from pipeline.sources.kept_files import KeptFiles, Originals
from pipeline.state import standing
from pipeline.storage import Location
from pipeline.verification import (
    boxcheck,
    bucketcheck,
    keptcheck,
    outputcheck,
    packed_against,
    productcheck,
    shardcheck,
    statecheck,
)
from pipeline.verification.findings import Finding
from pipeline.verification.outputcheck import FinishedOutput
from pipeline.verification.productcheck import FinishedProduct


class Checked(Protocol):
    """What a check gives."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What is not as it was written."""


Check = TypeVar("Check", bound=Checked)


Tell = Callable[[str, int | None], None]
"""Is told in a line what was read, and how many bytes; None: nothing was."""


class Runner(Protocol):
    """Runs checks, each by itself, in whatever process."""

    def __call__(self, name: str, checks: Sequence[Callable[[], Check]]) -> Iterable[Check]:
        """Return the results in order; `name` says what is checked."""


def one_by_one(name: str, checks: Sequence[Callable[[], Check]]) -> Iterable[Check]:  # noqa: ARG001
    """Run checks in this process."""
    return (check() for check in checks)


@dataclass(frozen=True)
class Verification:
    """Reads the folders of an output folder back.

    Attributes:
        out: the output folder.
        jobs: those that were started there.
        raw: folder of the archives or tree, to compare each image with its source; or None.
        run: runs the checks of shards and of groups of classes.
        tell: told in a line what was read.
    """

    out: Location
    jobs: Collection[Job] = ()
    raw: Location | None = None
    run: Runner = one_by_one
    tell: Tell = lambda _what, _size: None

    def findings(self, outputs: Iterable[Location]) -> Iterator[Finding]:
        """Yield what is not as it was written.

        Args:
            outputs: folders of outputs to look at; see `standing.output_folders`.

        Raises:
            ArchiveMissing: there is nothing to compare with.
            UsageError: there is no plan to compare by.
            Exception: a defect of a check: it says nothing of the data.
        """
        state = statecheck.check_state(self.out, self._trees())
        yield from state
        yield from outputcheck.check_links(self.out)
        opened = [(folder, outputcheck.open_output(self.out, folder)) for folder in outputs]
        with packed_against.unpacked(self.raw, self._compared(output for _, output in opened)):
            for folder, output in opened:
                damaged = {finding.path for finding in state}
                yield from self._output(folder, output, damaged)
        for product in begun(self.out):
            yield from self._product(product)
        yield from self._kept()
        if self.raw is not None and self.raw != self.out:
            yield from self._originals(self.raw)

    def _compared(self, opened: Iterable[FinishedOutput | Finding]) -> Iterator[FinishedOutput]:
        """Yield the outputs whose images are compared with their sources."""
        for output in opened if self.raw is not None else ():
            if isinstance(output, FinishedOutput) and not standing.is_superseded(output.folder):
                yield output

    def _originals(self, bucket: Location) -> Iterator[Finding]:
        """Compare what has come from a bucket with what that has now."""
        parts: dict[str, list[Originals]] = {}
        for each in sources.originals(list(self.jobs), self.out):
            parts.setdefault(each.name, []).append(each)
        for name, every in parts.items():
            results = []
            checks = [partial(bucketcheck.check_bucket, each, bucket) for each in every]
            for result in self.run(f"{name} against {bucket}", checks):
                results.append(result)
                yield from result.findings
            count = counted(sum(result.compared for result in results), "image")
            received = sum(result.bytes for result in results)
            self.tell(f"{name}: {count} compared by MD5 with {bucket}, received", received)
        others = {files.name for files in sources.kept_files(self.out)} - parts.keys()
        if parts:
            never = "images that were not there when they were collected"
            names = ", ".join([*sorted(others), f"metadata, and {never}"])
            self.tell(f"not compared with {bucket}: {names}", None)

    def _kept(self) -> Iterator[Finding]:
        """Check the files that sources keep here, such as images that were fetched."""
        parts: dict[str, list[KeptFiles]] = {}
        for files in sources.kept_files(self.out):
            parts.setdefault(files.name, []).append(files)
        for name, every in parts.items():
            results = []
            for result in self.run(name, [partial(keptcheck.check_kept, each) for each in every]):
                results.append(result)
                yield from result.findings
            count = counted(sum(result.files for result in results), "file")
            self.tell(f"{name}: {count}", sum(result.bytes for result in results))

    def _trees(self) -> set[Location]:
        """Return the folders of the marks of the trees, which are checked with these."""
        products = (productcheck.open_product(self.out, p, self.jobs) for p in begun(self.out))
        return {p.marks for p in products if isinstance(p, FinishedProduct) and p.groups}

    def _output(
        self, folder: Location, output: FinishedOutput | Finding, damaged: set[Location]
    ) -> Iterator[Finding]:
        if isinstance(output, Finding):
            yield output
            yield from self._marked(folder)
            return
        # What was replaced since was made of what its sources were then.
        raw = None if standing.is_superseded(folder) else self.raw
        if raw is not None and output.document.inputs[0].selection:
            raw = self.out  # the images that it was made of lie here, and are read back themselves
        if raw is not None:
            outputcheck.check_sources(output, raw)
        if raw is not None and storage.stat(output.plan) is None:
            raise UsageError(
                "without its plan an output cannot be compared with its sources",
                file=str(output.plan),
                remedy="remove a shard and run the shardmill command again: the plan is made anew",
            )
        of_folder = outputcheck.check_facts(output) + outputcheck.check_others(output)
        yield from of_folder
        yield from self._shards(output, raw, damaged | {finding.path for finding in of_folder})

    def _shards(
        self, output: FinishedOutput, raw: Location | None, damaged: set[Location]
    ) -> Iterator[Finding]:
        shards = outputcheck.shards_to_check(output, raw, damaged)
        checks = [partial(shardcheck.check_shard, shard) for shard in shards]
        results, is_damaged = [], False
        for result in self.run(output.folder.parent.name, checks):
            results.append(result)
            is_damaged = is_damaged or bool(result.findings)
            yield from result.findings
        if not is_damaged and damaged.isdisjoint(outputcheck.believed(output)):
            yield from outputcheck.check_whole(output, results)
        records = sum(result.records for result in results)
        compared = sum(result.compared for result in results)
        planned = storage.stat(output.plan) is not None
        self.tell(
            f"{output.folder}: {counted(output.shards, 'shard')}, {counted(records, 'record')}"
            + (f", {compared:,} compared with {self._sources(raw)}" if raw else "")
            + (", superseded: not compared with its sources" if self.raw and not raw else "")
            + _not_compared(output, sum(result.uncompared for result in results))
            + ("" if planned else ", labels not checked: the plan is gone")
            + self._without_members(output),
            sum(result.bytes for result in results),
        )

    def _sources(self, raw: Location) -> str:
        if raw != self.out:
            return "their sources"
        alone = ", and with no other place" if self.raw == self.out else ""
        return f"the images in {self.out}{alone}"

    def _without_members(self, output: FinishedOutput) -> str:
        """Return that images were written without a comparison with their verified archive."""
        lacking = memberhashes.lacking(self.out, outputcheck.archives(output))
        if not lacking:
            return ""
        return f", images not compared with what was verified: no hashes of {lacking[0]} are kept"

    def _marked(self, folder: Location) -> Iterator[Finding]:
        """Check the shards of an output without a manifest as far as their marks tell."""
        digest = folder.name
        marked = outputcheck.marked_shards(self.out, digest)
        checks = [partial(shardcheck.check_marked, self.out, digest, index) for index in marked]
        for result in self.run(folder.parent.name, checks):
            yield from result.findings

    def _product(self, standing: Begun) -> Iterator[Finding]:
        product = productcheck.open_product(self.out, standing, self.jobs)
        if isinstance(product, Finding):
            yield product
            return
        checks = [
            partial(productcheck.check_files, product),
            *(partial(productcheck.check_group, product, i) for i in product.groups),
        ]
        if standing.kind == BOXES and self.raw is not None:
            of_split = (self.out, standing.split, self.raw, self.jobs)
            checks.append(partial(boxcheck.check_boxes, *of_split))
        results = []
        for result in self.run(product.name, checks):
            results.append(result)
            yield from result.findings
        files = sum(result.files for result in results)
        self.tell(
            f"{product.name}: {counted(files, 'file')}", sum(result.bytes for result in results)
        )


def _not_compared(output: FinishedOutput, images: int) -> str:
    made_by = outputcheck.form_of(output).codec or "another codec than the one installed here"
    return f", {images:,} not compared: encoded by {made_by}" if images > 0 else ""
