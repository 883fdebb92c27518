"""Measures how masks are read out of an archive: ``python -m benchmarks.openimages_masks``.

The archive is one of the published size of a mask, ZIP64, on a server of this machine that answers
by TLS and after 50 ms. Some of its masks are read by ranges, the list of its members before, beside
a download of all of it by curl; interleaved round by round. What the server has sent is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import corpus, counted_server, measure, report
from benchmarks.corpus import ROOT
from benchmarks.counted_server import Server
from benchmarks.report import MB, Aim, Series, Spread

_MASK_BYTES: Final = 1_600
_COUNTS: Final = (10, 1_000, 10_000)
"""How many masks are read by ranges."""
_WHOLE: Final = "all of the archive, by curl"
_ARCHIVE: Final = "masks.zip"
_RANGES: Final = """
import json, random, sys, time
from pipeline import storage
from pipeline.archives.zip import read_members, spans
from pipeline.archives.zip_index import read_index
from pipeline.sources.openimages.masks.mask_archives import OpenArchive
place, count = storage.parse(sys.argv[1]), int(sys.argv[2])
began = time.monotonic()
info = storage.stat(place)
with storage.open_sources(place.parent) as sources:
    source = OpenArchive(sources, place.name, info, None)
    index = read_index(source, info.size, place.name)
    wanted = index.take(sorted(random.Random(count).sample(range(index.num_rows), count)))
    size = sum(len(data) for _, data in read_members(source, spans(wanted), place.name))
print(json.dumps({"seconds": time.monotonic() - began, "bytes": size}))
"""


@dataclass
class Bench:
    """The runs of all programs.

    Attributes:
        server: has the archive.
        ram: folder for outputs that cost no disk.
        counts: how many masks are read by ranges.
        series: what was measured, by name.
        sent: megabytes and requests that the server has answered, by name.
    """

    server: Server
    ram: Path
    counts: tuple[int, ...]
    series: dict[str, Series] = field(default_factory=dict)
    sent: dict[str, list[float]] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Measure everything once, from another beginning each time."""
        runs: list[Callable[[], None]] = [self.whole]
        runs += [partial(self.ranges, count) for count in self.counts]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()

    def ranges(self, count: int) -> None:
        """Read some masks by ranges."""
        name, before = f"{count:,} masks by ranges", self.server.sent()
        command = [sys.executable, "-c", _RANGES, self._url, str(count)]
        usage = measure.run(command, ROOT)
        requests, size = (now - then for now, then in zip(self.server.sent(), before, strict=True))
        said = json.loads(usage.output)
        assert said["bytes"] == count * _MASK_BYTES
        line = self.series.setdefault(name, Series(name, count, "masks"))
        line.add(said["seconds"], usage.cpu_s, usage.wall_s)
        self.sent.setdefault(f"{name}: MB", []).append(size / MB)
        self.sent.setdefault(f"{name}: requests", []).append(requests)

    def whole(self) -> None:
        """Download all of the archive."""
        file = self.ram / _ARCHIVE
        command = ["curl", "-sSf", "--cacert", str(self.server.certificate), "-o", str(file)]
        usage = measure.run([*command, self._url], ROOT)
        line = self.series.setdefault(_WHOLE, Series(_WHOLE, file.stat().st_size / 1e9, "GB"))
        line.add(usage.wall_s, usage.cpu_s, usage.wall_s)
        file.unlink()

    @property
    def _url(self) -> str:
        return f"{self.server.url}/{_ARCHIVE}"


def write_archive(path: Path, members: int) -> None:
    """Write an archive of masks of noise, ZIP64 above 65,535 members."""
    chance = random.Random("archive")
    noise = chance.randbytes(2 * _MASK_BYTES)
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(members):
            name = f"0{chance.getrandbits(60):015x}_m0k4j_{chance.getrandbits(32):08x}.png"
            start = chance.randrange(_MASK_BYTES)
            archive.writestr(zipfile.ZipInfo(name), noise[start : start + _MASK_BYTES])


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    if not counted_server.is_installed():
        print("nginx has no Lua module here (see make remote): nothing is measured")
        return
    with corpus.work_folders() as (disk, ram), tempfile.TemporaryDirectory() as own:
        write_archive(disk / _ARCHIVE, options.members)
        with counted_server.serving(Path(own), disk) as server:
            os.environ["CURL_CA_BUNDLE"] = str(server.certificate)
            counts = tuple(count for count in _COUNTS if count <= options.members)
            bench = Bench(server, ram, counts)
            for number in range(options.rounds):
                bench.round(number)
        size = (disk / _ARCHIVE).stat().st_size
    series = list(bench.series.values())
    aims = [Aim(name, None, Spread.of(values)) for name, values in bench.sent.items()]
    measured = [asdict(each) for each in series]
    content = {"machine": report.machine(), "series": measured, "sent": bench.sent}
    report.write(options.output, content)
    print(
        f"an archive of {options.members:,} masks, {size / MB:.0f} MB; {options.rounds} rounds;"
        f" load {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
        f"{report.render(series, aims, [])}\n\n{options.output}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--members", type=int, default=168_000, help="of the archive")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "openimages_masks.json")
    options = parser.parse_args()
    if options.rounds < 1 or options.members < _COUNTS[0]:
        parser.error(f"--members must be {_COUNTS[0]} or more, --rounds 1 or more")
    return options


if __name__ == "__main__":
    main()
