"""Whole commands over the export of `counts.py`, in this process: ``oneexportmore.py FOLDER``.

Writes what came of them into FOLDER, as JSON; `test_one_more_export.py` says what it should be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import counts

counts.register()  # before the program makes anything of the registry

import inprocess  # noqa: E402
import pytest  # noqa: E402
from drawnlists import encoded, lay  # noqa: E402
from support import products  # noqa: E402


def run_all(folder: Path) -> dict[str, object]:
    """Prepare, verify, damage, repair, replace and clean."""
    pets, out = folder / "pets", folder / "out"
    for number, name in enumerate(("a", "b", "a", "a")):
        lay(pets / name / f"{number}.jpg", encoded(number))
    statuses, said = dict[str, int](), dict[str, str]()

    def run(name: str, *words: object) -> None:
        with pytest.MonkeyPatch.context() as patch:
            command = inprocess.verify if words[0] == "verify" else inprocess.shardmill
            ran = command(patch, *(words[1:] if words[0] == "verify" else words))
        statuses[name], said[name] = ran.status, ran.said

    prepare = ("imagelist", pets, "--recursive", "--out", out, "--format", "none")
    made = (*prepare, "--export", counts.Counts.name)
    file = out / "counted" / "counts.json"
    run("prepared", *made)
    content, before = file.read_text(), products(out)
    run("again", *made)
    run("verified", "verify", out, "--against", pets)
    run("status", "status", out)
    file.write_bytes(file.read_bytes()[:-1])
    run("damaged", "verify", out, "--remove-damaged")
    removed = not file.exists()
    run("mended", *made)
    same = products(out) == before
    lay(pets / "b" / "9.jpg", encoded(9))
    run("grown", *made)
    run("replaced", *made, "--replace")
    (file.parent / "mine.json").write_text("{}")
    run("cleaned", "clean", out, "--yes")
    run("options", *made, "--data-dir", "/data")
    lay(folder / "one" / "a" / "1.jpg", encoded(1))
    one = ("imagelist", folder / "one", "--recursive", "--out", folder / "other")
    run("refused", *one, "--export", "counts")
    run("help", "imagelist", "--help")
    return {
        "statuses": statuses,
        "said": said,
        "content": content,
        "later": file.read_text(),
        "removed": removed,
        "same": same,
        "left": sorted(path.name for path in file.parent.iterdir()),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "came.json").write_text(json.dumps(run_all(folder)))
