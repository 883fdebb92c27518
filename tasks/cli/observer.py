"""What running tasks and published files tell of how far a command is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pipeline import storage
from pipeline.job.resolve import ResolvedJob
from pipeline.shards.output import Output
from pipeline.state import claims, progress, status
from pipeline.state.progress import Count
from tasks.cli.bars import Bar, Rates

LIST_EVERY_S = 15.0
"""How often a store is asked what is there: each time it is a request for 1,000 objects."""


class BytesObserver:
    """Turns what is told of files that are read into bars."""

    def __init__(self, out: storage.Location, run: str) -> None:
        self._out, self._run = out, run
        self._rates = Rates()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each file that is being read."""
        return self.of(progress.counts(self._out, self._run), now)

    def of(self, counts: Iterable[Count], now: float) -> list[Bar]:
        """Return a bar for each file that counters speak of."""
        bars = list[Bar]()
        for count in sorted(counts, key=lambda count: count.name):  # whoever has it next
            if count.unit == "bytes":
                name = f"{count.step} {count.name}"
                rate = self._rates.rate(name, now, count.done)
                bars.append(Bar(name, count.done, count.total, "bytes", rate=rate))
        return bars


class Observer:
    """Turns what is published into bars."""

    def __init__(self, resolved: ResolvedJob, run: str) -> None:
        self._resolved = resolved
        self._run = run
        self._files = BytesObserver(resolved.out, run)
        self._rates = Rates()
        self._outputs = [
            (split.name, output, split.shard_sizes()) for split, output in resolved.outputs
        ]

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each archive being read, each tree, and each output."""
        storage.renew(after_s=LIST_EVERY_S)
        counts = progress.counts(self._resolved.out, self._run)
        outputs = [self._output(now, *each, counts) for each in self._outputs]
        return [*self._files.of(counts, now), *self._trees(now, counts), *outputs]

    def _output(
        self, now: float, split: str, output: Output, sizes: Sequence[int], counts: list[Count]
    ) -> Bar:
        """Return how far an output is: finished shards, and those that are being written."""
        done = status.published_shards(self._resolved.out, output.digest)
        running = parts_at_work(counts, "shards", split)
        images = sum(sizes[shard] for shard in done if shard < len(sizes))
        images += sum(count for shard, count in running.items() if int(shard) not in done)
        written = sum(storage.sizes(output.folder).values())
        rates, at_work = self._rates, bool(running)
        return Bar(
            f"{split} {output.format}",
            min(images, sum(sizes)),
            sum(sizes),
            "images",
            written,
            rates.rate(output.digest, now, images, at_work=at_work),
            rates.rate(f"{output.digest} bytes", now, written, at_work=at_work),
            detail=f"{len(done):,} of {len(sizes):,} shards",
            part=split,
            is_begun=at_work or bool(done),
            format=output.format,
            shards=(len(done), len(sizes)),
        )

    def _trees(self, now: float, counts: list[Count]) -> list[Bar]:
        bars = []
        for product in self._resolved.products:
            if not product.tree:
                continue
            split = self._resolved.splits[product.split]
            running = parts_at_work(counts, product.step, product.split)
            total = split.expected.images
            done = claims.extracted_images(self._resolved.out, product, split.class_counts)
            done = min(done + sum(running.values()), total)
            if done:
                at_work = bool(running)
                rate = self._rates.rate(product.name, now, done, at_work=at_work)
                bars.append(Bar(f"extract {product.split}", done, total, "images", rate=rate))
        return bars


def parts_at_work(counts: Collection[Count], step: str, split: str) -> dict[str, int]:
    """Return how many images are done of each part of a split that a step is working on.

    Args:
        counts: what tasks count; of parts they are named by the split and the part.
        step: name of the step.
        split: name of the split.
    """
    done = dict[str, int]()
    for count in counts:
        name, _, part = count.name.rpartition(" ")
        if (count.step, name) == (step, split):
            done[part] = count.done
    return done
