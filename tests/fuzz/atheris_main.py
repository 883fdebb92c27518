"""Coverage-guided fuzzing of one parser: ``python tests/fuzz/atheris_main.py tar -runs=10000``.

Arguments behind the target's name are libFuzzer's. What libFuzzer changes is tried as it is and
with its checksums set right. Only `pipeline` is instrumented. Without arguments it names all
targets, a line each.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where pytest finds what tests share
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1")


def main(atheris: Any, name: str, options: list[str]) -> None:
    """Fuzz a target until libFuzzer has had its runs, or has found something."""
    with atheris.instrument_imports(include=["pipeline"]):
        trial = importlib.import_module("limits").trial
        target = importlib.import_module("targets").TARGETS[name]
    warnings.simplefilter("error")
    logging.disable()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch  # what `describe` keeps
        corpus, folder = Path(scratch, "corpus"), Path(scratch, "folder")
        corpus.mkdir()
        folder.mkdir()
        for number, seed in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(seed)
            target.parse(target.seal(seed), folder)  # what is imported lazily, is

        def survive(data: bytes) -> None:
            for each in {data, target.seal(data)}:
                trial(target, each, folder)

        found = f"-artifact_prefix={tempfile.gettempdir()}/shardmill-{name}-"
        atheris.Setup([sys.argv[0], *_LIMITS, found, *options, str(corpus)], survive)
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(importlib.import_module("atheris"), sys.argv[1], sys.argv[2:])
    else:
        sys.stdout.writelines(f"{name}\n" for name in importlib.import_module("targets").TARGETS)
