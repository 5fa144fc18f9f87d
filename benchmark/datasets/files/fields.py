"""Fields of a foreign file, of which nothing is believed: numbers and texts, or one sentence."""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Integers, Strings
from benchmark.errors import UserError
from benchmark.naming import visible

LONGEST_ID = 1000  # signs
# Signs of a table of texts, each as long as the longest: so many, or so many times those it holds.
TABLE = 2**24
TABLE_FACTOR = 32
LARGEST = 2**53  # whole numbers that a float64 tells apart end here


class Fields:
    """The fields of one split.

    Args:
        file: its name, for sentences.
        split: its name.
        values: what the file has for each field.

    Raises:
        UserError: the ids are no texts, or there are none.
    """

    def __init__(self, file: str, split: str, values: Mapping[Any, Any]):
        self.file, self.split, self.values = visible(repr(file)), split, values
        self.ids = self._texts("id")
        if not len(self.ids):
            raise UserError(f"{self.file} has no samples in {split!r}; every split needs some")
        if self.ids.dtype.itemsize > LONGEST_ID * 4:
            self._refuse("id", f"texts of more than {LONGEST_ID} signs", "shorten them")

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def numbers(self, key: str, dimensions: int) -> NDArray[Any]:
        """A field of numbers, a row a sample.

        Args:
            key: of the field.
            dimensions: 1 takes a single column too.

        Raises:
            UserError: it is missing, ragged, empty, of another shape or no numbers.
        """
        value = self._value(key)
        if not _is_numeric(value):
            self._refuse(key, "something other than numbers", "write arrays of numbers")
        try:
            array = np.asarray(value)
        except ValueError:
            self._refuse(key, "rows of different lengths", "pad them to an array")
        if array.dtype.kind not in "fiub":
            self._refuse(key, f"numbers of type {array.dtype}", "write real numbers")
        if dimensions == 1 and array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != dimensions or not all(array.shape[1:]):
            layout = ("samples", "steps", "features")[:dimensions]
            self._refuse(key, f"shape {array.shape}", f"it must be ({', '.join(layout)})")
        self._need_rows(key, len(array))
        return array

    def whole_numbers(self, key: str, dimensions: int) -> Integers:
        """The same for whole numbers, stored as any type.

        Raises:
            UserError: also if one is a fraction, infinite, NaN or larger than 2**53.
        """
        array = self.numbers(key, dimensions)
        if not ((np.abs(array.astype(np.float64)) < LARGEST) & (np.rint(array) == array)).all():
            self._refuse(key, "numbers that are not whole", "write whole numbers")
        return array.astype(np.int64)

    def texts(self, key: str) -> Strings:
        """A field of texts, one a sample; bytes are UTF-8.

        Raises:
            UserError: it is missing, or holds anything else.
        """
        texts = self._texts(key)
        self._need_rows(key, len(texts))
        return texts

    def _value(self, key: str) -> Any:
        if key not in self.values:
            shown = sorted(visible(str(name))[:40] for name in self.values)
            more = ", ..." if len(shown) > 20 else ""
            raise UserError(
                f"{self.file} has no field {key!r} in {self.split!r}; it has "
                f"{', '.join(shown[:20]) or 'none'}{more}"
            )
        return self.values[key]

    def _texts(self, key: str) -> Strings:
        value = self._value(key)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value.tolist()
        if not isinstance(value, list | tuple):
            self._refuse(key, "no list", "it must be one text a sample")
        kinds = {type(entry) for entry in value}
        if not (kinds <= {str, bytes} or kinds == {int}):
            self._refuse(key, "something other than texts", "write texts")
        try:
            # Half of a surrogate pair cannot be written to any file.
            texts = [
                entry.decode() if isinstance(entry, bytes) else str(entry).encode().decode()
                for entry in value
            ]
        except UnicodeError:
            self._refuse(key, "texts that are no Unicode", "write them in UTF-8")
        lengths = [len(text) for text in texts]
        if len(texts) * max(lengths, default=0) > TABLE + TABLE_FACTOR * sum(lengths):
            self._refuse(
                key,
                f"a text of {max(lengths)} signs, far longer than the others",
                "shorten it or leave the field out",
            )
        return np.array(texts, dtype=np.str_)

    def _need_rows(self, key: str, rows: int) -> None:
        if rows != len(self):
            raise UserError(
                f"{self.file} has {rows} rows of {key!r} for {len(self)} ids in {self.split!r}; "
                f"write one a sample"
            )

    def _refuse(self, key: str, what: str, advice: str) -> NoReturn:
        raise UserError(f"{self.file} has {what} as {key!r} in {self.split!r}; {advice}")


def _is_numeric(value: Any) -> bool:
    """Whether no entry is a text, nothing, or a container of another type."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub"
    if isinstance(value, list | tuple):
        return all(_is_numeric(entry) for entry in value)
    return isinstance(value, int | float)
