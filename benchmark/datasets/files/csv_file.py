"""A CSV file from elsewhere as a table of texts, refused in one sentence if it is none."""

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import IO

import pandas as pd

from benchmark.datasets.files.regular import regular
from benchmark.errors import UserError
from benchmark.naming import shown, visible

MOST_COLUMNS = 10_000
LARGEST = 2**28  # bytes of a file of predictions
UNPACKED = 2**24  # bytes that a compressed file of any size may have in it
RATIO = 100  # bytes more for each of its own
COMPRESSED = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
GZIP = b"\x1f\x8b"


def read_csv(path: Path, most: int) -> pd.DataFrame:
    """A CSV as a table of texts.

    Args:
        path: of the file, which may be packed by gzip.
        most: rows after which it is read no further.

    Raises:
        UserError: it is no CSV, has a column twice or rows of another length, or is far too large.
    """
    place = visible(str(path))
    with regular(path, place) as file:
        if path.stat().st_size > LARGEST:
            raise UserError(
                f"{place} has more than {LARGEST >> 20} MiB; give a CSV of columns id and "
                f"prediction and of nothing else"
            )
        source = _unpacked(file, path.stat().st_size, place)
        lines = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
        try:
            reader = csv.reader(lines, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _refuse_names(names, place)
            rows = []
            for row in reader:
                if row:
                    _refuse_ragged(row, names, place, reader.line_num)
                    rows.append(row)
                if len(rows) >= most:
                    break
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{place} is no readable CSV: {visible(str(error))}") from None
    return pd.DataFrame(rows, columns=names, dtype=str)


def _unpacked(file: IO[bytes], size: int, place: str) -> IO[bytes]:
    """The file, or what a gzip file holds, of which no more than a limit is unpacked."""
    begin = file.read(max(map(len, COMPRESSED)))
    file.seek(0)
    for mark, kind in COMPRESSED.items():
        if begin.startswith(mark):
            raise UserError(f"{place} is compressed by {kind}; write a CSV, or one packed by gzip")
    if not begin.startswith(GZIP):
        return file
    limit = UNPACKED + RATIO * size
    try:
        content = gzip.GzipFile(fileobj=file).read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{place} is no readable gzip file: {visible(str(error))}") from None
    if len(content) > limit:
        raise UserError(
            f"{place} has {size} bytes and unpacks to more than {limit}; no predictions do, write "
            f"a plain CSV"
        )
    return io.BytesIO(content)


def _refuse_names(names: list[str], place: str) -> None:
    if not names:
        raise UserError(f"{place} is no readable CSV: it has no header; give id and prediction")
    if len(names) > MOST_COLUMNS:
        raise UserError(f"{place} has {len(names)} columns; {MOST_COLUMNS} are enough")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError(f"{place} has the column {shown(name)} more than once; keep one")
        seen.add(name)


def _refuse_ragged(row: list[str], names: list[str], place: str, line: int) -> None:
    if len(row) != len(names):
        raise UserError(
            f"{place} is no readable CSV: line {line} has {len(row)} fields and the header "
            f"{len(names)}; quote a field that holds a comma"
        )
