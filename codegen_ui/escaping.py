"""What somebody else wrote, made harmless where it is shown to people: in the terminal, in the log, in spreadsheets.

HTML is the page's own business: its script sets text as text, and `highlight` escapes the one value that is HTML.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from types import TracebackType

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What breaks a line, moves a terminal's cursor, or turns the direction of what follows."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a cell for that begins so."""


def one_line(text: str) -> str:
    """The text with an escape in the place of each control character."""
    return CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def quoted(value: object) -> str:
    """A value on one line: quoted, with escapes, unless it is a plain word, so that no prompt can forge a line."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not any(character in text for character in " \"'=\\")
    return text if plain else ascii(text)


def spreadsheet_safe(value: object) -> object:
    """Numbers shortened to six digits; a text that a spreadsheet would run as a formula gets an apostrophe first."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A header line and the rows, each value `spreadsheet_safe`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([spreadsheet_safe(value) for value in row] for row in rows)
    return out.getvalue()


class LineFormatter(logging.Formatter):
    """A record is one line, and those of a traceback are indented, so that no message can pass for another record."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "\n".join(f"  {one_line(line)}" for line in super().formatException(ei).split("\n"))
