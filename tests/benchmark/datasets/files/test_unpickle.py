import math
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.datasets.files import pickled, unpickle
from benchmark.datasets.files.unpickle import read_pickle
from benchmark.errors import UserError
from tests.campaign import pickles
from tests.campaign.pickles import FLOAT, array, call, named, value, whole

KINDS = ("f2", "f4", ">f8", "i1", "<i8", ">u2", "?", "c8", "U3", ">U2", "S4")


def read(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    return read_pickle(path)


def refusal(tmp_path, opcodes, protocol=3):
    with pytest.raises(UserError) as caught:
        read(tmp_path, whole(opcodes, protocol))
    sentence = str(caught.value)
    assert "'x.pkl'" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def arrays():
    def make(kind, shape, order, seed):
        generator = np.random.default_rng(seed)
        numbers = generator.integers(0, 100, size=shape)
        text = np.dtype(kind).kind in "US"
        made = (numbers.astype(str) if text else numbers).astype(kind)
        return np.asarray(made, order="C" if order == "T" else order).T if made.ndim else made

    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    return st.builds(
        make, st.sampled_from(KINDS), shapes, st.sampled_from("CFT"), st.integers(0, 9)
    )


def contents():
    whole_numbers = st.integers(-(2**63), 2**64 - 1)
    keys = st.one_of(st.none(), st.booleans(), whole_numbers, st.floats(allow_nan=False), st.text())
    plain = st.one_of(keys, st.binary(max_size=20), st.binary(max_size=9).map(bytearray))
    scalars = st.one_of(
        st.floats(width=32, allow_nan=False).map(np.float32),
        st.integers(-128, 127).map(np.int8),
        st.text(alphabet="abc\u20ac", min_size=1).map(np.str_),
        st.booleans().map(np.bool_),
    )
    return st.recursive(
        st.one_of(plain, scalars, arrays()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(keys, inner, max_size=4),
            st.dictionaries(st.text(), inner, max_size=3).map(OrderedDict),
            st.sets(keys, max_size=3),
            st.frozensets(keys, max_size=3),
        ),
        max_leaves=12,
    )


def assert_same(found, expected):
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, np.generic):
        assert found == expected.item()
    elif isinstance(expected, dict):
        assert type(found) is dict
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            assert_same(mine, theirs)
    else:
        assert type(found) is type(expected)
        assert found == expected


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=contents(), protocol=st.integers(0, 5))
def test_good_content_is_what_pickle_gives(tmp_path, content, protocol):
    assert_same(read(tmp_path, pickle.dumps(content, protocol)), content)


def test_python_2_texts_are_latin1_and_its_arrays_are_read(tmp_path):
    assert read(tmp_path, b"S'a\\xe9\\n'\n.") == "aé\n"
    assert read(tmp_path, b'S"it\'s"\n.') == "it's"
    assert read(tmp_path, b"U\x02a\xe9.") == "aé"
    data = np.array([1.5, -2], "<f4").tobytes()
    text = b"U" + bytes([len(data)]) + data
    state = value(1) + value((2,)) + FLOAT + value(False) + text
    empty = call(named(pickles.CORE, "_reconstruct"), pickles.NDARRAY, (0,), "b")
    assert read(tmp_path, whole(empty + b"(" + state + b"tb", 2)).tolist() == [1.5, -2]


def test_arrays_of_objects_become_lists(tmp_path):
    content = np.array(["a", None, 2, 0.5, True, b"b"], dtype=object)
    assert read(tmp_path, pickle.dumps(content)) == content.tolist()


def test_values_that_json_cannot_hold(tmp_path):
    content = ["\ud800", '\0\n"\\', float("inf"), b"\xff" * 10**5, -0.0, 2**64 - 1]
    assert read(tmp_path, pickle.dumps(content, 4)) == content
    assert math.isnan(read(tmp_path, pickle.dumps(float("nan"))))


def test_read_arrays_are_of_our_own_memory(tmp_path):
    first, second = read(tmp_path, pickle.dumps([np.zeros(3), np.zeros(3)]))
    first += 1
    assert second.tolist() == [0, 0, 0]


def test_yes_no_values_are_zero_or_one(tmp_path):
    kind = pickles.dtype("b1", 3, "|", None, None, None, -1, -1, 0)
    found = read(tmp_path, whole(array(kind, (3,), b"\x00\x01\xff")))
    assert found.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "name",
    [
        "ndarray-buffer",
        "void-hidden",
        "object-bytes",
        "scalar-object",
        "build-name",
        "setitem-plain",
    ],
)
def test_exploits_are_refused(tmp_path, name):
    sentence = refusal(tmp_path, pickles.exploits()[name])
    assert "truncated" not in sentence


@pytest.mark.parametrize("opcode", sorted(set(b"\x81\x82\x83\x84\x92\x97oQ")))
def test_opcodes_of_objects_are_refused(tmp_path, opcode):
    opcodes = b"N(N" + bytes([opcode]) + b"\1\0\0\0"
    assert "uses the opcode" in refusal(tmp_path, opcodes)


@pytest.mark.parametrize(
    "name", ["laughs-tuples-30", "laughs-lists", "laughs-arrays", "nested-lists"]
)
def test_small_files_with_much_content_are_refused(tmp_path, name):
    sentence = refusal(tmp_path, pickles.costly_values()[name])
    assert "again and again" in sentence or "deep within each other" in sentence


def test_a_list_that_holds_itself_is_refused(tmp_path):
    content = []
    content.append(content)
    assert "holds itself" in refusal(tmp_path, pickle.dumps(content)[:-1][2:])


def test_a_list_that_grows_after_its_array_was_made_changes_nothing(tmp_path):
    assert read(tmp_path, whole(pickles.exploits()["list-grows-later"])) == [1]


def test_more_memory_than_the_file_deserves_is_refused(tmp_path):
    assert "MiB to be read" in refusal(tmp_path, b"(" * 10**7)


def test_a_reader_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "endless.py"
    program.write_text("while True: pass")
    monkeypatch.setattr(pickled, "__file__", str(program))
    monkeypatch.setattr(unpickle, "GRACE", -pickled.seconds(1) + 0.1)
    with pytest.raises(UserError, match="ended early"):
        read(tmp_path, b"N.")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 8,
        b"\0" * 7 + b"\2[]",
        b"\0" * 7 + b"\2{}",
        b"\0" * 7 + b'\x1d{"arrays":[["O8",[1],[0]]]}  ',
        b"\0" * 7 + b'\x1d{"arrays":[["<f4",[-1],[0]]]}',
        b"\0" * 7 + b'\x0d{"arrays":[]}' + b"\0" * 7 + b'\x07{"a":0}',
        b"\0" * 7 + b'\x0d{"arrays":[]}' + b"\0" * 7 + b"\x04nullmore",
    ],
)
def test_an_answer_that_is_none_is_not_believed(tmp_path, monkeypatch, answer):
    program = tmp_path / "liar.py"
    program.write_text(f"import os; os.write(1, {answer!r})")
    monkeypatch.setattr(pickled, "__file__", str(program))
    with pytest.raises(UserError, match="ended early"):
        read(tmp_path, b"N.")


def test_the_reader_needs_the_standard_library_alone_and_writes_no_file(tmp_path):
    code = (
        f"import runpy, sys\nfound = runpy.run_path({pickled.__file__!r})\nfound['_give_up'](0)\n"
        f"print('numpy' in sys.modules, 'benchmark' in sys.modules)\n"
        f"try: open('x', 'wb', 0).write(b'x')\nexcept OSError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["False", "False", "refused"]


def test_the_cases_have_names_of_their_own():
    names = [case.name for case in pickles.cases()]
    assert len(names) == len(set(names)) >= 150
