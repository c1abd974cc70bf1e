"""Files of comma-separated values: found by name or by their header, read row by row, with what is wrong with them.

A byte order mark, either line end, and line breaks inside quotes are all read (RFC 4180). Rows count from 1, the
header not counted; empty lines are no rows.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from msgspec import Struct


class BadSource(Exception):
    """What was to be imported cannot be read at all; the message names the file and what is wrong with it."""

    def __init__(self, file: str, code: str, what: str) -> None:
        super().__init__(f"{file}: {what}")
        self.failure = Failure(file, None, code, what)


class BadValue(Exception):
    """A row says something that cannot be meant."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


class Failure(Struct, frozen=True):
    """Something that was not imported: where it stands, a stable code, a sentence, and the order's own reference."""

    file: str
    row: int | None
    code: str
    what: str
    reference: str | None = None


class Form(Struct, frozen=True):
    """A kind of file: how it is called by its publisher, and the columns that it must have."""

    name: str
    columns: tuple[str, ...]


class Row(Struct, frozen=True):
    """The columns of the form, in its order; not `is_whole` where the row has not as many fields as the header."""

    number: int
    values: tuple[str, ...]
    is_whole: bool


class Table(Struct, frozen=True):
    """A file of a known form."""

    form: Form
    path: Path
    sha256: str

    @property
    def file(self) -> str:
        """What to call it in a report."""
        return self.path.name

    def rows(self, wanted: Callable[[str], bool] | None = None) -> Iterator[Row]:
        """Every row whose first column is wanted; raises `BadSource` where the file stops being text."""
        number = 0
        with _opened(self.path) as lines:
            header = next(lines)
            width = len(header)
            places = [header.index(column) for column in self.form.columns]
            chosen: Callable[[list[str]], tuple[str, ...]] = itemgetter(*places)
            first = places[0]
            try:
                for fields in lines:
                    if not fields:
                        continue
                    number += 1
                    is_whole = len(fields) == width
                    if not is_whole:
                        fields += [""] * width
                    if wanted is None or wanted(fields[first]):
                        yield Row(number, chosen(fields), is_whole)
            except (UnicodeDecodeError, csv.Error) as error:
                raise BadSource(self.file, "unreadable", f"after row {number}: {error}") from error


def find(folder: Path, form: Form) -> Table | None:
    """The file of this form in the folder: by its name, else the one other file that has all of its columns.

    Raises `BadSource` where the file by that name lacks a column, or where several other files would do.
    """
    path = folder / form.name
    if path.exists():
        header = _header(path)
        missing = [column for column in form.columns if column not in header]
        if missing:
            what = f"the header lacks {', '.join(missing)} (it has {', '.join(header) or 'nothing'})"
            raise BadSource(form.name, "missing_column", what)
    else:
        fitting = [other for other in sorted(folder.glob("*.csv")) if _fits(other, form)]
        if len(fitting) > 1:
            names = " and ".join(other.name for other in fitting)
            raise BadSource(form.name, "ambiguous_file", f"is not there, and both {names} have its columns")
        if not fitting:
            return None
        path = fitting[0]
    with path.open("rb") as file:
        return Table(form, path, hashlib.file_digest(file, "sha256").hexdigest())


def _fits(path: Path, form: Form) -> bool:
    try:
        return set(form.columns) <= set(_header(path))
    except BadSource:
        return False


def _header(path: Path) -> list[str]:
    try:
        with _opened(path) as lines:
            return next(lines, [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSource(path.name, "unreadable", f"the header cannot be read: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[list[str]]]:
    """The file's rows, as lists of fields, the header among them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield csv.reader(file)
