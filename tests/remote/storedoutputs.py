"""Finished outputs of this machine as objects of a store, put there by boto3 alone."""

from __future__ import annotations

import os
from pathlib import Path

from s3bucket import Bucket


def upload(bucket: Bucket, out: Path) -> str:
    """Put every file of an output into a bucket; return the address of the copy.

    Of a link there is an object that holds what it points to.
    """
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            bucket.put(name, content=f"{os.readlink(path)}\n".encode())
        elif path.is_file():
            bucket.put(name, content=path.read_bytes())
    return str(bucket.folder)
