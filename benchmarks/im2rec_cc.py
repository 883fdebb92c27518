"""Measures RecordIO beside im2rec.cc, MXNet's own packer: ``python -m benchmarks.im2rec_cc``.

`SHARDMILL_IM2REC_CC`, or ``--program``, is the path of that program; without one nothing is
measured. ``g++ -O3`` builds it of ``tools/im2rec.cc`` of apache/mxnet, whose headers are in its
``src/io`` and in Debian's ``libopencv-dev``, and of dmlc-core's ``src/*.cc`` and ``src/io/*.cc``
but for those of HDFS, S3 and Azure, with ``-DMXNET_USE_OPENCV=1 -DDMLC_USE_REGEX=1``.

All pack the same files as they are, and are measured in every round. im2rec.cc has one thread, so
it is also measured as two processes that pack a part of the list each. Times are of whole
processes, of `imagelist` also of the step that writes shards. What they write is compared first.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.report import Aim, Series
from pipeline.formats.registry import FORMATS

WORKERS = 2
_VARIABLE = "SHARDMILL_IM2REC_CC"
_ONE, _PARTS = "im2rec.cc unchanged=1", f"im2rec.cc, {WORKERS} processes of a part each"
_PACKED, _STEP = "shardmill im2rec --pass-through", "shardmill imagelist, step shards"
_WHOLE = "shardmill imagelist, whole command"

Records = dict[int, tuple[object, str]]
"""Of each id its labels, and the SHA-256 of its image."""


@dataclass
class Bench:
    """The runs of all programs on one list.

    Attributes:
        corpus: the images, as files in the page cache.
        ram: folder for outputs that cost no disk.
        program: im2rec.cc, built.
        shards: how many `imagelist` writes.
    """

    corpus: Corpus
    ram: Path
    program: Path
    shards: int
    series: dict[str, Series] = field(default_factory=dict)

    @property
    def listing(self) -> Path:
        """The list that all of them read, in shuffled order."""
        return self.ram / "all.lst"

    def round(self, number: int) -> None:
        """Measure everything once, each round beginning with another program."""
        runs: list[Callable[[], object]] = [self.one, self.packed, self.parts, self.imagelist]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()
            shutil.rmtree(self._out)

    def one(self) -> Path:
        """Run im2rec.cc on the list."""
        made = self._begun() / "all.rec"
        self._measure(_ONE, [*self._theirs(made)])
        return made

    def parts(self) -> None:
        """Run im2rec.cc on both halves of the list at once."""
        made = self._begun() / "all.rec"
        commands = [
            shlex.join([*self._theirs(made), f"nsplit={WORKERS}", f"part={part}"])
            for part in range(WORKERS)
        ]
        first, second = commands
        self._measure(_PARTS, ["sh", "-c", f"{first} & {second} && wait $!"])

    def packed(self) -> Path:
        """Run our im2rec on the list."""
        made = self._begun() / "all.rec"
        where = [str(self.listing), f"{self.corpus.tree}/", str(made), "unchanged=1"]
        self._measure(_PACKED, [*_ours("im2rec", *where), "--num-thread", str(WORKERS)])
        return made

    def imagelist(self) -> list[Path]:
        """Run the whole job on the list; return the shards."""
        out = self._begun()
        words = _ours("imagelist", str(self.listing), "--root", str(self.corpus.tree))
        words += ["--out", str(out), "--order", "list", "--format", "recordio"]
        words += ["--shards", str(self.shards), "--workers", str(WORKERS)]
        usage = self._measure(_WHOLE, words)
        self._add(_STEP, measure.steps(out)["shards"], usage)
        return sorted(out.glob("recordio/*/current/*.rec"))

    def compare(self) -> None:
        """Raise unless all write the same records: ids, labels, bytes of images."""
        theirs = self.one().rename(self.ram / "theirs.rec")
        records = _records(theirs)
        shutil.rmtree(self._out)
        assert len(records) == self.corpus.images, f"im2rec.cc: {len(records)} records"
        assert filecmp.cmp(theirs, self.packed(), shallow=False), "im2rec: other bytes"
        shutil.rmtree(self._out)
        ours = [item for shard in self.imagelist() for item in _records(shard).items()]
        assert len(ours) == len(records), f"imagelist: {len(ours)} records"
        assert dict(ours) == records, "imagelist: other records"
        shutil.rmtree(self._out)
        theirs.unlink()

    def aims(self) -> list[Aim]:
        """Return what is aimed at, and what was measured."""
        one, parts = self.series[_ONE], self.series[_PARTS]
        found = list[Aim]()
        for name, wanted in ((_PACKED, 1.0), (_STEP, 1.0), (_WHOLE, None)):
            line = self.series[name]
            beside = f"{name}, {WORKERS} workers, times im2rec.cc"
            found.append(Aim(beside, wanted, line.faster_than(one)))
            found.append(Aim(f"{beside} in {WORKERS} processes", None, line.faster_than(parts)))
            if name != _STEP:  # whose processor time is not known
                found.append(Aim(f"{beside}, by processor time", None, line.cheaper_than(one)))
        return found

    @property
    def _out(self) -> Path:
        return self.ram / "out"

    def _begun(self) -> Path:
        self._out.mkdir()
        return self._out

    def _theirs(self, made: Path) -> list[str]:
        where = [str(self.listing), f"{self.corpus.tree}/", str(made)]
        return [str(self.program), *where, "unchanged=1"]

    def _measure(self, name: str, command: list[str]) -> measure.Usage:
        usage = measure.run(command, ROOT)
        self._add(name, usage.wall_s, usage)
        return usage

    def _add(self, name: str, seconds: float, usage: measure.Usage) -> None:
        line = self.series.setdefault(name, Series(name, self.corpus.images, "images"))
        line.add(seconds, usage.cpu_s, usage.wall_s)
        print(f"{name}: {seconds:.3f} s, {usage.cpu_s:.3f} CPU s of all", file=sys.stderr)


def _ours(*words: str) -> list[str]:
    return [sys.executable, "-m", "tasks.cli", *words]


def _records(shard: Path) -> Records:
    made, found = FORMATS["recordio"], Records()
    for record in made.read(shard):
        said, image = made.parse(record, str(shard))
        number = said["id"]
        assert isinstance(number, int)
        assert number not in found, f"{shard}: two records of id {number}"
        found[number] = (said["labels"], hashlib.sha256(image).hexdigest())
    return found


def main() -> None:
    """Measure, print the tables, write the JSON; say so where there is no im2rec.cc."""
    options = _options()
    if options.program is None:
        print(f"im2rec.cc is not measured: {_VARIABLE} is not set, and no --program is given")
        return
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        bench = Bench(corpus, ram, options.program.resolve(), options.shards)
        listing = _ours("im2rec", "--list", str(ram / "all"), str(corpus.tree), "--recursive")
        measure.run(listing, ROOT)
        bench.compare()
        bench.series.clear()  # the comparison warms up
        for number in range(options.rounds):
            bench.round(number)
        series, aims = list(bench.series.values()), bench.aims()
        report.write(options.output, report.document(corpus, series, aims, []))
        print(
            f"{corpus.summary}; {options.shards} shards of imagelist, {WORKERS} workers, "
            f"{options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
            f"{report.render(series, aims, ())}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given = os.environ.get(_VARIABLE)
    parser.add_argument("--program", type=Path, default=Path(given) if given else None)
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--shards", type=int, default=8, help="of 1,250 images, as ILSVRC2012's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-im2rec-cc.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
