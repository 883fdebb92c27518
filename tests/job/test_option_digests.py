"""The digests that the table says follow an option are those that do, and no others."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from drawnannotations import draw_coco
from drawnlists import draw_list, encoded, lay
from optionwords import by_click
from support import RawSet

from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.option import LIST, SET, Option
from pipeline.job.table.options import options_of

_FORMS = {"png": "PNG", "gif": "GIF"}
PLACES = {"--raw", "--tree", "--config", "--images", "--root", "--out"}
"""Digests follow what lies there: `test_options` and the golden table have that."""

_VALIDATION = ("--split", "validation")
_DETECTION = ("--format", "recordio")
_FOR_DBCOLLECTION = ("--export", "dbcollection", "--recursive", "--exts", ".gif")
"""Images of class folders alone: beside them, others lie in the folder itself."""
CASES: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (SET, "--with"): (_VALIDATION, "validation-boxes"),
    (SET, "--split"): ((), "train"),
    (SET, "--classes"): (("--split", "train"), "{classes}"),
    (SET, "--skip-blacklisted"): (_VALIDATION, ""),
    (SET, "--boxes"): (("--split", "train"), "--no-boxes"),
    (SET, "--box-class-filter"): (("--split", "train"), ""),
    (SET, "--on-bad-image"): ((), "skip"),
    (SET, "--format"): ((), "recordio"),
    (SET, "--shards"): ((), "train=5"),
    (SET, "--order"): ((), "name"),
    (SET, "--seed"): ((), "1"),
    (SET, "--inception-threads"): (
        ("--order", "inception", "--shards", "train=4,validation=4", "--inception-threads", "4"),
        "2",
    ),
    (SET, "--label-offset"): ((), "0"),
    (SET, "--labels"): (("--format", "recordio", "--split", "train"), "detection"),
    (SET, "--joined"): (_DETECTION, ""),
    (SET, "--export"): ((), "parquet"),
    (SET, "--extract"): ((), ""),
    (SET, "--data-dir"): (("--export", "dbcollection"), "/data"),
    (SET, "--dbcollection-strict"): (("--export", "dbcollection"), ""),
    (SET, "--until"): ((), "lists"),
    (SET, "--replace"): ((), ""),
    (SET, "--update"): ((), ""),
    (SET, "--verify"): ((), "beside"),
    (SET, "--read-order"): ((), "archive"),
    (SET, "--segment-size"): ((), "4096"),
    (SET, "--stage"): (("--raw", "http://127.0.0.1:9/raw"), "/stage"),
    (LIST, "--recursive"): ((), ""),
    (LIST, "--exts"): ((), ".png"),
    (LIST, "--classes"): (("--recursive",), "{folders}"),
    (LIST, "--path-column"): ((), "other"),
    (LIST, "--label-column"): ((), "kind"),
    (LIST, "--split-column"): ((), "part"),
    (LIST, "--split"): (("--shards", "1"), "train=0.5,validation=0.5"),
    (LIST, "--on-bad-image"): ((), "skip"),
    (LIST, "--format"): ((), "recordio"),
    (LIST, "--shards"): ((), "3"),
    (LIST, "--name"): ((), "other"),
    (LIST, "--order"): ((), "name"),
    (LIST, "--seed"): ((), "1"),
    (LIST, "--joined"): (_DETECTION, ""),
    (LIST, "--labels"): (_DETECTION, "detection"),
    (LIST, "--export"): ((), "parquet"),
    (LIST, "--extract"): ((), ""),
    (LIST, "--transfer"): (("--extract",), "symlink"),
    (LIST, "--data-dir"): (_FOR_DBCOLLECTION, "/data"),
    (LIST, "--dbcollection-strict"): (_FOR_DBCOLLECTION, ""),
    (LIST, "--until"): ((), "extract"),
    (LIST, "--replace"): ((), ""),
    (LIST, "--update"): ((), ""),
    (LIST, "--append"): ((), ""),
}
"""For an option, what else is given, and a value that is not the default one."""
OF_BOTH: Mapping[str, tuple[tuple[str, ...], str]] = {
    "--resize": ((), "8"),
    "--resize-mode": (("--resize", "8"), "exact"),
    "--never-enlarge": (("--resize", "8"), ""),
    "--center-crop": (("--no-boxes",), ""),
    "--filter": (("--resize", "8"), "box"),
    "--quality": ((), "80"),
    "--subsampling": ((), "444"),
    "--color": ((), "0"),
    "--encoding": ((), ".jpg"),
    "--engine": (("--resize", "8"), "opencv"),
    "--orientation": ((), "refuse"),
    "--transcode": ((), ""),
    "--max-pixels": ((), "1000000"),
    "--s3-endpoint": ((), "http://127.0.0.1:9"),
    "--s3-region": ((), "eu-west-1"),
    "--s3-profile": ((), "other"),
    "--s3-unsigned": ((), ""),
    "--s3-addressing": ((), "path"),
    "--s3-checksums": ((), "when_supported"),
    "--in-flight": ((), "8"),
    "--scratch": ((), "/scratch"),
}
"""The same for options that are of both commands."""


@pytest.fixture(scope="module")
def places(small: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the words of the cases name."""
    folder = tmp_path_factory.mktemp("places")
    counts = (small.raw / "counts.tsv").read_text().splitlines()
    lay(folder / "classes.txt", "\n".join(line.split("\t")[0] for line in counts[:2]).encode())
    drawn = draw_list(folder / "drawn", images=6)
    for number, name in enumerate(("top.jpg", "top.png", "a/1.jpg", "b/2.jpg", "a/3.gif")):
        lay(folder / "folder" / name, encoded(number, form=_FORMS.get(name[-3:], "JPEG")))
    lay(folder / "folders.txt", b"b\na\n.\n")
    annotated = draw_coco(folder / "coco")
    table = lay(folder / "table.csv", b"path,other,label,kind,part\na/1.jpg,b/2.jpg,1,2,a\n")
    return {
        "classes": str(folder / "classes.txt"),
        "folder": str(folder / "folder"),
        "folders": str(folder / "folders.txt"),
        "table": str(table),
        "annotations": str(annotated.path),
        "boxed": str(annotated.root),
        "list": str(drawn.path),
        "root": str(drawn.root),
        "raw": str(small.raw),
        "config": str(small.config),
        "out": str(folder / "out"),
    }


def digests(job: Job) -> dict[str, set[str]]:
    """Return the digests of each kind, of the first split."""
    split = next(iter(resolve(job).splits.values()))
    return {
        "catalog": {split.catalog_digest},
        "plan": {split.plan_digest},
        "output": {output.digest for output in split.outputs},
    }


def shown(value: object) -> object:
    return value.flag if isinstance(value, Option) else value


def options() -> list[tuple[str, Option]]:
    return [
        (command, option)
        for command in (SET, LIST)  # those of Open Images follow its selection
        for option in options_of(command)
        if option.field and option.flag not in PLACES and (command, option.flag) not in NEEDS_A_TREE
    ]


NEEDS_A_TREE = {(SET, "--transfer")}
"""Its effect is on extracted trees alone: `test_options` and the golden table have it."""


@pytest.mark.parametrize(("command", "option"), options(), ids=shown)
def test_the_digests_that_follow_an_option(
    command: str, option: Option, places: dict[str, str]
) -> None:
    if option.flag == "--engine":
        pytest.importorskip("cv2")
    context, value = CASES.get((command, option.flag)) or OF_BOTH[option.flag]
    if command == SET:
        start = ["--raw", "{raw}", "--config", "{config}", "--out", "{out}"]
    else:
        of_folder = option.flag in {"--recursive", "--exts", "--classes"}
        of_folder = of_folder or context == _FOR_DBCOLLECTION
        start = ["{folder}"] if of_folder else ["{list}", "--root", "{root}"]
        start = ["{annotations}", "--root", "{boxed}"] if option.flag == "--labels" else start
        if option.flag in {"--path-column", "--label-column", "--split-column"}:
            start = ["{table}", "--root", "{folder}"]
        start += ["--out", "{out}"]
        context = tuple(word for word in context if word != "--no-boxes")
    switch = value if value.startswith("--") else option.flag
    given = [switch, value] if value and switch == option.flag else [switch]
    before, after = (
        digests(by_click(command, tuple(word.format(**places) for word in words)))
        for words in ([*start, *context], [*start, *context, *given])
    )
    changed = {kind for kind in before if before[kind] != after[kind]}
    assert changed == option.digests
