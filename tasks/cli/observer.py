"""What running tasks and published files tell of how far a command is."""

from __future__ import annotations

from pipeline import storage
from pipeline.job.resolve import ResolvedJob
from pipeline.state import claims, progress, status
from tasks.cli.bars import Bar, Rates

LIST_EVERY_S = 15.0
"""How often a store is asked what is there: each time it is a request for 1,000 objects."""


class BytesObserver:
    """Turns what is told of archives that are read into bars."""

    def __init__(self, out: storage.Location, run: str) -> None:
        self._out, self._run = out, run
        self._rates = Rates()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each archive that is being read."""
        return [
            Bar(
                f"verify {count.name.split('_', 1)[-1]}",
                count.done,
                count.total,
                "bytes",
                rate=self._rates.rate(count.name, now, count.done),
            )
            for count in progress.counts(self._out, self._run)
            if count.unit == "bytes"
        ]


class Observer:
    """Turns what is published into bars."""

    def __init__(self, resolved: ResolvedJob, run: str) -> None:
        self._resolved = resolved
        self._run = run
        self._archives = BytesObserver(resolved.out, run)
        self._rates = Rates()
        self._sizes = {
            (split.name, output.format): (output, split.shard_sizes())
            for split, output in resolved.outputs
        }

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each archive being read and each output being written."""
        storage.renew(after_s=LIST_EVERY_S)
        counts = progress.counts(self._resolved.out, self._run)
        bars = [*self._archives.bars(now), *self._trees(now)]
        for (split, shard_format), (output, sizes) in self._sizes.items():
            done = status.published_shards(self._resolved.out, output.digest)
            if not done and not any(count.step == "shards" for count in counts):
                continue
            images = sum(sizes[shard] for shard in done if shard < len(sizes))
            written = sum(storage.sizes(output.folder).values())
            bars.append(
                Bar(
                    f"{split} {shard_format}, {len(done)} of {len(sizes)} shards",
                    images,
                    sum(sizes),
                    "images",
                    written,
                    self._rates.rate(output.digest, now, images),
                    self._rates.rate(f"{output.digest} bytes", now, written),
                )
            )
        return bars

    def _trees(self, now: float) -> list[Bar]:
        bars = []
        for product in self._resolved.products:
            if not product.tree:
                continue
            split = self._resolved.splits[product.split]
            done = claims.extracted_images(self._resolved.out, product, split.class_counts)
            if done:
                total = split.expected.images
                rate = self._rates.rate(product.name, now, done)
                bars.append(Bar(f"extract {product.split}", done, total, "images", rate=rate))
        return bars
