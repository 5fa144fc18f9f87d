"""Read foreign pickles of arrays and plain containers; anything that could run code is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UserError

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # numpy 1 and 2
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")


def _bytes_of(text: str, encoding: str) -> bytes:
    """What protocol 2 writes in place of bytes; the real function would run any codec."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _allowed() -> dict[tuple[str, str], Any]:
    reconstruct = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    containers = (list, dict, tuple, set, frozenset, str, bytes, bytearray, int, float, bool)
    found: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _bytes_of,
    }
    found |= {("builtins", kind.__name__): kind for kind in (*containers, complex)}
    found |= {(module, "_reconstruct"): reconstruct for module in _ARRAY_MODULES}
    found |= {(module, "scalar"): scalar for module in _ARRAY_MODULES}
    found |= {(module, "_frombuffer"): from_buffer for module in _NUMERIC_MODULES}
    return found


_ALLOWED = _allowed()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Look up a name of the pickle in the allow-list; nothing is ever imported."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UserError(
                f"the pickle asks for {module}.{name}, which is not among the arrays, numbers, "
                f"texts and plain containers that are read; do not trust this file"
            ) from None


def read_pickle(path: Path | str) -> Any:
    """The content of a pickle made of numpy arrays and plain containers.

    Raises:
        UserError: it is missing, truncated or no pickle, or it asks for any other name.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no file {place.name!r}; give the path of a pickle") from None
    except (
        pickle.UnpicklingError,
        OSError,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        MemoryError,
    ) as error:
        raise UserError(
            f"{place.name!r} is truncated or no pickle of arrays "
            f"({type(error).__name__}: {error}); download it again"
        ) from None
