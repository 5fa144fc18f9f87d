"""Pickles that try to run code, to take memory or time, or to confuse the import of MMSA files."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.cases import OWNED, Case

SPLITS = ("train", "valid", "test")
ARGUMENTS = ["data", "import", "mosi", "x.pkl"]
COMMAND = f"touch ../{OWNED} {OWNED}_below"
PYTHON = f"open('../{OWNED}', 'w').close(); open('{OWNED}_below', 'w').close()"
CORE = "numpy.core.multiarray"
NEW_CORE = "numpy._core.multiarray"
NUMERIC = "numpy._core.numeric"
Fields = dict[str, Any]


class Raw(bytes):
    """Opcodes that stand for one value."""


def value(content: Any, protocol: int = 3) -> bytes:
    """Opcodes of a value, without memo, start and end; raw ones inside containers stay."""
    if isinstance(content, Raw):
        return content
    if isinstance(content, dict):
        pairs = b"".join(value(key) + value(entry) for key, entry in content.items())
        return b"}(" + pairs + b"u"
    if type(content) in (list, tuple):
        entries = b"".join(map(value, content))
        return b"](" + entries + b"e" if type(content) is list else b"(" + entries + b"t"
    file = io.BytesIO()
    pickler = pickle.Pickler(file, protocol)
    pickler.fast = True
    pickler.dump(content)
    return file.getvalue()[2:-1]


def whole(opcodes: bytes, protocol: int = 3) -> bytes:
    return b"\x80" + bytes([protocol]) + opcodes + b"."


def named(module: str, name: str) -> Raw:
    return Raw(f"c{module}\n{name}\n".encode())


def by_stack(module: str, name: str) -> Raw:
    return Raw(value(module) + value(name) + b"\x93")


def call(function: bytes, *arguments: Any) -> Raw:
    return Raw(function + b"(" + b"".join(map(value, arguments)) + b"tR")


def built(target: bytes, *state: Any) -> Raw:
    return Raw(target + b"(" + b"".join(map(value, state)) + b"tb")


def dtype(text: str, *state: Any) -> Raw:
    made = call(named("numpy", "dtype"), text, False, True)
    return built(made, *(state or (3, "<", None, None, None, -1, -1, 0)))


NDARRAY = named("numpy", "ndarray")
FLOAT = dtype("f4")
OBJECT = dtype("O8", 3, "|", None, None, None, -1, -1, 63)


def array(kind: bytes, shape: Any, data: Any, *, fortran: Any = False, core: str = CORE) -> Raw:
    empty = call(named(core, "_reconstruct"), NDARRAY, (0,), b"b")
    return built(empty, 1, shape, Raw(kind), fortran, data)


SYSTEM = call(named("os", "system"), COMMAND)
EXEC = call(named("builtins", "exec"), PYTHON)


class Payload:
    """Runs a command of the shell when the pickle module reads it."""

    def __reduce__(self) -> Any:
        return os.system, (COMMAND,)


def fields(split: str, samples: int = 4, steps: int = 5) -> Fields:
    generator = np.random.default_rng(SPLITS.index(split))
    ids = np.tile([101, *range(200, 197 + steps), 0, 102], (samples, 1))[:, -steps:]
    ids[:, 0] = 101
    return {
        "id": [f"{split}{sample}$_$0" for sample in range(samples)],
        "raw_text": [f"text {sample}" for sample in range(samples)],
        "text": generator.normal(size=(samples, steps, 4)).astype(np.float32),
        "text_bert": np.stack([ids, np.ones_like(ids), 0 * ids], axis=1).astype(np.float32),
        "audio": generator.normal(size=(samples, steps, 3)).astype(np.float32),
        "vision": generator.normal(size=(samples, steps, 2)),
        "regression_labels": np.linspace(-3, 3, samples),
    }


def layout(*splits: str, drop: str = "", **changed: Any) -> dict[str, Fields]:
    """A good content but for the changed fields, by default those of the training split."""
    content = {split: fields(split) for split in SPLITS}
    for split in splits or ("train",):
        content[split] |= changed
        content[split].pop(drop, None)
    return content


def file_case(name: str, content: bytes, **settings: Any) -> Case:
    def make(folder: Path) -> list[str]:
        (folder / "x.pkl").write_bytes(content)
        return ARGUMENTS

    return Case(name, make, **{"says": "x.pkl", **settings})


def field_cases(prefix: str, found: dict[str, Any]) -> Iterator[Case]:
    """A value as the audio of an otherwise good file."""
    for name, content in found.items():
        yield file_case(f"{prefix}-{name}", whole(value(layout(audio=content))))


def cases() -> list[Case]:
    return [
        *good_files(),
        *names(),
        *refused_opcodes(),
        *field_cases("exploit", exploits()),
        *field_cases("array", broken_arrays()),
        *field_cases("costly", costly_values()),
        *streams(),
        *damaged(),
        *places(),
        *(
            file_case(f"layout-{name}", whole(value(content)))
            for name, content in layouts().items()
        ),
    ]


def good_files() -> Iterator[Case]:
    """Files that must be read, so that the corpus does not pass by refusing all."""
    good = partial(file_case, codes=(0,), says="written to", writes=True)
    for protocol in range(6):
        content = layout()
        yield good(f"good-protocol-{protocol}", pickle.dumps(content, protocol))
        texts = {key: np.array(content["train"][key], dtype=object) for key in ("id", "raw_text")}
        yield good(f"good-objects-{protocol}", pickle.dumps(layout(**texts), protocol))
    features = np.arange(60, dtype=np.float32).reshape(4, 5, 3) + 1
    for protocol in (2, 4, 5):
        turned = layout(audio=np.asfortranarray(features))
        yield good(f"good-fortran-{protocol}", pickle.dumps(turned, protocol))
        swapped = layout(audio=features.transpose(1, 0, 2).copy().transpose(1, 0, 2))
        yield good(f"good-transposed-{protocol}", pickle.dumps(swapped, protocol))
    for kind in (">f4", ">f8", "<f2", "i2", ">u4", "i8", "g"):
        name = np.dtype(kind).str[1:] + ("-big" if ">" in kind else "")
        yield good(f"good-{name}", pickle.dumps(layout(audio=features.astype(kind)), 4))
    raw = layout(audio=array(FLOAT, (4, 5, 3), features.tobytes(), core=NEW_CORE))
    yield good("good-numpy-2-names", whole(value(raw)))
    raw = layout(audio=array(FLOAT, (4, 5, 3), features.tobytes()))
    yield good("good-numpy-1-names", whole(value(raw)))
    yield good("good-lists", pickle.dumps(layout(audio=features.tolist()), 4))
    yield good("good-list-of-arrays", pickle.dumps(layout(audio=list(features)), 4))
    yield good("good-bytes-ids", pickle.dumps(layout(id=[b"a", b"b", b"c", b"d"]), 4))
    yield good("good-number-ids", pickle.dumps(layout(id=[1, 2, 3, 4]), 4))
    yield good("good-fixed-texts", pickle.dumps(layout(id=np.array(["a", "b", "c", "d"])), 4))
    yield good("good-numpy-texts", pickle.dumps(layout(id=list(np.array(["a", "b", "c", "d"]))), 4))
    yield good("good-column-of-labels", pickle.dumps(layout(regression_labels=np.ones((4, 1))), 4))
    yield good("good-ordered-dict", pickle.dumps(OrderedDict(layout()), 2))
    shared = layout(*SPLITS, more=[features] * 2, annotations=["Neutral"] * 4, kinds={"a", "b"})
    yield good("good-shared", pickle.dumps(shared, 4))
    yield good("good-trailing-bytes", pickle.dumps(layout(), 4) + b"garbage")
    yield good("good-marked-dict", whole(value(layout())[1:-1] + b"d"))
    yield good("good-no-tokens", pickle.dumps(layout(*SPLITS, drop="text_bert"), 4))


def names() -> Iterator[Case]:
    """Names that a file may ask for and that nothing must look up."""
    refused = {
        "os": ("system", (COMMAND,)),
        "posix": ("system", (COMMAND,)),
        "subprocess": ("getoutput", (COMMAND,)),
        "builtins": ("exec", (PYTHON,)),
        "__builtin__": ("eval", (f"open('../{OWNED}', 'w')",)),
        "pty": ("spawn", (["sh", "-c", COMMAND],)),
        "operator": ("attrgetter", ("system",)),
        "functools": ("partial", (named("os", "system"), COMMAND)),
        "importlib": ("import_module", ("os",)),
        "numpy": ("load", ("x.pkl",)),
        "numpy.f2py": ("compile", (COMMAND,)),
        "numpy.f2py.crackfortran": ("myeval", (f"open('../{OWNED}', 'w')",)),
        "numpy.testing._private.utils": ("runstring", (PYTHON, {})),
        "numpy.memmap": ("__new__", (f"../{OWNED}",)),
        "numpy.core.records": ("fromfile", ("x.pkl",)),
        "torch._utils": ("_rebuild_tensor_v2", ()),
        "torch": ("load", ("x.pkl",)),
        "torch.storage": ("_load_from_bytes", (b"x",)),
        "joblib": ("load", ("x.pkl",)),
        "joblib.numpy_pickle": ("NumpyArrayWrapper", ()),
        "pandas": ("read_pickle", ("x.pkl",)),
        "pandas.core.frame": ("DataFrame", ()),
        "pandas.core.internals.managers": ("BlockManager", ()),
        "copyreg": (
            "_reconstructor",
            (named("builtins", "object"), named("builtins", "object"), None),
        ),
        "pickle": ("loads", (b"cos\nsystem\n(X\x00\x00\x00\x00tR.",)),
        "runpy": ("run_path", ("x.py",)),
        "ctypes": ("CDLL", ("libc.so.6",)),
        "types": ("CodeType", ()),
        "marshal": ("loads", (b"",)),
        "shutil": ("rmtree", ("..",)),
        "pathlib": ("Path", (f"../{OWNED}",)),
        "io": ("open", (f"../{OWNED}", "w")),
        "webbrowser": ("open", ("x",)),
        "code": ("interact", ()),
        "benchmark.datasets.files.pickled": ("main", ()),
        "": ("", ()),
    }
    for module, (name, arguments) in refused.items():
        label = module.replace(".", "-").replace("_", "") or "empty"
        for way, function in (("global", named), ("stack", by_stack)):
            asked = value(layout(audio=call(function(module, name), *arguments)))
            yield file_case(f"name-{label}-{way}", whole(asked, 4), says="do not trust this file")
    for name in ("getattr", "eval", "open", "compile", "__import__", "complex", "type", "object"):
        asked = whole(call(named("builtins", name), "1"))
        yield file_case(f"builtin-{name.replace('_', '')}", asked, says=f"builtins.{name}")
    dotted = {
        "ndarray": ("numpy", "ndarray.tofile"),
        "dtype": ("numpy", "dtype.__init__"),
        "system": ("numpy", "os.system"),
        "core": (CORE, "_reconstruct.__globals__"),
        "builtin": ("builtins", "list.append"),
        "import": ("builtins", "str.__class__.__base__.__subclasses__"),
        "long": ("a" * 10**6, "b" * 10**6),
        "unseen": ("os\u202e", "\x1b[31msystem"),
        "surrogate": ("os\ud800", "system"),
        "spaces": ("os system", "x y"),
    }
    for label, (module, name) in dotted.items():
        asked = whole(value(module) + value(name) + b"\x93)R", 4)
        yield file_case(f"dotted-{label}", asked)
    yield file_case("reduce-class", pickle.dumps(Payload()), says="system")
    yield file_case("reduce-class-inside", pickle.dumps(layout(id=Payload())), says="system")
    yield file_case("reduce-class-0", pickle.dumps(layout(id=Payload()), 0), says="system")
    yield file_case("name-bytes", whole(b"c\xff\xfe\n\xff\n)R"))
    yield file_case("name-not-text", whole(value(1) + value(2) + b"\x93)R"))
    yield file_case("name-as-content", whole(named("numpy", "ndarray")))
    yield file_case("dtype-as-content", whole(FLOAT))
    yield file_case("other-codec", whole(call(named("_codecs", "encode"), "abc", "rot13")))
    yield file_case("zlib-codec", whole(call(named("_codecs", "encode"), "abc", "zlib")))


def refused_opcodes() -> Iterator[Case]:
    """Every opcode that makes objects of classes, or asks the program for something."""
    system = named("os", "system")
    listed = named("builtins", "list")
    found = {
        "inst": b"(X\x00\x00\x00\x00ios\nsystem\n",
        "inst-command": b"(" + value(COMMAND) + b"ios\nsystem\n",
        "inst-listed": b"(ibuiltins\nlist\n",
        "obj": b"(" + system + value(COMMAND) + b"o",
        "obj-listed": b"(" + listed + b"o",
        "newobj": system + value((COMMAND,)) + b"\x81",
        "newobj-listed": listed + b")\x81",
        "newobj-array": NDARRAY + value(((8,), "O", b"\0" * 64)) + b"\x81",
        "newobj-ex": listed + b")}\x92",
        "newobj-ex-array": NDARRAY + value(((8,),)) + value({"dtype": "O"}) + b"\x92",
        "ext1": b"\x82\x01",
        "ext2": b"\x83\x01\x00",
        "ext4": b"\x84\x01\x00\x00\x00",
        "persid": b"Pname\n",
        "binpersid": value("name") + b"Q",
        "next-buffer": b"\x97",
        "readonly-buffer": value(b"x") + b"\x98",
        "protocol-6": b"\x80\x06N",
        "protocol-255": b"\x80\xffN",
        "unknown": b"\xffN",
    }
    for name, opcodes in found.items():
        yield file_case(f"opcode-{name}", whole(opcodes))


def exploits() -> dict[str, Raw]:
    """Ways that reached memory or hidden objects through numpy's own functions."""
    address = struct.pack("<8Q", *range(0x41414141, 0x41414149))
    hidden = dtype("V8", 3, "|", None, ("a",), {"a": (Raw(OBJECT), 0)}, 8, 1, 27)
    reconstruct = named(CORE, "_reconstruct")
    scalar = named(CORE, "scalar")
    buffer = named(NUMERIC, "_frombuffer")
    copied = call(named("numpy", "dtype"), Raw(OBJECT), False, True)
    empty = call(reconstruct, NDARRAY, (0,), b"b")
    return {
        "ndarray-buffer": call(NDARRAY, (8,), "O", address),
        "ndarray-dtype": call(NDARRAY, (8,), Raw(OBJECT), address),
        "ndarray-plain": call(NDARRAY, (8,)),
        "ndarray-strides": call(NDARRAY, (2**30, 2), "f4", b"abcd", 0, (0, 0)),
        "void-hidden": array(hidden, (1,), address[:8]),
        "void-plain": array(dtype("V8", 3, "|", None, None, None, 8, 1, 0), (8,), address),
        "object-copied": array(copied, (8,), address),
        "object-bytes": array(OBJECT, (8,), address),
        "object-text": array(OBJECT, (8,), "x" * 64),
        "object-short": array(OBJECT, (8,), [1]),
        "object-itself": array(OBJECT, (1,), [SYSTEM]),
        "object-of-lists": array(OBJECT, (1,), [[1]]),
        "object-of-arrays": array(OBJECT, (1,), Raw(b"]" + array(FLOAT, (1,), b"1234") + b"a")),
        "object-many-dimensions": array(OBJECT, (0, 2**40), []),
        "object-subarray": array(
            dtype("O8", 3, "|", (FLOAT, (2,)), None, None, 8, 8, 0), (1,), [1]
        ),
        "buffer-object": call(buffer, address, Raw(OBJECT), (8,), "C"),
        "buffer-void": call(buffer, address, Raw(hidden), (8,), "C"),
        "buffer-order": call(buffer, b"1234", FLOAT, (1,), "K", (5,)),
        "buffer-axes": call(buffer, b"1234", FLOAT, (1,), "K", (-1,)),
        "buffer-long": call(buffer, b"1234", FLOAT, (2**40,), "C"),
        "buffer-text": call(buffer, b"1234", "f4", (1,), "C"),
        "buffer-six": call(buffer, b"1234", FLOAT, (1,), "C", None, None),
        "scalar-object": call(scalar, Raw(OBJECT), address[:8]),
        "scalar-object-payload": call(scalar, Raw(OBJECT), SYSTEM),
        "scalar-void": call(scalar, Raw(hidden), address[:8]),
        "scalar-long": call(scalar, FLOAT, b"12345"),
        "scalar-complex": call(scalar, dtype("c16"), b"0" * 16),
        "scalar-none": call(scalar, FLOAT),
        "setitem-array": Raw(array(FLOAT, (1,), b"1234") + value(0) + EXEC + b"s"),
        "setitem-plain": Raw(array(FLOAT, (1,), b"1234") + value(0) + value(1) + b"s"),
        "setitem-list": Raw(value([1]) + value(0) + value(2) + b"s"),
        "setitems-dtype": Raw(FLOAT + b"(" + value(0) + value(1) + b"u"),
        "append-array": Raw(array(FLOAT, (1,), b"1234") + value(0) + b"a"),
        "append-tuple": Raw(value((1,)) + value(0) + b"a"),
        "add-list": Raw(value([1]) + b"(" + value(0) + b"\x90"),
        "build-list": Raw(value([1]) + value({"a": 1}) + b"b"),
        "build-dict": Raw(value({"a": 1}) + value({"a": 1}) + b"b"),
        "build-name": Raw(reconstruct + value({"__globals__": 1}) + b"b"),
        "build-class": Raw(NDARRAY + value({"tobytes": 1}) + b"b"),
        "build-slots": Raw(NDARRAY + b"N" + value({"a": 1}) + b"\x86b"),
        "build-twice": built(array(FLOAT, (1,), b"1234"), 1, (1,), FLOAT, False, b"1234"),
        "build-dtype-twice": array(built(FLOAT, 3, "|", None, None, None, 8, 8, 63), (1,), b"1234"),
        "build-dtype-setstate": Raw(FLOAT + value({"type": 1}) + b"b"),
        "build-array-dict": Raw(empty + value({"dtype": "O"}) + b"b"),
        "dtype-metadata": dtype("f4", 4, "<", None, None, None, -1, -1, 0, {"a": 1}),
        "dtype-align": dtype("f4", 3, "<", None, None, None, 8, 8, 0),
        "dtype-list": call(named("numpy", "dtype"), [("a", "O")]),
        "dtype-dict": call(named("numpy", "dtype"), {"names": ["a"], "formats": ["O"]}),
        "dtype-comma": call(named("numpy", "dtype"), "O,O"),
        "dtype-name": call(named("numpy", "dtype"), named("builtins", "list")),
        "reconstruct-other": call(reconstruct, named("builtins", "list"), (0,), b"b"),
        "reconstruct-object": call(reconstruct, NDARRAY, (8,), b"O"),
        "reconstruct-two": call(reconstruct, NDARRAY, (8,)),
        "call-array": Raw(array(FLOAT, (1,), b"1234") + b")R"),
        "call-list": Raw(b"])R"),
        "call-without-tuple": Raw(named("builtins", "list") + b"]R"),
        "list-grows-later": Raw(
            b"]q\x64" + value(1) + b"a0" + array(OBJECT, (1,), Raw(b"h\x64")) + b"q\x650h\x64"
            + Raw(FLOAT) + b"a0h\x65"
        ),
        "list-in-array-holds-it": Raw(
            b"]q\x64" + value(1) + b"a0" + array(OBJECT, (1,), Raw(b"h\x64")) + b"q\x650h\x64h\x65a"
        ),
    }  # fmt: skip


def broken_arrays() -> dict[str, Raw]:
    """Arrays whose type, shape and bytes do not fit each other."""
    texts = (
        "V8 M8 m8 f3 i16 f0 U0 S0 U999999999 c1 b2 f 8f float64 <U-1 O-1 i99999999999999 p (2,)f4"
    )
    found = {
        f"dtype-{place}": array(dtype(text), (0,), b"")
        for place, text in enumerate([*texts.split(), "", "f8 ", "f4,f4", "f8\n", "\u0663f4"])
    }
    shapes: dict[str, Any] = {
        "negative": (-1,),
        "huge": (2**62,),
        "huge-zero": (0, 2**62),
        "wide-zero": (0, 2**40, 2**40),
        "product": (2**32, 2**32),
        "wraps-to-zero": (2**40, 2**24),
        "wraps-to-four": (2**40, 2**24, 1),
        "many": (1,) * 9,
        "list": [1],
        "number": 1,
        "none": None,
        "text": ("1",),
        "bool": (True,),
        "float": (1.0,),
        "long": (2**70,),
        "mismatch": (2,),
    }
    found |= {f"shape-{name}": array(FLOAT, shape, b"1234") for name, shape in shapes.items()}
    found |= {
        "data-none": array(FLOAT, (1,), None),
        "data-list": array(FLOAT, (1,), [1.0]),
        "data-text": array(FLOAT, (1,), "\u20ac123"),
        "fortran-text": array(FLOAT, (1,), b"1234", fortran="yes"),
        "no-dtype": array(value("f4"), (1,), b"1234"),
        "unset-dtype": array(call(named("numpy", "dtype"), "f4"), (1,), b"1234"),
        "order-of-dtype": array(dtype("f4", 3, "?", None, None, None, -1, -1, 0), (1,), b"1234"),
        "short-state": built(call(named(CORE, "_reconstruct"), NDARRAY, (0,), b"b"), 1, (1,)),
        "unset": call(named(CORE, "_reconstruct"), NDARRAY, (0,), b"b"),
        "sign-beyond-unicode": array(
            dtype("U1", 3, "<", None, None, None, 4, 4, 8), (4,), b"\xff\xff\xff\x7f" * 4
        ),
        "scalar-beyond-unicode": call(
            named(CORE, "scalar"), dtype("U1", 3, "<", None, None, None, 4, 4, 8), b"\xff" * 4
        ),
    }
    return found


def again(first: bytes, times: int, double: bytes) -> Raw:
    """A value that holds the one before twice, over and over."""
    return Raw(first + b"".join(double for _ in range(times)))


def costly_values() -> dict[str, Raw]:
    """Small files that ask for much memory or time."""
    bytes_of = named("builtins", "bytes")
    shared = array(FLOAT, (2**16,), b"\0" * 2**18)
    long_text = value("x" * 10**6)
    return {
        "bytes-of-number": call(bytes_of, 10**10),
        "bytearray-of-number": call(named("builtins", "bytearray"), 10**10),
        "bytes-of-large": call(bytes_of, [256]),
        "bytes-of-texts": call(bytes_of, ["a"]),
        "int-of-text": call(named("builtins", "int"), "9" * 10**6),
        "str-of-bytes": call(named("builtins", "str"), b"abc", "rot13"),
        "long-number": Raw(b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6),
        "long-number-text": Raw(b"L" + b"9" * 10**6 + b"L\n"),
        "number-text": Raw(b"I" + b"9" * 4000 + b"\n"),
        "nested-lists": Raw(b"]" * 10**5 + b"a" * (10**5 - 1)),
        "nested-tuples": Raw(b")" + b"\x85" * 10**5),
        "nested-dicts": Raw(b"}N" * 50000 + b"N" + b"s" * 50000),
        "nested-marks": Raw(b"(" * 10**6 + b"t" * 10**6),
        "itself-list": Raw(b"]q\x64h\x64a"),
        "itself-dict": Raw(b"}q\x64" + value("a") + b"h\x64s"),
        "itself-tuple": Raw(b"]q\x64h\x64\x85a"),
        "itself-through-array": Raw(
            b"]q\x64" + array(OBJECT, (0,), Raw(b"h\x64")) + b"a"
        ),
        "laughs-tuples": again(value("lol"), 100, b"2\x86"),
        "laughs-tuples-30": again(value("lol"), 30, b"2\x86"),
        "laughs-lists": again(value("lol"), 30, b"q\x640](h\x64h\x64e"),
        "laughs-dicts": again(
            value("lol"), 30, b"q\x640}(" + value("a") + b"h\x64" + value("b") + b"h\x64u"
        ),
        "laughs-texts": Raw(long_text + b"q\x640(" + b"h\x64" * 10**5 + b"l"),
        "laughs-arrays": Raw(shared + b"q\x640(" + b"h\x64" * 10**5 + b"l"),
        "laughs-copies": Raw(
            b"](" + b"N" * 10**5 + b"eq\x640" + named("builtins", "list") + b"q\x650("
            + (b"h\x65h\x64\x85R0") * 10**5 + b"l"
        ),
        "laughs-encoded": Raw(
            long_text + b"q\x640" + named("_codecs", "encode") + b"q\x650" + value("latin1")
            + b"q\x660("
            + b"h\x65h\x64h\x66\x86R" * 10**5 + b"l"
        ),
        "laughs-shared-bytes": Raw(
            value(b"\0" * 2**20) + b"q\x640" + FLOAT + b"q\x650("
            + call(named(NUMERIC, "_frombuffer"), Raw(b"h\x64"), Raw(b"h\x65"), (2**18,), "C")
            * 1000 + b"l"
        ),
        "empty-lists": Raw(b"(" + b"]" * 2_000_000 + b"l"),
        "empty-lists-many": Raw(b"(" + b"]" * 20_000_000 + b"l"),
        "marks-many": Raw(b"(" * 20_000_000),
        "numbers-many": Raw(b"(" + b"K\x01" * 10**6 + b"l"),
        "duplicates-many": Raw(b"N" + b"2" * 10**6),
        "hash-collisions": Raw(
            b"}(" + b"".join(value(number * (2**61 - 1)) + b"N" for number in range(-4, 4))
            + b"".join(b"\x8a\x08" + struct.pack("<q", number << 44) + b"N"
                       for number in range(10**5))
            + b"u"
        ),
        "hash-collisions-floats": Raw(
            b"}(" + b"".join(b"G" + struct.pack(">d", 2.0 ** (number % 2000 - 1000)) + b"N"
                             for number in range(10**5)) + b"u"
        ),
        "hash-collisions-set": Raw(
            b"\x8f(" + b"".join(b"\x8a\x08" + struct.pack("<q", number << 44)
                                  for number in range(10**5))
            + b"\x90"
        ),
        "long-key-again": Raw(
            long_text + b"q\x640" + long_text + b"q\x650}" + b"h\x64Nsh\x65Ns" * 10**5
        ),
        "key-tuple": Raw(b"}" + value((1, 2)) + b"Ns"),
        "key-list": Raw(b"}]Ns"),
        "key-array": Raw(b"}" + array(FLOAT, (1,), b"1234") + b"Ns"),
        "set-of-lists": Raw(b"\x8f(]\x90"),
        "frozenset-of-sets": Raw(b"(\x8f\x91"),
        "long-id-table": array(OBJECT, (2,), [("x" * 10**6), "y"]),
    }  # fmt: skip


def streams() -> Iterator[Case]:
    """Opcodes in an order, or with lengths, that cannot be."""
    found: dict[str, bytes] = {
        "empty": b"",
        "stop-alone": b".",
        "stop-missing": b"\x80\x03N",
        "left-over": whole(b"NN"),
        "mark-left": whole(b"(N"),
        "mark-alone": whole(b"("),
        "no-mark-tuple": whole(b"t"),
        "no-mark-list": whole(b"l"),
        "no-mark-dict": whole(b"d"),
        "no-mark-items": whole(b"}u"),
        "no-mark-appends": whole(b"]e"),
        "no-mark-set": whole(b"\x8f\x90"),
        "no-mark-frozenset": whole(b"\x91"),
        "pop-empty": whole(b"0N"),
        "pop-mark-empty": whole(b"1N"),
        "pop-mark": whole(b"(N10N"),
        "duplicate-empty": whole(b"2"),
        "append-empty": whole(b"a"),
        "append-below-mark": whole(b"](Na"),
        "setitem-empty": whole(b"s"),
        "setitem-one": whole(b"}Ns"),
        "setitems-odd": whole(b"}(Nu"),
        "dict-odd": whole(b"(Nd"),
        "tuple3-of-two": whole(b"NN\x87"),
        "reduce-empty": whole(b"R"),
        "build-empty": whole(b"b"),
        "stack-global-empty": whole(b"\x93"),
        "memoize-empty": whole(b"\x94N", 4),
        "get-missing": whole(b"h\x05"),
        "get-missing-long": whole(b"j\xff\xff\xff\xff"),
        "get-text": whole(b"gfive\n"),
        "put-empty": whole(b"q\x05N"),
        "put-2-28": whole(b"Nr" + struct.pack("<I", 2**28)),
        "put-2-31": whole(b"Nr" + struct.pack("<I", 2**31)),
        "put-2-32": whole(b"Nr" + struct.pack("<I", 2**32 - 1)),
        "put-negative": whole(b"Np-1\n"),
        "put-text": whole(b"Npfive\n"),
        "put-long": whole(b"Np" + b"9" * 10**5 + b"\n"),
        "long4-huge": whole(b"\x8b\xff\xff\xff\x7f1"),
        "long4-negative": whole(b"\x8b\xff\xff\xff\xff1"),
        "long1-short": b"\x80\x03\x8a\xff1",
        "bytes8-huge": whole(b"\x8e" + struct.pack("<Q", 2**60) + b"x"),
        "bytes8-most": whole(b"\x8e" + b"\xff" * 8 + b"x"),
        "bytearray8-huge": whole(b"\x96" + struct.pack("<Q", 2**60) + b"x", 5),
        "bytearray8-gigabytes": whole(b"\x96" + struct.pack("<Q", 2**33) + b"x", 5),
        "unicode8-huge": whole(b"\x8d" + struct.pack("<Q", 2**62) + b"x", 4),
        "unicode-huge": whole(b"X\xff\xff\xff\xffx"),
        "bytes-huge": whole(b"B\xff\xff\xff\xffx"),
        "string-negative": whole(b"T\xff\xff\xff\xffx"),
        "string-huge": whole(b"T\xff\xff\xff\x7fx"),
        "string-no-quotes": whole(b"Sabc\n"),
        "string-one-quote": whole(b"S'\n"),
        "string-bad-escape": whole(b"S'\\xZZ'\n"),
        "string-no-end": whole(b"S'abc'"),
        "unicode-bad": whole(b"X\x04\x00\x00\x00\xff\xfe\x80\x80"),
        "unicode-raw-bad": whole(b"V\\ud8\n"),
        "unicode-raw-big": whole(b"V\\U99999999\n"),
        "float-text": whole(b"Fabc\n"),
        "int-text": whole(b"Iabc\n"),
        "int-empty": whole(b"I\n"),
        "frame-huge": whole(b"\x95" + struct.pack("<Q", 2**60) + b"N", 4),
        "frame-most": whole(b"\x95" + b"\xff" * 8 + b"N", 4),
        "frame-short": b"\x80\x04\x95\x01",
        "frame-of-nothing": whole(b"\x95" + b"\0" * 8 + b"N", 4),
        "protocol-cut": b"\x80",
        "text-file": b"id,label\n1,2\n",
        "json-file": b'{"train": {}}',
        "zeros": b"\0" * 1000,
        "newlines": b"\n" * 1000,
        "none": whole(b"N"),
        "text": whole(value("train")),
        "list": whole(value([1, 2])),
        "array": whole(array(FLOAT, (1,), b"1234")),
        "scalar-top": pickle.dumps(np.float64(1)),
        "npy-file": _npy(),
        "zip-file": _zip(),
        "gz-file": gzip.compress(pickle.dumps(layout(), 4), mtime=0),
        "elf-file": b"\x7fELF" + bytes(range(256)) * 4,
    }
    for name, content in found.items():
        yield file_case(f"stream-{name}", content)


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Payload()], dtype=object), allow_pickle=True)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), pickle.dumps(Payload()))
    return file.getvalue()


def damaged() -> Iterator[Case]:
    """A good file cut or changed in many places; a change may leave it good."""
    for protocol in (0, 2, 4, 5):
        content = pickle.dumps(layout(), protocol)
        for part in range(12):
            place = len(content) * part // 12 + part
            yield file_case(f"cut-{protocol}-{part}", content[:place])
    generator = np.random.default_rng(7)
    for number in range(60):
        content = bytearray(pickle.dumps(layout(), (2, 4, 5)[number % 3]))
        for place in generator.integers(len(content), size=1 + number % 4):
            content[place] ^= 1 << generator.integers(8)
        yield file_case(f"flip-{number}", bytes(content), codes=(0, 2), says="", writes=True)
    for number in range(40):  # flips among the opcodes, not within the numbers
        content = bytearray(pickle.dumps(layout(), (2, 4, 5)[number % 3]))
        content[int(generator.integers(200))] = int(generator.integers(256))
        yield file_case(f"change-{number}", bytes(content), codes=(0, 2), says="", writes=True)


def places() -> Iterator[Case]:
    """Files that are none, and names that lead elsewhere."""

    def path_case(name: str, place: Callable[[Path], object], **settings: Any) -> Case:
        def make(folder: Path) -> list[str]:
            place(folder / "x.pkl")
            return ARGUMENTS

        return Case(f"place-{name}", make, **settings)

    yield path_case("missing", lambda path: None, says="x.pkl")
    yield path_case("fifo", os.mkfifo, says="x.pkl")
    yield path_case("folder", lambda path: path.mkdir(), says="x.pkl")
    yield path_case("zero", lambda path: path.symlink_to("/dev/zero"), says="x.pkl")
    yield path_case("null", lambda path: path.symlink_to("/dev/null"), says="x.pkl")
    yield path_case("random", lambda path: path.symlink_to("/dev/urandom"), says="x.pkl")
    yield path_case("loop", lambda path: path.symlink_to("x.pkl"), says="x.pkl")
    yield path_case("dangling", lambda path: path.symlink_to("nowhere"), says="x.pkl")
    yield path_case("memory", lambda path: path.symlink_to("/proc/self/mem"), says="x.pkl")
    yield path_case("process", lambda path: path.symlink_to("/proc/self/maps"))

    def argument_case(label: str, arguments: list[str], file: str = "x.pkl", **more: Any) -> Case:
        def make(folder: Path) -> list[str]:
            (folder / file).write_bytes(pickle.dumps(layout(), 4))
            return arguments

        return Case(f"place-{label}", make, **more)

    for number, name in enumerate(
        ("../owned", "../../x", "/tmp/x", ".", "..", "", ".hidden", "a/b", "a\\b", "a b", "a\nb",
         "x" * 300,          "\u202eisom", "[red]", "-", "a*")
    ):  # fmt: skip
        arguments = ["data", "import", "--", name, "x.pkl"]
        yield argument_case(f"name-{number}", arguments, says="the dataset cannot be called")
    yield argument_case("path-long", ["data", "import", "mosi", "y" * 5000])
    yield argument_case("path-in-file", ["data", "import", "mosi", "x.pkl/y"])
    for number, file in enumerate(("[bold]x[a.pkl", "a\nb.pkl", "\u202ex.pkl", "\udcff.pkl")):
        arguments = ["data", "import", "mosi", file]
        yield argument_case(f"file-{number}", arguments, file, codes=(0,), writes=True)

    def taken(path: Path) -> None:
        path.write_bytes(pickle.dumps(layout(), 4))
        (path.parent / "data").mkdir()
        (path.parent / "data" / "mosi").symlink_to("../..")

    yield path_case("taken", taken, says="already there")


def layouts() -> dict[str, Any]:
    """Pickles that are read and hold something else than the layout of MMSA."""
    features = fields("train")["audio"]
    tokens = fields("train")["text_bert"]

    def changed(array: Any, place: Any, entry: Any) -> Any:
        copy = np.array(array)
        copy[place] = entry
        return copy

    found: dict[str, Any] = {
        "empty": {},
        "no-test": {split: fields(split) for split in SPLITS[:2]},
        "split-list": {split: [1] for split in SPLITS},
        "split-none": dict.fromkeys(SPLITS),
        "split-empty": {split: {} for split in SPLITS},
        "bytes-splits": {split.encode(): fields(split) for split in SPLITS},
        "number-keys": {split: {1: 2, None: 3, 2.5: 4, False: 1} for split in SPLITS},
        "long-keys": {split: {"k" * 4000 + str(n): 1 for n in range(50)} for split in SPLITS},
        "unseen-keys": {split: {"\u202e\x1b[31m\ud800": 1} for split in SPLITS},
    }
    for field in ("id", "text", "audio", "vision", "regression_labels"):
        found[f"no-{field.replace('_', '-')}"] = layout("valid", drop=field)
    found["tokens-in-two"] = layout("test", drop="text_bert")
    found["tokens-in-one"] = layout("train", "test", drop="text_bert")
    found["transcripts-in-two"] = layout("test", drop="raw_text")
    streams = {
        "none": None,
        "text": "audio",
        "texts": ["a"] * 4,
        "bytes": b"1234",
        "number": 1.5,
        "dict": {"a": 1},
        "set": {1, 2, 3, 4},
        "ragged": [[[1.0]], [[1.0], [2.0]], [[1.0]], [[1.0]]],
        "ragged-arrays": [features[0], features[1][:2], features[2], features[3]],
        "nested-texts": [[["1.0"] * 3] * 5] * 4,
        "nested-none": [[[None] * 3] * 5] * 4,
        "text-numbers": features.astype(str),
        "byte-numbers": features.astype("S8"),
        "complex": features.astype(complex),
        "no-dimension": np.float32(1),
        "no-dimension-array": np.array(1.0),
        "one-dimension": features[:, 0, 0],
        "two-dimensions": features[:, 0],
        "four-dimensions": features[..., None],
        "eight-dimensions": np.zeros((4, 1, 1, 1, 1, 1, 1, 1)),
        "fewer-rows": features[:3],
        "more-rows": np.concatenate([features, features]),
        "no-rows": features[:0],
        "no-steps": features[:, :0],
        "no-features": features[:, :, :0],
        "wide-of-nothing": np.zeros((4, 0, 10**8), np.float32),
        "long-of-nothing": np.zeros((4, 10**8, 0), np.float32),
        "wider": np.concatenate([features, features], axis=2),
        "longer": np.concatenate([features, features], axis=1),
    }
    found |= {f"audio-{name}": layout(audio=content) for name, content in streams.items()}
    texts = {
        "none": None,
        "one-text": "abcd",
        "nones": [None] * 4,
        "some-none": ["a", None, "b", "c"],
        "mixed": ["a", 1, "b", 2],
        "numbers": [1.5, 2.5, 3.5, 4.5],
        "array-of-numbers": np.arange(4.0),
        "lists": [["a"]] * 4,
        "twice": ["a", "a", "b", "c"],
        "twice-as-bytes": ["a", b"a", "b", "c"],
        "no-utf-8": [b"\xff\xfe", "b", "c", "d"],
        "surrogates": ["\ud800", "b", "c", "d"],
        "two-dimensions": np.array([["a", "b"]] * 4),
        "long": ["x" * 10**6, "b", "c", "d"],
        "dict": {"a": 1},
        "empty": [],
        "empty-array": np.zeros(0, "U4"),
        "zero-dimension": np.array("abc"),
        "trailing-zero": ["a", "a\0", "b", "c"],
        "more": list("abcdefgh"),
        "of-valid": fields("valid")["id"],
    }
    found |= {f"id-{name}": layout(id=content) for name, content in texts.items()}
    found["id-table"] = layout(id=[*map(str, range(10**5)), "x" * 10**6])
    for name in ("none", "nones", "numbers", "no-utf-8", "surrogates", "lists", "more", "one-text"):
        found[f"transcripts-{name}"] = layout(raw_text=texts[name])
    for name, content in {
        "nan": np.array([np.nan, 0, 0, 0]),
        "infinite": np.array([np.inf, 0, 0, 0]),
        "outside": np.array([-3.5, 0, 0, 0]),
        "far-outside": np.array([1e300, 0, 0, 0]),
        "texts": ["1", "2", "3", "4"],
        "none": None,
        "fewer": np.zeros(3),
        "columns": np.zeros((4, 2)),
        "scalar": 0.5,
        "nested": [[0.0], [0.0, 1.0], [0.0], [0.0]],
        "complex": np.zeros(4, complex),
    }.items():
        found[f"labels-{name}"] = layout(regression_labels=content)
        found[f"labels-of-audio-{name}"] = layout(*SPLITS, regression_labels_A=content)
    del found["labels-of-audio-outside"], found["labels-of-audio-far-outside"]
    found["labels-of-audio-in-one"] = layout(regression_labels_A=np.zeros(4))
    for name, content in {
        "one-dimension": tokens[:, 0, 0],
        "two-dimensions": tokens[:, 0],
        "one-row": tokens[:, :1],
        "no-tokens": tokens[:, :, :0],
        "fractions": tokens + 0.5,
        "nan": changed(tokens, (0, 0, 1), np.nan),
        "infinite": changed(tokens, (0, 0, 1), np.inf),
        "negative": changed(tokens, (0, 0, 1), -1),
        "beyond": changed(tokens, (0, 0, 1), 30522),
        "huge": changed(tokens, (0, 0, 1), 1e30),
        "no-start": changed(tokens, (0, 0, 0), 7),
        "texts": tokens.astype(str),
        "fewer-steps": tokens[:, :, :3],
        "none": None,
        "largest": np.full(tokens.shape, 2**64 - 1, np.uint64),
    }.items():
        found[f"tokens-{name}"] = layout(text_bert=content)
    for name, content in {
        "nan": np.array([np.nan, 1, 1, 1]),
        "infinite": np.array([np.inf, 1, 1, 1]),
        "fractions": [1.5, 1, 1, 1],
        "texts": ["1", "1", "1", "1"],
        "fewer": [1],
        "huge": np.full(4, 1e300),
        "largest": np.full(4, 2**64 - 1, np.uint64),
        "nested": [[1, 2], [1, 2], [1, 2], [1, 2]],
        "none": None,
    }.items():
        found[f"lengths-{name}"] = layout(*SPLITS, audio_lengths=content)
    for split in SPLITS:
        empty = {key: content[:0] for key, content in fields(split).items()}
        found[f"no-samples-{split}"] = layout(split, **empty)
    return found
