"""Imports what needs Luigi, which reads its settings at that moment."""

from __future__ import annotations

import configparser
import contextlib
from collections.abc import Iterator

from pipeline.errors import ConfigError
from tasks.run.startup import importing


@contextlib.contextmanager
def importing_luigi() -> Iterator[None]:
    """Import quickly, and name settings of Luigi that cannot be read.

    Raises:
        ConfigError: a file of settings is not of the form that Luigi reads.
    """
    with importing():
        try:
            yield
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigError(
                "the settings of Luigi cannot be read",
                expected="./luigi.cfg, and the file that LUIGI_CONFIG_PATH names, of its form",
                found=" ".join(str(error).split()),
                remedy="correct that file, or run the command in another folder",
            ) from error
