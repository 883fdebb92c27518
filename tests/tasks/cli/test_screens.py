"""Golden screens: what every command shows at 50, 80 and 140 columns, where it ends well or badly.

After a change that is meant, have the screens written anew, and read their diff::

    SHARDMILL_RENEW_SCREENS=1 .venv/bin/python -m pytest tests/tasks/cli/test_screens.py
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import finishedoutputs
import pytest
from commands import prepare, shardmill
from drawnlists import encoded
from imagegroups import fill, ids
from openimagesbucket import Bucket
from ownarchives import class_tars, lay
from rich.cells import cell_len
from screens import GOLDEN, WIDTHS, shown
from support import RawSet

from pipeline import resources
from pipeline.environment.findings import Finding, State
from tasks.cli import cli, doctor
from tasks.cli.ending import carried_out

RENEW = "SHARDMILL_RENEW_SCREENS"
SET = "--raw raw --config raw/sample.toml"
OPEN = "--raw oi/raw --config oi/openimages.toml"
GROWN = "grown.csv --root images --out grown --shards 2"
BOXES = "oi/raw/test-annotations-bbox.csv"
COMMANDS = [name for name in cli.list_commands(click.Context(cli)) if name != "man"]

SCREENS = {
    "a-misspelt-command": "imagnet",
    "a-misspelt-option": "sample new --sed 3",
    "sample-drawn": "sample new",
    "sample-refused": "sample file.txt",
    "config-written": "config copy cfg",
    "config-misspelt": "config cop cfg",
    "config-refused": "config copy changed",
    "doctor": "doctor --out out",
    "describe-written": "describe own --out own.toml",
    "describe-printed": "describe own --name mine",
    "describe-nothing": "describe empty",
    "describe-nowhere": "describe nowhere",
    "describe-an-address": "describe s3://bucket/raw",
    "describe-refused": "describe own --out file.txt",
    "imagenet-complete": f"imagenet {SET} --out out",
    "imagenet-would-run": f"imagenet {SET} --out out --format recordio --dry-run",
    "imagenet-nothing-there": "imagenet --raw empty --config raw/sample.toml --out new",
    "imagenet-misspelt-split": f"imagenet {SET} --out new --split trian",
    "imagenet-no-configuration": "imagenet --raw raw --config nowhere.toml --out new",
    "imagelist-made": "imagelist images.csv --root images --out new",
    "imagelist-would-link": f"imagelist {GROWN} --order list --dry-run",
    "imagelist-no-image": "imagelist empty --out new",
    "imagelist-no-column": "imagelist file.csv --out new",
    "reshard-made": "reshard out --split validation --out new",
    "reshard-nothing-there": "reshard empty --out new",
    "openimages-would-run": f"openimages {OPEN} --class Bear --masks --out new --dry-run",
    "openimages-unknown-class": f"openimages {OPEN} --class Baer --out new --dry-run",
    "openimages-split-made": f"openimages-split -l /m/01dws -s test -i {BOXES} --out new",
    "openimages-split-nothing": "openimages-split",
    "openimages-download-done": (
        "openimages-download images.txt --download_folder new --bucket http://HOST/open-images-dataset"
    ),
    "openimages-download-nowhere": "openimages-download nowhere.txt --download_folder new",
    "worker-nothing-to-do": "worker --scheduler-host LUIGID --for out",
    "worker-no-scheduler": "worker --scheduler-host 127.0.0.1:1 --for out",
    "worker-nothing-recorded": "worker --scheduler-host LUIGID --for nowhere",
    "classes-of-imagenet": "classes tench --dataset imagenet",
    "classes-of-open-images": f"classes bear {OPEN} --offline",
    "classes-nothing-there": "classes gun --offline",
    "classes-unknown": "classes tennch --dataset imagenet",
    "im2rec-lists": "im2rec --list new/mine images",
    "im2rec-packed": "im2rec mine images",
    "im2rec-nothing": "im2rec --list mine empty",
    "dbcollection-cache-written": "dbcollection-cache exported --home home",
    "dbcollection-cache-nothing": "dbcollection-cache out",
    "fetch-fetched": "fetch --raw new --config served/sample.toml",
    "fetch-there": "fetch --raw raw --config raw/sample.toml",
    "fetch-no-address": "fetch --raw empty --config raw/sample.toml",
    "fetch-nothing": "fetch",
    "status-complete": "status out",
    "status-for-programs": "status out --json",
    "status-of-open-images": "status open",
    "status-nowhere": "status nowhere",
    "verify-whole": "verify out",
    "verify-damaged": "verify damaged",
    "verify-nowhere": "verify nowhere",
    "clean-nothing": "clean out",
    "clean-would-remove": "clean left --dry-run",
    "where": "where out train",
    "where-misspelt": "where out tran",
    "where-misspelt-as-an-option": "where out --split trian",
    "where-out-as-an-option": "where --out out train",
    "show": "show out n04081281/n04081281_6177.JPEG --boxes",
    "show-unknown": "show out n01/nothing",
    "report-nothing-there": "report empty",
    "report-of-open-images": "report open",
    "completion-misspelt": "completion bsh",
}


@pytest.fixture(scope="module")
def places(
    small: RawSet, openimages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Give the folder that commands are run in, and other places, each with what stands for it."""
    here = tmp_path_factory.mktemp("screens")
    shutil.copytree(small.raw, here / "raw")  # `fetch` keeps an index there
    shutil.copytree(openimages, here / "oi", symlinks=True)
    made = finishedoutputs.of_openimages(openimages)
    shutil.copytree(made, here / "open", symlinks=True)
    finishedoutputs.prepared(small, here / "out")
    run = prepare(RawSet(here / "raw", here / "raw/sample.toml"), here / "out")  # records where
    assert run.returncode == 0, run.stderr
    for name in ("damaged", "left"):
        shutil.copytree(here / "out", here / name, symlinks=True)
    shard = next((here / "damaged/tfrecord/train").glob("*/train-00000-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    lay(here / "left", {".bboxes.csv.host-1-deadbeef.tmp": b"half"})
    os.utime(here / "left/.bboxes.csv.host-1-deadbeef.tmp", (0, 0))
    lay(here / "own", {"train.tar": class_tars()})
    lay(here / "changed", {"ilsvrc2012.toml": b"dataset = 'another'"})
    lay(here / "empty", {})
    lay(here / "images", {f"{number}.jpg": encoded(number) for number in range(3)})
    lay(here, {"images.csv": b"path,label\n0.jpg,ant\n2.jpg,bee\n", "mine.lst": b"0\t1\t0.jpg\n"})
    lay(here, {"file.csv": b"Paths,Label\n0.jpg,ant\n", "file.txt": b"kept"})
    grown = lay(here, {"grown.csv": b"path,label\n0.jpg,ant\n2.jpg,bee\n"}) / "grown.csv"
    how = ("--root", here / "images", "--out", here / "grown", "--shards", 2, "--order", "list")
    assert shardmill("imagelist", grown, *how).returncode == 0
    with grown.open("a") as file:
        file.write("1.jpg,ant\n")
    finishedoutputs.prepared(small, here / "exported", *finishedoutputs.EVERY_EXPORT)
    lay(here / "home", {})
    lay(here, {"images.txt": b"train/0000000000000000\n"})
    fill(here / "bucket", ids(1))
    others = {small.raw: "/data/raw", openimages: "/data/oi", made.parent: "/made"}
    program = resources.shipped("config/ilsvrc2012.toml").parents[1]
    stands = {
        here: "/data",
        **others,
        program: "/opt/shardmill",
        Path(os.environ["XDG_CACHE_HOME"]): "/cache",
    }
    with Bucket(here / "bucket", here / "raw") as server:
        served = re.sub(
            r'file = "(.*)"\nurl = ".*"',
            rf'file = "\1"\nurl = "{server.files}/\1"',
            (here / "raw/sample.toml").read_text(),
        )
        shutil.copytree(here / "raw", here / "served", ignore=shutil.ignore_patterns("*.tar*"))
        (here / "served/sample.toml").write_text(served)
        yield {str(place): name for place, name in stands.items()} | {server.url: "http://HOST"}


def _sections(*_: object) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Yield what a machine has, the same everywhere."""
    yield "Program", iter([Finding(State.FINE, "shardmill 1.2.3, in /opt/shardmill")])
    numpy = "python -m pip install 'numpy>=2'"
    yield (
        "Packages",
        iter(
            [
                Finding(State.MISSING, "numpy 1.0, where >=2 is needed: labels and pixels", numpy),
                Finding(State.NOTE, "nothing: a text of words that is as long as two lines of it"),
            ]
        ),
    )


def _answered_by(connect: Callable[..., socket.socket]) -> Callable[..., socket.socket]:
    """Return what connects, and takes a host LUIGID for one that answers."""

    def connected(address: tuple[str, int], *given: Any, **more: Any) -> socket.socket:
        if address[0] == "LUIGID":
            return socket.socket()
        return connect(address, *given, **more)

    return connected


@pytest.mark.parametrize("name", SCREENS)
def test_a_command_shows_at_every_width_what_is_kept_of_it(
    name: str, places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(next(iter(places)))
    monkeypatch.chdir(here)
    monkeypatch.setattr(doctor, "_sections", _sections)
    monkeypatch.setattr("tasks.run.exchange.ask", lambda *_: {})
    monkeypatch.setattr("socket.create_connection", _answered_by(socket.create_connection))
    monkeypatch.setattr("pipeline.sample.draw.draw_sample", lambda at, **_: at / "sample.toml")
    screen = shown(SCREENS[name], places, monkeypatch)
    shutil.rmtree(here / "new", ignore_errors=True)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get(RENEW) and not os.environ.get("CI"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(screen.text())
    assert screen.text() == file.read_text()


def test_every_command_has_a_screen_and_no_screen_is_left_over() -> None:
    begun = {words.split()[0] for words in SCREENS.values() if words}
    assert {*COMMANDS} <= begun
    assert {path.stem for path in GOLDEN.iterdir()} == {*SCREENS}


def test_without_a_command_the_help_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["shardmill"])
    assert carried_out(lambda: cli.main(prog_name="shardmill", standalone_mode=False)) == 2
    assert "\n  doctor               Look at the machine" in capsys.readouterr().err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_no_wider_than_a_terminal_but_for_its_examples(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", _Terminal())
    command = cli.get_command(click.Context(cli), name) if name else cli
    assert command is not None
    text = command.get_help(click.Context(command, info_name=name or "shardmill"))
    wide = [line for line in text.split("\n") if cell_len(line) > width]
    assert all(" shardmill " in line for line in wide), wide
