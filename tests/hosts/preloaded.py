"""Libraries that are loaded before all others, and answer for what the system would."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path


def compiled(name: str, folder: Path) -> Path:
    """Compile one of the sources beside this module; return the library."""
    compiler = shutil.which("cc")
    assert compiler, "make hosts needs a C compiler"
    source, library = Path(__file__).with_name(f"{name}.c"), folder / f"{name}.so"
    words = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(source)]
    subprocess.run(words, check=True)
    return library


def another_clock(offset: str, folder: Path) -> dict[str, str]:
    """Return the variables of a process whose clock is off by so much, such as ``-1h``.

    Its monotonic clock is right: a host has one of its own in any case.
    """
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    assert libraries, "make hosts installs libfaketime"
    loaded = os.pathsep.join([str(compiled("sleep", folder)), libraries[0]])
    return {"LD_PRELOAD": loaded, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
