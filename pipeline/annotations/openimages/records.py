"""The rows of a CSV file as they stand there, and which of them are wanted, in one pass."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from pipeline import plaintext
from pipeline.annotations.openimages import header as headers
from pipeline.annotations.openimages import lines as textlines
from pipeline.annotations.openimages import plain_rows
from pipeline.annotations.openimages.choice import Choice, NoLabel
from pipeline.annotations.openimages.columns import ID, LABEL, Kind
from pipeline.annotations.openimages.header import REMEDY, Header
from pipeline.errors import BadAnnotation
from pipeline.storage import Location

QUOTE: Final = b'"'


class Records:
    """The rows of a file.

    Rows without quotes are looked at some hundred at once, and only the fields that decide about
    them become objects. One with a quote is read by the `csv` module, as are the lines behind it
    that belong to the same row. Whether the number of fields is right is asked of every row.

    Args:
        path: the file.
        kind: what it is read as.
        tell: is told how many bytes were read.

    Raises:
        BadAnnotation: its first line is not that of such a file.
        Vanished: there is no such file.
    """

    def __init__(self, path: Location, kind: Kind, tell: textlines.Tell | None = None) -> None:
        self._blocks = textlines.blocks(path, tell)
        line, content = next(self._blocks, (1, b""))
        first, _, rest = content.partition(b"\n")
        self.header: Final[Header] = headers.parse(path, kind, first)
        self._rest = (line + 1, rest)

    def batches(
        self, choice: Choice, rows: int, fields: int | None = None
    ) -> Iterator[tuple[list[int], list[bytes]]]:
        """Yield the wanted rows, about so many at a time, the last ones fewer; see `wanted`."""
        lines, texts = list[int](), list[bytes]()
        for some_lines, some_texts in self.wanted(choice, fields):
            lines += some_lines
            texts += some_texts
            if len(texts) >= rows:
                yield lines, texts
                lines, texts = [], []
        if texts:
            yield lines, texts

    def wanted(
        self, choice: Choice, fields: int | None = None
    ) -> Iterator[tuple[list[int], list[bytes]]]:
        """Yield the wanted rows of some hundred: the line of each, from 1, and its bytes.

        The bytes have no end of line. A row with quotes is spelled as `csv.writer` would; line ends
        within its fields are LF. Empty lines are passed over.

        Args:
            choice: which rows are wanted.
            fields: how many fields of each are returned, from the first; None: all of them.

        Raises:
            BadAnnotation: a row has too few fields or too many; the label of any row is no MID,
                where some are chosen; an ImageID that is asked for is none.
        """
        most = self.header.width if fields is None else fields
        for line, content in chain([self._rest], self._blocks):
            if content:
                chosen = self._regular(line, content, choice, most)
                yield self._odd(line, content, choice, most) if chosen is None else chosen

    def _regular(
        self, line: int, content: bytes, choice: Choice, most: int
    ) -> tuple[list[int], list[bytes]] | None:
        """Choose among rows of a plain form; None: some row has another."""
        rows = plain_rows.parse(content, self.header.width)
        if rows is None:
            return None
        try:
            places = choice.places(self.header, rows)
        except ValueError:
            return None
        return [line + place for place in places], rows.rows(places, most)

    def _odd(
        self, line: int, content: bytes, choice: Choice, most: int
    ) -> tuple[list[int], list[bytes]]:
        """Choose among lines one by one."""
        numbers, chosen = list[int](), list[bytes]()
        source = _Lines(self._blocks, line, content)
        label, image = (self.header.places.get(name, -1) for name in ("label", "image_id"))
        for number, row in source:
            quoted = self._quoted(number, row, source) if QUOTE in row else None
            if quoted is None and b"\r" in row:
                raise self._refused(number, "a row holds the end of a line", "none", row)
            fields = row.split(b",") if quoted is None else [_bytes(text) for text in quoted]
            if len(fields) != self.header.width:
                spelled = row if quoted is None else headers.spell(quoted)
                raise self._width(number, spelled, len(fields))
            try:
                takes = choice.takes(fields[label] if label >= 0 else b"", fields[image])
            except NoLabel:
                raise self._refused(
                    number, "a label that is no class", LABEL.expected, fields[label]
                ) from None
            except ValueError:
                raise self._refused(
                    number, "an ImageID that is none", ID.expected, fields[image]
                ) from None
            if takes:
                numbers.append(number)
                first = b",".join(fields[:most]) if quoted is None else headers.spell(quoted[:most])
                chosen.append(first)
        return numbers, chosen

    def _quoted(self, number: int, row: bytes, source: _Lines) -> list[str]:
        """Read a row with quotes, and the lines behind it that belong to it."""
        try:
            return next(csv.reader(source.texts(row), strict=True))
        except csv.Error as error:
            message = f"a row with quotes that cannot be read: {error}"
            expected = "quotes around a whole field, and doubled within it"
            raise self._refused(number, message, expected, row) from None

    def _width(self, number: int, row: bytes, fields: int) -> BadAnnotation:
        what = "a row is too short" if fields < self.header.width else "a row is too long"
        width = f"{self.header.width} fields, as the first line has"
        found = f"{fields}: {plaintext.quoted(row.decode('utf-8', 'replace'))}"
        return self._refused(number, what, width, found)

    def _refused(self, number: int, what: str, expected: str, found: bytes | str) -> BadAnnotation:
        text = (
            found if isinstance(found, str) else plaintext.quoted(found.decode("utf-8", "replace"))
        )
        return BadAnnotation(
            what,
            file=str(self.header.path),
            place=f"line {number}",
            expected=expected,
            found=text,
            remedy=REMEDY,
        )


class _Lines:
    """Lines one by one, with their numbers; those of the next block where a row goes on there."""

    def __init__(self, blocks: Iterator[tuple[int, bytes]], first: int, content: bytes) -> None:
        self._blocks = blocks
        self._number = first
        self._lines = _split(content)
        self._place = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._place < len(self._lines):
            row = self._lines[self._place]
            number = self._number
            self._advance()
            if row:
                yield number, row

    def texts(self, row: bytes) -> Iterator[str]:
        """Yield a row, and the lines behind it as far as they are asked for."""
        size = len(row)
        yield row.decode("utf-8", "surrogateescape") + "\n"
        while size <= textlines.LONGEST:
            if self._place == len(self._lines):
                _, content = next(self._blocks, (0, b""))
                self._lines, self._place = _split(content), 0
            if not self._lines:
                return
            line = self._lines[self._place]
            self._advance()
            size += len(line)
            yield line.decode("utf-8", "surrogateescape") + "\n"

    def _advance(self) -> None:
        self._place += 1
        self._number += 1


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _split(content: bytes) -> Sequence[bytes]:
    return content.split(b"\n")[:-1]
