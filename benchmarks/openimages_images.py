"""Measures how images of Open Images are fetched: ``python -m benchmarks.openimages_images``.

A server of this machine, which shares its processors with the clients, has one image of some 300 kB
under every key and answers after 50 ms, with TLS and without. shardmill's way (verified, recorded)
is measured beside the official downloader's and boto3's `get_object`, interleaved round by round,
and written to memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import corpus, image_server, measure, report
from benchmarks.corpus import ROOT
from benchmarks.measure import Usage
from benchmarks.report import Aim, Series, Spread

_DELAY_S: Final = 0.05
_WAYS: Final = {
    "shardmill": "shardmill, 2 x 32 at a time, verified and recorded",
    "official": "official way: download_file, 5 threads",
    "get_object": "boto3 get_object, 64 threads, not verified",
}


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    series = dict[tuple[str, str], Series]()
    with corpus.work_folders() as (_, ram), tempfile.TemporaryDirectory() as folder:
        made = image_server.certificate(Path(folder))
        pem = str(made.file)
        os.environ |= dict.fromkeys(("CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"), pem)
        os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        for scheme, trusted in (("HTTP", None), ("TLS", made)):
            with image_server.serving(_DELAY_S, trusted) as address:
                for number in range(options.rounds):
                    ways = list(_WAYS)
                    for how in ways[number % 3 :] + ways[: number % 3]:
                        _measure(series, (scheme, how), address, options.images, ram)
    aims = [each for scheme in ("HTTP", "TLS") for each in _aims(series, scheme, options.images)]
    lines = list(series.values())
    document = {
        "machine": report.machine(),
        "images": options.images,
        "bytes": len(image_server.image()),
        "series": [vars(line) for line in lines],
    }
    report.write(options.output, document)
    size = len(image_server.image())
    print(
        f"{options.images:,} images of {size:,} bytes, {1000 * _DELAY_S:.0f} ms to the first byte;"
        f" {options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median"
        f" [lowest-highest]\n\n{report.render(lines, aims, [])}\n\n{options.output}"
    )


def _measure(
    series: dict[tuple[str, str], Series],
    which: tuple[str, str],
    address: str,
    count: int,
    ram: Path,
) -> None:
    scheme, how = which
    folder = ram / "images"
    words = ["-m", "benchmarks.image_fetching", how, address, str(count), str(folder)]
    usage = measure.run([sys.executable, *words], ROOT)
    shutil.rmtree(folder)
    said = json.loads(usage.output)
    alone = Usage(usage.wall_s, said["cpu_s"], "", usage.peak_bytes)
    name = f"{scheme}: {_WAYS[how]}"
    line = series.setdefault(which, Series(name, count, "images"))
    line.add(said["seconds"], alone.cpu_s, alone.wall_s)
    rate, each = count / said["seconds"], 1000 * said["cpu_s"] / count
    peak = usage.peak_bytes / report.MB
    print(f"{name}: {rate:.0f} images/s, {each:.2f} ms, {peak:.0f} MB", file=sys.stderr)


def _aims(series: dict[tuple[str, str], Series], scheme: str, count: int) -> list[Aim]:
    ours, official, get_object = (series[scheme, how] for how in _WAYS)
    each = [1000 * seconds / count for seconds in ours.cpu_s]
    return [
        Aim(f"{scheme}: speed beside the official way", 8, ours.faster_than(official)),
        Aim(f"{scheme}: speed beside get_object", 2, ours.faster_than(get_object)),
        Aim(f"{scheme}: processor ms an image", 3.5, Spread.of(each), most=True),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "openimages-images.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
