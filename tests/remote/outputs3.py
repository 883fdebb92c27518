"""Outputs in a bucket, as a test looks at them: by boto3 alone, beside what a local run makes."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from s3bucket import Bucket
from support import RawSet, command, shardmill

FORMATS = ("--format", "tfrecord,recordio,webdataset")
ALL = (*FORMATS, "--export", "parquet", "--export", "croissant", "--with", "validation-boxes")


def names(bucket: Bucket) -> list[str]:
    """Return the names of all objects of the output, as boto3 alone lists them."""
    prefix = f"{bucket.folder.key}/"
    pages = bucket.plain.get_paginator("list_objects_v2").paginate(
        Bucket=bucket.folder.host, Prefix=prefix
    )
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return [key.removeprefix(prefix) for key in keys]


def remove(bucket: Bucket, *names: str) -> None:
    """Remove objects of the output, by boto3 alone."""
    for name in names:
        bucket.plain.delete_object(Bucket=bucket.folder.host, Key=(bucket.folder / name).key)


def stored(bucket: Bucket) -> dict[str, str]:
    """Return path -> SHA-256 of every product in a bucket, as `support.products` of a folder."""
    found = {}
    for name in names(bucket):
        if name.startswith(".shardmill/"):
            continue  # the program's own state
        content = bucket.content(name)
        is_link = name.endswith("/current")
        found[name] = content.decode().strip() if is_link else hashlib.sha256(content).hexdigest()
    return found


@dataclass(frozen=True)
class Host:
    """A machine, as far as a command can tell: its folders of state and scratch, and its cache.

    Attributes:
        folder: in which they lie.
        words: options that every command here is given.
    """

    folder: Path
    words: tuple[object, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes."""
        own = {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        return {**os.environ, **own, **self.variables}

    def run(self, *words: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command here to its end."""
        with self._environment():
            return shardmill(*words, *self.words, timeout=timeout)

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start a command here, in a session of its own."""
        return subprocess.Popen(
            command(*words, *self.words),
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def imagenet(raw: object, sample: RawSet, bucket: Bucket, *words: object) -> tuple[object, ...]:
    """Return the words of a command that prepares the sample in all formats into a bucket."""
    place = ("--raw", raw, "--config", sample.config, "--out", bucket.folder)
    return ("imagenet", *place, *ALL, *words)
