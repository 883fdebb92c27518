"""Types of options and arguments that click does not know."""

from __future__ import annotations

from typing import Any

import click

from pipeline.storage.local.local_path import check_local
from pipeline.storage.location import is_address, parse


class LocalPath(click.Path):
    """The path of a file or folder; an address such as ``s3://bucket`` is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            UsageError: it is an address.
        """
        check_local(value, _shown(param))
        return super().convert(value, param, ctx)


class LocationPath(LocalPath):
    """The path of a file or folder, or an address of a store or web server.

    Args:
        whole_bucket: whether that may be the address of a whole bucket.
    """

    def __init__(self, *, whole_bucket: bool = False) -> None:
        super().__init__(readable=False)
        self._whole_bucket = whole_bucket

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the address as it was given.

        Raises:
            UsageError: it is an address that cannot be.
        """
        if is_address(value):
            parse(value, _shown(param), whole_bucket=self._whole_bucket)
            return value
        return super().convert(value, param, ctx)


LOCATION = LocationPath()
"""Any path or address, as text: what lies there is looked at later."""
BUCKET = LocationPath(whole_bucket=True)
"""The same, or the address of a whole bucket."""
LOCAL_PATH = LocalPath(readable=False)
"""Any path, as text: what lies there is looked at later."""


def _shown(param: click.Parameter | None) -> str:
    if param is None:
        return "path"
    if isinstance(param, click.Option):
        return param.opts[0]
    return "argument" if param.nargs != 1 else param.human_readable_name
