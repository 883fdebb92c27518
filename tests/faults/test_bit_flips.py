"""A single flipped bit anywhere in a finished output is found, and mended on request.

SHARDMILL_FLIPS says how many bits are flipped, SHARDMILL_SEED which.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import RawSet, prepare, products, shardmill

from pipeline.job.artifacts import Begun, begun
from pipeline.state import standing
from pipeline.verification import outputcheck, productcheck, shardcheck, statecheck
from pipeline.verification.findings import Finding, Layer
from pipeline.verification.outputcheck import FinishedOutput
from pipeline.verification.reading import Verification

FLIPS = int(os.environ.get("SHARDMILL_FLIPS", "200"))
WHOLE = 10  # every so many flips everything is read, as the command does
FORMATS = ("--format", "tfrecord", "--format", "recordio", "--format", "webdataset", "--joined")
OPTIONS = ("--extract", "--shards", "train=12", *FORMATS)
MARKS = ".shardmill"
KINDS = {
    "shards": "tfrecord/*/*/*-of-*",
    "indexes": "tfrecord/*/*/idx/*",
    "RecordIO shards": "recordio/*/*/*-of-*.rec",
    "RecordIO indexes": "recordio/*/*/*-of-*.idx",
    "RecordIO lists": "recordio/*/*/*-of-*.lst",
    "joined RecordIO": "recordio/*/*/[a-z]*[a-z].[ril]*",
    "tar shards": "webdataset/*/*/*-of-*.tar",
    "tar indexes": "webdataset/*/*/idx/*",
    "wids indexes": "webdataset/*/*/index.json",
    "manifests": "[rtw]*/*/*/manifest.json",
    "facts": "[rtw]*/*/*/facts.parquet",
    "boxes": "bboxes*.csv",
    "box tables": f"{MARKS}/products/*.arrow",
    "lists": "lists/*",
    "trees": "*/n*/*.JPEG",
    "shard marks": f"{MARKS}/shards/*/*.json",
    "shard facts": f"{MARKS}/shards/*/*.arrow",
    "plans": f"{MARKS}/plans/*.arrow",
    "catalogs": f"{MARKS}/catalogs/*.parquet",
    "unmatched boxes": f"{MARKS}/catalogs/*.csv",
    "archive indexes": f"{MARKS}/archives/*.parquet",
    "member hashes": f"{MARKS}/archives/*.members.arrow",
    "tree listings": f"{MARKS}/trees/*/*.arrow",
    "tree marks": f"{MARKS}/trees/*/*.json",
    "product marks": f"{MARKS}/products/*.json",
    "other marks": f"{MARKS}/[acp][a-z]*[eg]s/*.json",
    "jobs": f"{MARKS}/job*/*.json",
    "last job": f"{MARKS}/job.json",
}
JOBS = {"jobs", "last job"}
OF_PRODUCT = {"joined RecordIO", "boxes", "box tables", "lists"}
OF_PRODUCT |= {"trees", "tree listings", "tree marks"}
OF_OUTPUT = {"facts", "shard marks", "shard facts", "plans"} | {
    kind for kind in KINDS if kind.endswith(("shards", "indexes", "RecordIO lists"))
}


@dataclass(frozen=True)
class Finished:
    """A finished output, and the files of each kind in it."""

    out: Path
    files: dict[str, list[Path]]


def files_of(out: Path, kind: str) -> list[Path]:
    found = (path for path in out.glob(KINDS[kind]) if "current" not in path.parts)
    return sorted(path for path in found if path.is_file() and path.stat().st_size)


@pytest.fixture(scope="module")
def finished(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("flips") / "out"
    run = prepare(sample, out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    return Finished(out, {kind: files_of(out, kind) for kind in KINDS})


def flip(path: Path, chance: random.Random) -> bytes:
    """Flip one bit of a file, anywhere in it; return what it held."""
    content = path.read_bytes()
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    return content


@contextlib.contextmanager
def flipped(path: Path, chance: random.Random) -> Iterator[None]:
    """Flip one bit of a file for a while."""
    content = flip(path, chance)
    try:
        yield
    finally:
        path.write_bytes(content)


def opened(out: Path) -> list[FinishedOutput]:
    found = (outputcheck.open_output(out, folder) for folder in standing.output_folders(out))
    return [output for output in found if isinstance(output, FinishedOutput)]


def seen_in_output(output: FinishedOutput, path: Path) -> Iterator[Finding]:
    """Yield what sees a damage, with the tables believed that the command would not believe."""
    yield from outputcheck.check_facts(output)
    yield from outputcheck.check_others(output)
    of_one = path.name if path.parent in (output.folder, output.folder / "idx") else ""
    of_one = of_one if path.parent.name != output.folder.name else path.name
    of_one = of_one.partition(".")[0]
    for shard in outputcheck.shards_to_check(output, None, ()):
        if of_one in (shard.name.stem, f"{shard.name.index:05d}", "", "facts"):
            yield from shardcheck.check_shard(shard).findings


def seen_in_product(out: Path, product_begun: Begun) -> Iterator[Finding]:
    product = productcheck.open_product(out, product_begun, ())
    if isinstance(product, Finding):
        yield product
        return
    yield from productcheck.check_files(product).findings
    for index in product.groups:
        yield from productcheck.check_group(product, index).findings


def seen(finished: Finished, outputs: list[FinishedOutput], kind: str, path: Path) -> set[Layer]:
    """Return the layers that see a damage, each by itself."""
    out = finished.out
    found: list[Finding] = []
    if kind == "manifests":
        opening = outputcheck.open_output(out, path.parent)
        found += [opening] if isinstance(opening, Finding) else []
    elif kind in {*OF_PRODUCT, "product marks"}:
        for product in begun(out):
            found += seen_in_product(out, product)
    else:
        found += statecheck.check_state(out, ())
        if kind in OF_OUTPUT - {"archive indexes"}:
            for output in outputs:
                if output.document.split in str(path) or output.folder.name in path.parts:
                    found += seen_in_output(output, path)
    return {finding.layer for finding in found}


@dataclass
class Tally:
    """Which layers have seen the flips of each kind of file."""

    flips: Counter[str] = field(default_factory=Counter)
    by: Counter[tuple[str, Layer]] = field(default_factory=Counter)
    alone: Counter[Layer] = field(default_factory=Counter)

    def add(self, kind: str, layers: Collection[Layer]) -> None:
        self.flips[kind] += 1
        self.by.update((kind, layer) for layer in layers)
        self.alone.update(layers if len(layers) == 1 else ())

    def lines(self) -> Iterator[str]:
        layers = [layer for layer in Layer if any(self.by[kind, layer] for kind in self.flips)]
        yield f"{'':16}{'flips':>7}" + "".join(f"{layer:>14}" for layer in layers)
        for kind, count in self.flips.items():
            yield f"{kind:16}{count:7}" + "".join(f"{self.by[kind, la] or '':>14}" for la in layers)
        totals = [sum(self.by[kind, layer] for kind in self.flips) for layer in layers]
        yield f"{'all':16}{self.flips.total():7}" + "".join(f"{total:14}" for total in totals)
        yield f"{'no other layer':23}" + "".join(f"{self.alone[layer]:14}" for layer in layers)


def test_every_flipped_bit_is_found(finished: Finished, chance: random.Random) -> None:
    tally, outputs = Tally(), opened(finished.out)
    kinds = list(KINDS)
    for number in range(FLIPS):
        kind = kinds[number % len(kinds)]
        path = chance.choice(finished.files[kind])
        with flipped(path, chance):
            layers = seen(finished, outputs, kind, path)
            assert layers, path
            if chance.randrange(WHOLE) == 0:
                found = Verification(finished.out).findings(standing.output_folders(finished.out))
                assert {finding.path for finding in found} == {path}
        tally.add(kind, layers)
        if kind == "shards":
            assert layers - {Layer.FILE_HASH}, path
    print("", *tally.lines(), sep="\n")  # noqa: T201 - the campaign's result


def copied(finished: Finished, path: Path, out: Path) -> Path:
    return out / path.relative_to(finished.out)


def mend(sample: RawSet, out: Path) -> str:
    """Remove what is damaged, and run the command that made it; return what was said."""
    run = shardmill("verify", out, "--remove-damaged")
    assert run.returncode == 1
    again = prepare(sample, out, *OPTIONS)
    assert again.returncode == 0, again.stderr
    return run.stdout


def check_mended(finished: Finished, out: Path) -> None:
    """Check that all products are as they were, and so is what is remembered, if it is there."""
    assert products(out) == products(finished.out)
    for kind in KINDS.keys() - JOBS:  # which say where the output lies
        for file in finished.files[kind]:
            mended = copied(finished, file, out)
            assert not mended.exists() or mended.read_bytes() == file.read_bytes()
    assert list(Verification(out).findings(standing.output_folders(out))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_removed_for_a_flipped_bit_is_made_again_to_the_byte(
    sample: RawSet, finished: Finished, tmp_path: Path, chance: random.Random, kind: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished.out, out, symlinks=True)
    path = copied(finished, chance.choice(finished.files[kind]), out)
    flip(path, chance)
    said = mend(sample, out)
    # A mark of a product stays until the command replaces it: without one, what it is of would
    # pass for somebody else's.
    assert f"{'left alone' if kind == 'product marks' else 'removed'}: {path}\n" in said
    check_mended(finished, out)


def test_damage_of_many_kinds_at_once_is_mended_by_one_command(
    sample: RawSet, finished: Finished, tmp_path: Path, chance: random.Random
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished.out, out, symlinks=True)
    # Without the records of jobs it is not known that images are copies, and without the mark
    # of a product nothing of its files.
    for kind in sorted(KINDS.keys() - {*JOBS, "product marks"}):
        flip(copied(finished, chance.choice(finished.files[kind]), out), chance)
    mend(sample, out)
    check_mended(finished, out)
