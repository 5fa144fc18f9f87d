"""A reader of pickles that hold arrays and plain containers, and the program that runs it apart.

The pickle module calls what a file names. Here a small machine of our own follows the opcodes that
numbers, texts, bytes, containers and arrays need, and refuses all others. A name of the file is two
texts that a fixed table answers; an array is a record of its dtype, its shape and where its bytes
lie. Nothing is imported, looked up on an object or called for the file.

As a program (`python -I -S pickled.py < file`) it first gives up memory, time and the right to
write files, then reads, and writes to standard output: the list of arrays as JSON, the content as
JSON, each after its length in 8 bytes, and the bytes of the arrays one after the other. It imports
the standard library alone, so that it starts without this package.
"""

import base64
import codecs
import contextlib
import gc
import json
import math
import mmap
import os
import pickletools
import re
import struct
import sys
from collections.abc import Callable
from typing import Any

DEEPEST = 32  # containers within each other
MOST_DIMENSIONS = 8
LONGEST_DIMENSION = 2**40
MOST_NUMERIC_KEYS = 1000  # of a dict; the hashes of texts are secret, those of numbers can collide
LONGEST_KEY = 4096
LONGEST_TEXT = 2**28  # bytes of an entry of an array
VIEWED = 4096  # longer bytes stay where they are in the file
_MIB = 2**20


def seconds(size: int) -> int:
    """The processor time that reading a file of so many bytes may take."""
    return 3 + size // (8 * _MIB)


def memory(size: int) -> int:
    """The address space in bytes that reading a file of so many bytes may take."""
    return 256 * _MIB + 4 * size


def most_bytes(size: int) -> int:
    """How many bytes of texts and arrays may come out of a file of so many bytes."""
    return _MIB + 4 * size


def most_content(size: int) -> int:
    """How many bytes of JSON may come out of a file of so many bytes."""
    return _MIB + 8 * size


class Refused(Exception):
    """What is wrong with the file: the rest of a sentence that begins with its name."""


class _Name:
    """A name that the file asks for; never the object of that name."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class _Dtype:
    """A plain numpy dtype: its kind, bytes of an entry, and byte order once its state is known."""

    __slots__ = ("kind", "order", "size")

    def __init__(self, kind: str, size: int):
        self.kind, self.size, self.order = kind, size, ""

    @property
    def text(self) -> str:
        """As numpy writes it, with the byte order."""
        native = "<" if sys.byteorder == "little" else ">"
        order = self.order.replace("=", native)
        order = "|" if self.size == 1 or self.kind == "S" else order
        return f"{order}{self.kind}{self.size // 4 if self.kind == 'U' else self.size}"


class _ByteArray:
    """A bytearray; what it holds is not copied and cannot be changed."""

    __slots__ = ("data",)

    def __init__(self, data: bytes | memoryview):
        self.data = data


class _Array:
    """A numpy array.

    Attributes:
        dtype: as numpy writes it; `O` for a list of entries, empty as long as nothing is known.
        shape: in the order in which the entries lie.
        axes: of `shape`, in the order that the array has.
        data: its bytes, or the entries of an array of objects.
    """

    __slots__ = ("axes", "data", "dtype", "shape")

    def __init__(self) -> None:
        self.dtype = ""
        self.shape: tuple[int, ...] = ()
        self.axes: tuple[int, ...] = ()
        self.data: Any = b""


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def _unlisted(module: str, name: str) -> Refused:
    return Refused(
        f"asks for {_cut(module)}.{_cut(name)}, which is not among the arrays, numbers, texts and "
        f"plain containers that are read; do not trust this file"
    )


def _unreadable(detail: str) -> Refused:
    return Refused(f"is truncated or no pickle of arrays ({_cut(detail)}); download it again")


class Machine:
    """Follows the opcodes of one file.

    Args:
        file: mapped to memory; its size decides how much may come out of it.
    """

    def __init__(self, file: mmap.mmap):
        self.file = file
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stack below each mark
        self.memo: dict[int, Any] = {}
        self.arrays: list[_Array] = []
        self.bytes_left = most_bytes(len(file))
        self.nodes_left = 10**5 + len(file)
        self.containers_left = 10**5 + len(file) // 16

    def run(self) -> Any:
        """Follow all opcodes; the content for JSON, with a tag on what JSON has no type for.

        A list stands for itself; `t`, `s` and `f` tag tuples, sets and frozensets, `d` keys and
        values of a dict one after the other, `b` and `y` bytes and bytearrays in base 64, and `a`
        the number of an array in `arrays`.

        Raises:
            Refused: it holds what is not read, or is no pickle.
        """
        read, opcodes = self.file.read, _OPCODES
        try:
            while True:
                code = read(1)
                if code == b".":
                    break
                if code not in opcodes:
                    raise ValueError(f"opcode {code!r} unknown" if code else "it ends early")
                reader, action = opcodes[code]
                action(self, reader and reader(self.file))
            content = self.stack.pop()
        except IndexError:
            raise _unreadable("its stack is empty where it must not be") from None
        except (ValueError, OverflowError, AssertionError, struct.error) as error:
            raise _unreadable(str(error)) from None
        if self.stack or self.below:
            raise _unreadable("something is left on its stack")
        return self._content(content, 0)

    def spend(self, size: int) -> None:
        """Count bytes that are copied or come out."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise _repeated()

    def _content(self, node: Any, depth: int) -> Any:
        kind = type(node)
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise _repeated()
        if kind in _NUMBERS:
            return node
        if kind is str:
            self.spend(len(node))
            return node
        if kind in (bytes, memoryview, _ByteArray):
            data = node.data if kind is _ByteArray else node
            self.spend(len(data))
            return {"y" if kind is _ByteArray else "b": base64.b64encode(data).decode("ascii")}
        self.containers_left -= 1
        if self.containers_left < 0:
            raise _repeated()
        if depth == DEEPEST:
            raise Refused(
                f"has containers more than {DEEPEST} deep within each other, or one that holds "
                f"itself; do not trust this file"
            )
        if kind is _Array:
            return self._array(node, depth)
        if kind is dict:
            return {"d": [self._content(x, depth + 1) for pair in node.items() for x in pair]}
        if kind in _TAGS:
            items = [self._content(item, depth + 1) for item in node]
            return {_TAGS[kind]: items} if _TAGS[kind] else items
        raise Refused(
            "has a type or a name where a value should be; only arrays, numbers, texts and plain "
            "containers are read"
        )

    def _array(self, array: _Array, depth: int) -> Any:
        if not array.dtype:
            raise _unreadable("an array without its content")
        if array.dtype == "O":
            return [self._content(entry, depth + 1) for entry in array.data]
        self.spend(len(array.data))
        self.arrays.append(array)
        return {"a": len(self.arrays) - 1}

    def since_mark(self) -> list[Any]:
        """Take off what lies above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop(self) -> None:
        """Drop one object, or a mark where nothing lies above it."""
        if self.stack:
            self.stack.pop()
        else:
            self.drop_to_mark()

    def drop_to_mark(self) -> None:
        """Drop what lies above the last mark."""
        self.stack = self.below.pop()

    def put(self, slot: int) -> None:
        """Remember the uppermost object; writers number from 0 or 1, no file has more slots."""
        if not 0 <= slot <= len(self.file):
            raise ValueError(f"memo slot {slot}")
        self.memo[slot] = self.stack[-1]

    def get(self, slot: int) -> None:
        """Push what was remembered."""
        if slot not in self.memo:
            raise ValueError(f"memo slot {slot} is empty")
        self.stack.append(self.memo[slot])

    def integer(self, value: int) -> None:
        """Push a whole number of at most 64 bits."""
        if not -(2**63) <= value < 2**64:
            raise Refused("holds a whole number of more than 64 bits; store it as a text")
        self.stack.append(value)

    def last(self, count: int) -> tuple[Any, ...]:
        """Take off the uppermost objects as a tuple."""
        if len(self.stack) < count:
            raise IndexError
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def name(self, module: Any, name: Any) -> None:
        """Push a name that the table has."""
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        if (module, name) not in _CALLS:
            raise _unlisted(module, name)
        self.stack.append(_Name(module, name))

    def append(self, items: list[Any] | tuple[Any, ...]) -> None:
        """Add to the list on the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            raise _misused("appends to what is no list")
        target.extend(items)

    def set_items(self, items: list[Any] | tuple[Any, ...]) -> None:
        """Add keys and values to the dict on the stack."""
        target = self.stack[-1]
        if type(target) is not dict:
            raise _misused("sets an item of what is no dict")
        _with_items(target, items)

    def add_items(self, items: list[Any]) -> None:
        """Add to the set on the stack."""
        target = self.stack[-1]
        if type(target) is not set:
            raise _misused("adds to what is no set")
        for item in items:
            target.add(_key(target, item))

    def reduce(self) -> None:
        """What pickle does by a call: here the table makes it."""
        named, arguments = self.last(2)
        if type(named) is not _Name or type(arguments) is not tuple:
            raise _misused("calls what is no name of the list")
        self.stack.append(_CALLS[named.module, named.name](self, arguments))

    def build(self) -> None:
        """Give an array or a dtype its state, once."""
        target, state = self.last(2)
        if type(target) is _Dtype and not target.order:
            _set_order(target, state)
        elif type(target) is _Array and not target.dtype:
            if type(state) is not tuple or len(state) != 5 or type(state[3]) not in (bool, int):
                raise _unreadable("an array with an unknown state")
            _, shape, dtype, fortran, data = state
            _fill(self, target, dtype, shape, "F" if fortran else "C", data)
        else:
            raise _misused("sets the state of what is no new array")
        self.stack.append(target)


def _repeated() -> Refused:
    return Refused(
        "holds the same content again and again, far more than the file is large; do not trust "
        "this file"
    )


def _misused(what: str) -> Refused:
    return Refused(f"{what}, which no pickle of arrays does; do not trust this file")


def _key(container: dict[Any, Any] | set[Any], key: Any) -> Any:
    """A key that costs little to compare."""
    if type(key) in (str, bytes) and len(key) <= LONGEST_KEY:
        return key
    if type(key) in _NUMBERS and len(container) < MOST_NUMERIC_KEYS:
        return key
    raise Refused(
        f"has a key or an entry of a set that is no short text or number, or more than "
        f"{MOST_NUMERIC_KEYS} numbers as keys; use texts as keys"
    )


def _with_items(target: dict[Any, Any], items: list[Any] | tuple[Any, ...]) -> dict[Any, Any]:
    """The dict with more keys and values, which follow one after the other."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    for place in range(0, len(items), 2):
        target[_key(target, items[place])] = items[place + 1]
    return target


def _frozen(machine: Machine, items: Any) -> frozenset[Any]:
    found: set[Any] = set()
    machine.spend(8 * len(items))
    for item in items:
        found.add(_key(found, item))
    return frozenset(found)


def _set(machine: Machine, arguments: tuple[Any, ...]) -> set[Any]:
    return set(_frozen(machine, _only(arguments, (list, tuple, set), [])))


def _frozenset(machine: Machine, arguments: tuple[Any, ...]) -> frozenset[Any]:
    return _frozen(machine, _only(arguments, (list, tuple, frozenset), []))


def _list(machine: Machine, arguments: tuple[Any, ...]) -> list[Any]:
    items = _only(arguments, (list, tuple), [])
    machine.spend(8 * len(items))
    return list(items)


def _tuple(machine: Machine, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_list(machine, arguments))


def _dict(machine: Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """A dict, or an ordered one, which Python 2 makes of a list of pairs."""
    pairs = _only(arguments, (dict, list, tuple), {})
    machine.spend(8 * len(pairs))
    found: dict[Any, Any] = {}
    for pair in pairs.items() if type(pairs) is dict else pairs:
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise _unreadable("a dict made of no pairs")
        found[_key(found, pair[0])] = pair[1]
    return found


def _of_type(kind: type) -> Callable[[Machine, tuple[Any, ...]], Any]:
    """`str()`, `int()`, `float()` and `bool()`: of nothing, or of a value of that type."""
    return lambda machine, arguments: _only(arguments, (kind,), kind())


def _only(arguments: tuple[Any, ...], kinds: tuple[type, ...], default: Any) -> Any:
    """The one argument, of one of these types, or the default if there is none."""
    if not arguments:
        return default
    if len(arguments) != 1 or type(arguments[0]) not in kinds:
        raise _misused("makes a value out of another type")
    return arguments[0]


def _bytes(machine: Machine, arguments: tuple[Any, ...]) -> bytes | memoryview:
    """What Python 3 writes for bytes and bytearrays where the protocol has no opcode for them."""
    if len(arguments) == 2:
        return _encode(machine, arguments)
    given = _only(arguments, (bytes, memoryview, _ByteArray, list, tuple), b"")
    if type(given) is _ByteArray:
        return given.data
    if type(given) in (bytes, memoryview):
        return given  # type: ignore[no-any-return]
    machine.spend(len(given))
    if any(type(entry) is not int for entry in given):
        raise _misused("makes bytes out of another type")
    return bytes(given)


def _bytearray(machine: Machine, arguments: tuple[Any, ...]) -> _ByteArray:
    return _ByteArray(_bytes(machine, arguments))


def _encode(machine: Machine, arguments: tuple[Any, ...]) -> bytes:
    """Bytes that protocol 2 writes as text."""
    if len(arguments) != 2 or type(arguments[0]) is not str or type(arguments[1]) is not str:
        raise _unreadable("bytes that are no text")
    if arguments[1] not in ("latin1", "latin-1"):
        raise Refused(
            f"has bytes in the encoding {_cut(ascii(arguments[1]))}; pickles have latin1, do not "
            f"trust this file"
        )
    machine.spend(len(arguments[0]))
    return arguments[0].encode("latin1")


_SIZES = {"f": (2, 4, 8, 16), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,), "c": (8, 16)}


def _dtype(machine: Machine, arguments: tuple[Any, ...]) -> _Dtype:
    text = arguments[0] if arguments else None
    found = re.fullmatch(r"[<>|=]?([fiubcUSO])([0-9]{1,9})", text) if type(text) is str else None
    if found:
        kind, size = found[1], int(found[2]) * (4 if found[1] == "U" else 1)
        if size in _SIZES.get(kind, (size,)) and 0 < size <= LONGEST_TEXT:
            return _Dtype(kind, size)
    shown = _cut(ascii(text)) if type(text) is str else "that is no text"
    raise Refused(
        f"has an array of dtype {shown}; arrays of plain numbers, yes-no values and texts are read"
    )


def _set_order(dtype: _Dtype, state: Any) -> None:
    """Take the byte order of a dtype; fields, subarrays and metadata are refused."""
    if type(state) is not tuple or len(state) not in (8, 9):
        raise _unreadable("a dtype with an unknown state")
    _, order, *structure, size, _, _ = state[:8]
    if any(part is not None for part in (*structure, *state[8:])):
        raise Refused(
            "has an array with fields, subarrays or metadata; arrays of plain numbers, yes-no "
            "values and texts are read"
        )
    if type(order) is not str or order not in ("<", ">", "=", "|"):
        raise _unreadable("a dtype of no byte order")
    if type(size) is not int or size not in (-1, dtype.size):
        raise _unreadable("a dtype of two sizes")
    dtype.order = "=" if order == "|" else order


def _reconstruct(machine: Machine, arguments: tuple[Any, ...]) -> _Array:
    if (
        len(arguments) != 3
        or type(arguments[0]) is not _Name
        or (arguments[0].module, arguments[0].name) != ("numpy", "ndarray")
    ):
        raise _misused("makes an array of no numpy.ndarray")
    return _Array()


def _from_buffer(machine: Machine, arguments: tuple[Any, ...]) -> _Array:
    """What protocol 5 writes for an array; `K` is an order of its axes that is stated too."""
    if len(arguments) not in (4, 5):
        raise _unreadable("an array with an unknown state")
    data, dtype, shape, order, *axes = arguments
    array = _Array()
    _fill(machine, array, dtype, shape, axes[0] if order == "K" and axes else order, data)
    return array


def _fill(machine: Machine, array: _Array, dtype: Any, shape: Any, order: Any, data: Any) -> None:
    """Give an array its content.

    Args:
        machine: counts what is copied.
        array: still empty.
        dtype: with its state.
        shape: of the array, or of its entries as they lie where the order is a tuple.
        order: `C`, `F`, or the axes of an array whose entries lie in another order.
        data: its bytes, or a list of the entries of an array of objects.
    """
    if type(dtype) is not _Dtype or not dtype.order:
        raise _unreadable("an array of no dtype")
    if type(shape) is not tuple or len(shape) > MOST_DIMENSIONS:
        raise _unreadable("an array of no shape")
    if any(type(size) is not int or not 0 <= size <= LONGEST_DIMENSION for size in shape):
        raise _unreadable("an array of a shape that cannot be")
    array.shape, array.axes = _laid_out(shape, order)
    if dtype.kind == "O":
        array.data, array.dtype = _entries(machine, shape, data), "O"
        return
    if type(data) is str:  # bytes of Python 2
        machine.spend(len(data))
        data = data.encode("latin1")
    data = data.data if type(data) is _ByteArray else data
    if type(data) not in (bytes, memoryview):
        raise _unreadable("an array without bytes")
    if math.prod(size for size in shape if size) * dtype.size >= 2**62:
        raise _unreadable("an array of a shape that cannot be")
    if math.prod(shape) * dtype.size != len(data):
        raise _unreadable("an array with more or fewer bytes than its shape needs")
    array.data, array.dtype = data, dtype.text


def _laid_out(shape: tuple[int, ...], order: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    natural = tuple(range(len(shape)))
    if type(order) is str and order in ("C", "F"):
        return (shape, natural) if order == "C" else (shape[::-1], natural[::-1])
    if (
        type(order) is tuple
        and all(type(axis) is int for axis in order)
        and sorted(order) == list(natural)
    ):
        return shape, order
    raise _unreadable("an array of no order")


def _entries(machine: Machine, shape: tuple[int, ...], data: Any) -> list[Any]:
    """A copy of the entries of an array of objects: the list of the file could grow later."""
    if len(shape) != 1 or type(data) is not list or len(data) != shape[0]:
        raise Refused(
            "has an array of objects that is not one row of texts or numbers; store plain arrays"
        )
    machine.spend(8 * len(data))
    if any(type(entry) not in (*_NUMBERS, str, bytes) for entry in data):
        raise Refused(
            "has an array of objects other than texts and numbers; store plain arrays or lists"
        )
    return list(data)


def _scalar(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """A single numpy number or text, as the number or text of Python that it equals."""
    if len(arguments) != 2:
        raise _unreadable("a number with an unknown state")
    array = _Array()
    _fill(machine, array, arguments[0], (), "C", arguments[1])
    machine.spend(len(array.data))
    data, order, kind = bytes(array.data), array.dtype[0], array.dtype[1]
    big = order == ">" or (order == "|" and sys.byteorder == "big")
    if kind in "iu":
        return int.from_bytes(data, "big" if big else "little", signed=kind == "i")
    if kind == "b":
        return data != b"\0"
    if kind == "S":
        return data.rstrip(b"\0")
    if kind == "U":
        return data.decode("utf-32-be" if big else "utf-32-le", "surrogatepass").rstrip("\0")
    if kind == "f" and len(data) in _FLOATS:
        return struct.unpack((">" if big else "<") + _FLOATS[len(data)], data)[0]
    raise Refused("has a complex number or one of 16 bytes; store it as a float64")


def _direct(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    raise _misused("calls numpy.ndarray directly")


_FLOATS = {2: "e", 4: "f", 8: "d"}
_NUMBERS = (type(None), bool, int, float)
_TAGS: dict[type, str] = {list: "", tuple: "t", set: "s", frozenset: "f"}
_BUILTINS: dict[str, Callable[[Machine, tuple[Any, ...]], Any]] = {
    "list": _list,
    "tuple": _tuple,
    "dict": _dict,
    "set": _set,
    "frozenset": _frozenset,
    "bytes": _bytes,
    "bytearray": _bytearray,
    **{kind.__name__: _of_type(kind) for kind in (str, int, float, bool)},
}
_CALLS: dict[tuple[str, str], Callable[[Machine, tuple[Any, ...]], Any]] = {
    ("numpy", "ndarray"): _direct,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _dict,
    **{
        (module, name): _BUILTINS[name]
        for name in _BUILTINS
        for module in ("builtins", "__builtin__")
    },
    **{
        (f"numpy.{core}.{module}", name): call  # numpy 1 and 2
        for core in ("core", "_core")
        for module, name, call in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


def _read_line(file: mmap.mmap) -> bytes:
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a line without an end")
    return line[:-1]


def _read_names(file: mmap.mmap) -> tuple[str, str]:
    return _read_line(file).decode("utf-8"), _read_line(file).decode("utf-8")


def _read_string(file: mmap.mmap) -> str:
    """A text of Python 2 in quotes, whose bytes need not be ASCII."""
    line = _read_line(file).strip()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a text without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin1")


def _reader_of_bytes(length: str) -> Callable[[mmap.mmap], bytes | memoryview]:
    """For bytes after their length, which stay in the mapped file where they are many."""
    width = struct.calcsize(length)

    def read(file: mmap.mmap) -> bytes | memoryview:
        prefix = file.read(width)
        if len(prefix) < width:
            raise ValueError("it ends early")
        (size,) = struct.unpack(length, prefix)
        start = file.tell()
        if size > len(file) - start:
            raise ValueError(f"{size} bytes are promised, {len(file) - start} are there")
        if size <= VIEWED:
            return file.read(size)
        file.seek(size, os.SEEK_CUR)
        return memoryview(file)[start : start + size]

    return read


def _read_frame(file: mmap.mmap) -> None:
    (size,) = struct.unpack("<Q", file.read(8))
    if size > len(file) - file.tell():
        raise ValueError("a frame that is longer than the file")


def _start_protocol(machine: Machine, version: int) -> None:
    if version > 5:
        raise ValueError(f"protocol {version}")


def _mark(machine: Machine, _: Any) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _push(make: Callable[[Machine, Any], Any]) -> Callable[[Machine, Any], None]:
    """An opcode that pushes what is made of the machine and the argument."""
    return lambda machine, argument: machine.stack.append(make(machine, argument))


def _since_mark(use: Callable[[Machine, list[Any]], Any]) -> Callable[[Machine, Any], None]:
    """An opcode that uses what lies above the last mark, and pushes what comes of it."""

    def action(machine: Machine, _: Any) -> None:
        items = machine.since_mark()
        machine.stack.append(use(machine, items))

    return action


def _refusal(opcode: str) -> Callable[[Machine, Any], None]:
    def action(machine: Machine, _: Any) -> None:
        raise Refused(
            f"uses the opcode {opcode}, which no pickle of arrays and plain containers needs; do "
            f"not trust this file"
        )

    return action


def _refuse_instance(machine: Machine, names: tuple[str, str]) -> None:
    raise _unlisted(*names)


_Action = Callable[[Machine, Any], None]
_PUSHED = (
    *("BINSTRING", "SHORT_BINSTRING", "STRING", "UNICODE"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "FLOAT", "BINFLOAT"),
)
_ACTIONS: dict[str, _Action] = {
    "PROTO": _start_protocol,
    "FRAME": lambda machine, _: None,
    "MARK": _mark,
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": lambda machine, _: machine.drop_to_mark(),
    "DUP": _push(lambda machine, _: machine.stack[-1]),
    "NONE": _push(lambda machine, _: None),
    "NEWTRUE": _push(lambda machine, _: True),
    "NEWFALSE": _push(lambda machine, _: False),
    **dict.fromkeys(_PUSHED, lambda machine, argument: machine.stack.append(argument)),
    "BYTEARRAY8": _push(lambda machine, argument: _ByteArray(argument)),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        lambda machine, argument: machine.integer(argument),
    ),
    "EMPTY_LIST": _push(lambda machine, _: []),
    "EMPTY_DICT": _push(lambda machine, _: {}),
    "EMPTY_SET": _push(lambda machine, _: set()),
    "EMPTY_TUPLE": _push(lambda machine, _: ()),
    "TUPLE1": _push(lambda machine, _: machine.last(1)),
    "TUPLE2": _push(lambda machine, _: machine.last(2)),
    "TUPLE3": _push(lambda machine, _: machine.last(3)),
    "TUPLE": _since_mark(lambda machine, items: tuple(items)),
    "LIST": _since_mark(lambda machine, items: items),
    "DICT": _since_mark(lambda machine, items: _with_items({}, items)),
    "FROZENSET": _since_mark(_frozen),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add_items(machine.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, slot: machine.put(slot)),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, slot: machine.get(slot)),
    "GLOBAL": lambda machine, names: machine.name(*names),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "INST": _refuse_instance,
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
# Where pickletools would copy many bytes, or take less than the pickle module takes.
_READERS: dict[str, Callable[[mmap.mmap], Any]] = {
    "GLOBAL": _read_names,
    "INST": _read_names,
    "STRING": _read_string,
    "BINBYTES": _reader_of_bytes("<I"),
    "BINBYTES8": _reader_of_bytes("<Q"),
    "BYTEARRAY8": _reader_of_bytes("<Q"),
    "FRAME": _read_frame,
}
_OPCODES: dict[bytes, tuple[Callable[[Any], Any] | None, _Action]] = {
    opcode.code.encode("latin1"): (
        _READERS.get(opcode.name) or (opcode.arg.reader if opcode.arg else None),
        _ACTIONS.get(opcode.name, _refusal(opcode.name)),
    )
    for opcode in pickletools.opcodes
}


def _give_up(size: int) -> None:
    """Give up what reading a file of so many bytes does not need, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        "RLIMIT_FSIZE": 0,  # it can write no file
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_NOFILE": 16,
        "RLIMIT_AS": memory(size),
        "RLIMIT_CPU": seconds(size),
    }
    for name, limit in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system has all
            resource.setrlimit(getattr(resource, name), (limit, limit))


def _write(data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _encoded(value: Any) -> bytes:
    """As JSON after its length; a text may hold half of a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    encoded = text.encode("utf-8", "surrogatepass")
    return struct.pack(">Q", len(encoded)) + encoded


def _answer(size: int) -> tuple[list[bytes], list[_Array]]:
    """The JSON to answer with, and the arrays whose bytes follow it."""
    try:
        return _read(size)
    except Refused as refused:
        return [_encoded({"refused": str(refused)})], []
    except MemoryError:
        pass  # there is room for an answer only after what was read has gone
    sentence = f"needs more than {memory(size) // _MIB} MiB to be read; do not trust this file"
    return [_encoded({"refused": sentence})], []


def _read(size: int) -> tuple[list[bytes], list[_Array]]:
    if not size:
        raise _unreadable("it is empty")
    machine = Machine(mmap.mmap(0, 0, access=mmap.ACCESS_READ))
    content = _encoded(machine.run())
    if len(content) > most_content(size):
        raise _repeated()
    arrays = [[array.dtype, array.shape, array.axes] for array in machine.arrays]
    return [_encoded({"arrays": arrays}), content], machine.arrays


def main() -> None:
    """Read standard input and answer on standard output."""
    size = os.fstat(0).st_size
    _give_up(size)
    gc.disable()  # the process ends soon; looking for circles takes longer than reading
    answers, arrays = _answer(size)
    for answer in answers:
        _write(answer)
    for array in arrays:
        _write(array.data)


if __name__ == "__main__":
    main()
