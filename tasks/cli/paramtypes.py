"""Types of options and arguments that click does not know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from pipeline.names import meant
from pipeline.storage.local.local_path import check_local
from pipeline.storage.location import is_address, parse

if TYPE_CHECKING:
    ChoiceOfWords = click.Choice[str]
else:  # which is generic in later versions only
    ChoiceOfWords = click.Choice


class NearestChoice(ChoiceOfWords):
    """One of some words; a refusal names the one that was most likely meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word.

        Raises:
            click.BadParameter: it is none of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            likely = did_you_mean(str(value), [str(each) for each in self.choices])
            raise click.BadParameter(f"{error.message}{likely}", ctx, param) from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question about the known word that an unknown one stands for; "": there is none."""
    likely = meant(word, known)
    return f" Did you mean {likely!r}?" if likely else ""


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
