"""Records kept with the project: lines to read in a diff, and beside them a file of what is bulky.

`NAME.jsonl` says in its first line where the first fields of a record's line belong. Then come the
values that records share, each in a line of its own under a name made of its content, and then the
records, one a line. `NAME.npz.xz` holds, without pickle, the arrays of all records and the blocks
of JSON that nobody reads number by number. The digest at the end of a line covers its whole record.
"""

import io
import json
import lzma
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.naming import check_name
from benchmark.records.store import all_records, read_arrays
from benchmark.system.atomic import write_bytes

Values = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

RESULTS = Path(__file__).parents[1] / "results"
LINES, BULK = ".jsonl", ".npz.xz"
FORMAT = 1
OURS = ("synthetic",)  # datasets whose labels may be passed on
# What a line begins with, and where it belongs in the record; a path's parts are joined by "/".
HEAD = {
    "dataset": "cell/dataset",
    "model": "cell/model",
    "variant": "cell/variant",
    "seed": "cell/seed",
    "fold": "cell/fold",
    "part": "cell/part",
    "status": "status",
    "test": "measurements/accuracy/test",
}
SHARED = (
    "cell/config",
    "cell/protocol",
    "cell/settings",
    "environment",
    "exempt",
    "task",
    "measurements/accuracy/oracle",
    "measurements/cost/environment",
    "measurements/robustness/manifest",
    "measurements/robustness/prior",
)
BULKY = (
    "history",
    "measurements/robustness/curves",
    "measurements/robustness/missing",
    "measurements/robustness/skill",
    "measurements/robustness/stability",
)
SHORT = 50  # letters of a value that stays in its line
LONG = 4000  # letters of a block of a measurement that does not, whatever it is called


def keep(name: str, folders: Iterable[Path], kept: Path = RESULTS) -> None:
    """Write the records of runs as two files; the same records give the same bytes.

    Of a cell that several folders hold, the last result counts.

    Args:
        name: of the two files.
        folders: output folders of runs.
        kept: the folder of the files.

    Raises:
        UserError: a folder holds no records, or the name cannot be one of a file.
    """
    check_name("what is kept", name)
    found: dict[str, tuple[Values, Arrays]] = {}
    for folder in folders:
        for path, record in all_records(folder):
            before = found.get(path.stem)
            if before is None or before[0]["status"] != "done" or record.status == "done":
                found[path.stem] = _plain(path)
    if not found:
        raise UserError(f"nothing to keep as {name}: no folder holds a record")
    shared: Values = {}
    blocks: dict[str, Values] = {}
    arrays: Arrays = {}
    lines = [
        _line(key, *found[key], shared, blocks, arrays)
        for key in sorted(found, key=lambda key: _place(key, found[key][0]))
    ]
    first = {"format": FORMAT, "records": len(lines), "head": HEAD}
    named = [{"shared": name, "value": value} for name, value in sorted(shared.items())]
    rows = (f"{json.dumps(line, allow_nan=False)}\n" for line in [first, *named, *lines])
    write_bytes(kept / f"{name}{LINES}", "".join(rows).encode())
    write_bytes(kept / f"{name}{BULK}", _packed(blocks, arrays))


def _plain(path: Path) -> tuple[Values, Arrays]:
    """A record as plain values without digests, and the arrays that may be passed on."""
    values = json.loads(path.read_bytes())
    values.pop("digest", None)
    if not values.pop("arrays", path.with_suffix(".npz").is_file()):
        return values, {}
    kinds = ("id", "prediction", *(["label"] if values["cell"]["dataset"] in OURS else []))
    wanted = {f"{split}_{kind}" for split in ("valid", "test") for kind in kinds}
    return values, {name: value for name, value in read_arrays(path).items() if name in wanted}


def _place(key: str, values: Values) -> tuple[Any, ...]:
    """Where a record stands among the lines."""
    cell = values["cell"]
    return (*(cell[name] for name in ("dataset", "model", "variant", "part", "seed")), key)


def _line(
    key: str,
    values: Values,
    arrays: Arrays,
    shared: Values,
    blocks: dict[str, Values],
    members: Arrays,
) -> Values:
    """The line of a record; what does not stand in it is added to the three last arguments."""
    named = {name: f"{name}-{digest_array(array)}" for name, array in sorted(arrays.items())}
    whole = digest_values([values, named])
    members.update((named[name], array) for name, array in arrays.items())
    head = {name: value for name, path in HEAD.items() for value in _take(values, path)}
    references = {}
    for path in SHARED:
        for value in _take(values, path, SHORT):
            references[path] = _name(path, value)
            shared[references[path]] = value
    bulky = []
    for path in (*BULKY, *_long(values)):
        for value in _take(values, path, SHORT):
            bulky.append(path)
            blocks.setdefault(path, {})[key] = value
    about = {"key": key, "record": values, "shared": references, "bulky": bulky, "arrays": named}
    return {**head, **about, "digest": whole}


def _take(values: Any, path: str, short: int = 0) -> list[Any]:
    """Remove what stands at a path, unless it is short: a list of it, or an empty one."""
    *above, last = path.split("/")
    for name in above:
        values = values.get(name) if isinstance(values, dict) else None
    if not isinstance(values, dict) or last not in values or len(_compact(values[last])) <= short:
        return []
    return [values.pop(last)]


def put(values: Any, path: str, value: Any) -> None:
    """Give back what `_take` took."""
    *above, last = path.split("/")
    for name in above:
        values = values[name]
    values[last] = value


def _long(values: Values) -> list[str]:
    """Paths of blocks that an evaluation of any name has made too long for a line."""
    return [
        f"measurements/{evaluation}/{block}"
        for evaluation, blocks in values.get("measurements", {}).items()
        if isinstance(blocks, dict) and "/" not in evaluation
        for block, value in blocks.items()
        if "/" not in block and len(_compact(value)) > LONG
    ]


def _compact(value: Any, *, ordered: bool = True) -> str:
    """JSON without spaces; equal values have the same when they are ordered by their names."""
    return json.dumps(value, sort_keys=ordered, separators=(",", ":"), allow_nan=False)


def digest_values(value: Any) -> str:
    """Twelve hex digits of a JSON value, whatever the order of its names."""
    return _digest(_compact(value).encode())


def digest_array(array: NDArray[Any]) -> str:
    """Twelve hex digits of an array's type, shape and values."""
    return _digest(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=6).hexdigest()


def _name(path: str, value: Any) -> str:
    return f"{path.rpartition('/')[2]}-{digest_values(value)}"


def _packed(blocks: Mapping[str, Values], arrays: Arrays) -> bytes:
    """The compressed file: JSON as its bytes, and arrays as they are."""
    members: Arrays = {}
    for path in sorted(blocks):
        text = _compact(blocks[path], ordered=False)
        members[f"blocks/{path}"] = np.frombuffer(text.encode(), np.uint8)
    members |= {f"arrays/{name}": arrays[name] for name in sorted(arrays)}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **members)
    return lzma.compress(stream.getvalue())
