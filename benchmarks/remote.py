"""Measures remote places beside curl, md5sum and boto3: ``python -m benchmarks.remote``.

Archives of photographs lie on servers of this machine, which share its processors with the clients:
nginx for `fetch`, SeaweedFS for verifying at an address and for ranges. Everything is measured in
one run, interleaved round by round, and written to memory. Where a server is not installed, what
needs it is left out, and a line says so. All programs must have read the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import operator
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, range_reads, remote_servers, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.measure import Usage
from benchmarks.report import Aim, Memory, Series, Spread

_IMAGES = 18_700  # 2 GiB
_HERE = Path(__file__).resolve().parent
BUCKET, PREFIX = "benchmark", "raw"
"""Where `upload` puts an archive."""

_FETCH, _CURL, _MD5 = "shardmill fetch", "curl", "md5sum"
_NOTHING = "shardmill fetch, all is there already"
_ONE, _FOUR = "fetch, limited, 1 connection", "fetch, limited, 4 connections"
_VERIFY, _DOWNLOAD = "shardmill: verify and index at s3://", "boto3: download_file"
_RANGES = {
    "local": "ranges: shardmill, a local file",
    "shardmill": "ranges: shardmill, S3",
    "boto3": f"ranges: boto3, {range_reads.IN_FLIGHT} threads",
}


@dataclass
class Bench:
    """The runs of all programs on one archive.

    Attributes:
        corpus: its images.
        ram: folder for outputs that cost no disk.
        web: address of the folder that it lies in, on a web server; "": there is none.
        store: endpoint of a store that has it; "": there is none.
        ranges: how many are read.
        series: what was measured, by name.
        hashes: of the bytes that the first to read them has read.
    """

    corpus: Corpus
    ram: Path
    web: str
    store: str
    ranges: int
    series: dict[str, Series] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Measure everything once, from another beginning each time."""
        runs: list[Callable[[], None]] = [self.md5sum]
        if self.web:
            runs += [self.fetch, self.curl]
        if self.store:
            runs += [self.verify, self.download, *(self._reads(how) for how in _RANGES)]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()

    def md5sum(self) -> None:
        """Measure the checksum of the local archive."""
        usage = measure.run(["md5sum", str(self.corpus.archive)], ROOT)
        self._same("the archive", usage.output.split()[0])
        self._add(_MD5, usage.wall_s, usage)

    def curl(self) -> None:
        """Measure the download alone."""
        file = self.ram / "curl"
        url = f"{self.web}/{self.corpus.archive.name}"
        usage = measure.run(["curl", "-sSf", "--output", str(file), url], ROOT)
        self._add(_CURL, usage.wall_s, usage)
        self._same_file(file)

    def fetch(self) -> None:
        """Measure the download that is verified while it arrives, and the command's start alone."""
        self._fetch(_FETCH, self.web, [], again=_NOTHING)

    def limited(self) -> None:
        """Measure it where the server sends so much to each connection, and no more."""
        for name, connections in ((_ONE, "1"), (_FOUR, "4")):
            self._fetch(name, f"{self.web}/limited", ["--connections", connections])

    def verify(self) -> None:
        """Measure the step that verifies and indexes, its archive in the store."""
        out = self.ram / "out"
        where = ["--raw", f"s3://{BUCKET}/{PREFIX}", "--s3-endpoint", self.store]
        command = self._ours("imagenet", *where, "--out", str(out))
        usage = measure.run([*command, "--no-boxes", "--until", "verify", "--workers", "1"], ROOT)
        self._add(_VERIFY, measure.steps(out)["verify"], usage)
        shutil.rmtree(out)

    def download(self) -> None:
        """Measure boto3's copy to a file."""
        file = self.ram / "boto3"
        words = [self.store, BUCKET, self._key, str(file)]
        usage = measure.run([sys.executable, str(_HERE / "peer_boto3.py"), *words], ROOT)
        self._add(_DOWNLOAD, json.loads(usage.output)["seconds"], usage)
        self._same_file(file)

    def memory(self) -> list[Memory]:
        """Return what `fetch` held for itself, in runs apart; the second one has nothing to do."""
        if not self.web:
            return []
        names = (_FETCH, _NOTHING)
        runs = [Memory(name, measure.peaks(self._fetching(self.web), ROOT)) for name in names]
        shutil.rmtree(self._raw)
        return runs

    def aims(self, memory: list[Memory]) -> list[Aim]:
        """Return what is aimed at, and what came of it."""
        by, aims = self.series, list[Aim]()
        if self.web:
            fetch, curl, md5 = by[_FETCH], by[_CURL], by[_MD5]
            slower = _each(max, curl.seconds, md5.seconds)
            both = _each(operator.add, curl.cpu_s, md5.cpu_s)
            work = _each(operator.sub, fetch.cpu_s, by[_NOTHING].cpu_s)
            one, four = by[_ONE], by[_FOUR]
            aims += [
                _most("fetch: time beside the slower of curl and MD5", 1.4, fetch.seconds, slower),
                _most("fetch: processor beside curl and MD5", 1.4, fetch.cpu_s, both),
                _most("the same, without its start", None, work, both),
                Aim("fetch, limited: 4 connections beside 1", 3, four.faster_than(one)),
            ]
            held = [memory[0].highest(0) - memory[1].highest(0)]
            what = "fetch: memory beyond that of its start, MB"
            aims.append(Aim(what, 64, Spread.of(held), most=True))
        if self.store:
            slower = _each(max, by[_DOWNLOAD].seconds, by[_MD5].seconds)
            verify = by[_VERIFY].seconds
            what = "verify at s3://: time beside the slower of download_file and MD5"
            aims.append(_most(what, 1.1, verify, slower))
            local, ours, boto3 = (by[name].cpu_s for name in _RANGES.values())
            more = [
                1000 * (far - near) / self.ranges for far, near in zip(ours, local, strict=True)
            ]
            what = "ranges: processor ms more than a local read"
            aims.append(Aim(what, 1.0, Spread.of(more), most=True))
            aims.append(_most("ranges: processor beside boto3", 0.3, ours, boto3))
        return aims

    def _reads(self, how: str) -> Callable[[], None]:
        return lambda: self._read_ranges(how)

    def _read_ranges(self, how: str) -> None:
        place = f"s3://{BUCKET}/{self._key}" if how != "local" else str(self.corpus.archive)
        words = ["boto3" if how == "boto3" else "shardmill", self.store, place, str(self.ranges)]
        usage = measure.run([sys.executable, "-m", "benchmarks.range_reads", *words], ROOT)
        said = json.loads(usage.output)
        self._same("the ranges", said["xxh3"])
        alone = Usage(usage.wall_s, said["cpu_s"], "", usage.peak_bytes)
        volume = self.ranges * range_reads.LENGTH / 1e9
        self._add(_RANGES[how], said["seconds"], alone, volume)

    def _fetch(self, name: str, mirror: str, words: list[str], again: str = "") -> None:
        for each in filter(None, (name, again)):
            usage = measure.run([*self._fetching(mirror), *words], ROOT)
            self._add(each, usage.wall_s, usage)
        self._same_file(self._raw / self.corpus.archive.name)
        shutil.rmtree(self._raw)

    def _fetching(self, mirror: str) -> list[str]:
        words = ("--raw", str(self._raw), "--only", "train", "--mirror", mirror)
        return self._ours("fetch", *words)

    @property
    def _raw(self) -> Path:
        return self.ram / "raw"

    @property
    def _key(self) -> str:
        return f"{PREFIX}/{self.corpus.archive.name}"

    def _ours(self, command: str, *words: str) -> list[str]:
        config = str(self.corpus.config)
        return [sys.executable, "-m", "tasks.cli", command, "--config", config, *words]

    def _add(self, name: str, seconds: float, usage: Usage, volume: float = 0.0) -> None:
        volume = volume or self.corpus.bytes / 1e9
        line = self.series.setdefault(name, Series(name, volume, "GB"))
        line.add(seconds, usage.cpu_s, usage.wall_s)
        print(f"{name}: {seconds:.3f} s, {usage.cpu_s:.2f} s of processor", file=sys.stderr)

    def _same_file(self, file: Path) -> None:
        with file.open("rb") as content:
            self._same("the archive", hashlib.file_digest(content, "md5").hexdigest())
        file.unlink()

    def _same(self, what: str, digest: str) -> None:
        assert self.hashes.setdefault(what, digest) == digest, f"other bytes of {what}"


def _each(
    combine: Callable[[float, float], float], first: list[float], second: list[float]
) -> list[float]:
    """Return what the values of each round come to."""
    return [combine(one, other) for one, other in zip(first, second, strict=True)]


def _most(what: str, wanted: float | None, ours: list[float], theirs: list[float]) -> Aim:
    """Return the aim that a ratio, paired by round, is no larger."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return Aim(what, wanted, Spread.of(ratios), most=True)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with (
        corpora.work_folders() as (disk, ram),
        contextlib.ExitStack() as stack,
    ):
        web, store = _program("nginx", "fetch"), _program("weed", "reading from S3")
        if not web and not store:
            return
        corpus = corpora.make(disk, options.images)
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        url = stack.enter_context(remote_servers.nginx(web, folders[0], corpus.raw)) if web else ""
        endpoint = stack.enter_context(remote_servers.seaweedfs(store, folders[1])) if store else ""
        if endpoint:
            upload(endpoint, corpus)
        bench = Bench(corpus, ram, url, endpoint, options.ranges)
        bench.round(0)
        bench.series.clear()  # the first round warms up
        for number in range(options.rounds):
            bench.round(number)
        if url:
            bench.limited()  # once: it waits most of its time
        memory = bench.memory()
        series, aims = list(bench.series.values()), bench.aims(memory)
        report.write(options.output, report.document(corpus, series, aims, memory))
        print(
            f"an archive of {corpus.bytes / 1e9:.2f} GB; {options.ranges:,} ranges of"
            f" {range_reads.LENGTH:,} bytes; {options.rounds} rounds; load"
            f" {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
            f"{report.render(series, aims, memory)}\n\n{options.output}"
        )


def _program(name: str, what: str) -> str:
    """Return the program of a server; where it is missing, say what is not measured."""
    program = remote_servers.find(name)
    if program is None:
        print(f"{name} is not installed (see make remote): {what} is not measured")
    return program or ""


def upload(endpoint: str, corpus: Corpus) -> None:
    """Put the archive into a store whose keys all programs find in the environment."""
    access, secret = remote_servers.KEYS
    os.environ |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    import boto3  # noqa: PLC0415 - only where there is a store
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        request_checksum_calculation="when_required",
        retries={"mode": "standard", "total_max_attempts": 20},  # it takes a while to be ready
        s3={"addressing_style": "path"},
    )
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    if not any(each["Name"] == BUCKET for each in client.list_buckets()["Buckets"]):
        client.create_bucket(Bucket=BUCKET)
    client.upload_file(str(corpus.archive), BUCKET, f"{PREFIX}/{corpus.archive.name}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=_IMAGES, help="a multiple of 100")
    parser.add_argument("--ranges", type=int, default=2_000, help="how many are read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "remote.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
