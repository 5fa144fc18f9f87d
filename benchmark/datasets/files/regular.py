"""Regular files, opened and hashed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from benchmark.errors import UserError


@contextmanager
def regular(path: Path, place: str) -> Iterator[IO[bytes]]:
    """Open a file; a pipe or a device would never end.

    Raises:
        UserError: it is not there, no file, or reading it fails.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{place} is no file but a folder, pipe or device; put a file there")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{place} is not there") from None
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror or error}") from None


def file_digest(path: Path) -> str:
    """BLAKE2 hash of a file's bytes, 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()
