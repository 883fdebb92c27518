"""What remote places need is read where there are some, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pipeline import storage
places = [storage.parse(text) for text in sys.argv[1:]]
storage.preload(storage.RemoteOptions(), places)
print(*("boto3" in sys.modules, "pycurl" in sys.modules))
"""


@pytest.mark.parametrize(
    ("places", "imported"),
    [
        (["/a/folder"], "False False"),
        (["/a/folder", "http://host/raw"], "False True"),
        (["/a/folder", "s3://bucket/raw"], "True True"),
    ],
)
def test_what_places_need_is_imported(places: list[str], imported: str) -> None:
    command = [sys.executable, "-c", PROGRAM, *places]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == imported
