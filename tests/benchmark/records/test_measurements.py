"""What evaluations may return, and what they are told where a record cannot hold it."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.records.measurements import Column, Extra, Measurements, collect
from benchmark.registry import get_evaluation, register_evaluation
from tests.table_records import make_cost, make_robustness

ECE = Column(key="test.ece", header="ECE", higher_is_better=False)


def test_measurements_of_our_own_are_typed_and_others_plain() -> None:
    made = {
        "accuracy": ({"test": {"mae": 0.5, "corr": None}}, ()),
        "cost": (make_cost(1.0), ()),
        "robustness": (make_robustness(0.5), ()),
        "calibration": ({"test": {"ece": np.float32(0.25)}, "bins": (1, 2)}, (ECE,)),
    }
    found = collect(made)
    assert found.accuracy is not None
    assert found.accuracy.test == {"mae": 0.5, "corr": None}
    assert found.cost is not None
    assert found.cost.latency.p50_ms == 0.5
    assert found.robustness is not None
    assert found.robustness.curves["mix.all"].levels == [0, 0.5, 1]
    extra = found.extra["calibration"]
    assert extra.values == {"test": {"ece": 0.25}, "bins": [1, 2]}
    assert extra.number("test.ece") == 0.25
    assert Measurements.model_validate(found.model_dump(mode="json")) == found


def test_what_was_not_measured_is_not_written() -> None:
    assert collect({}).model_dump() == {}
    assert collect({"own": ({}, ())}).model_dump() == {
        "extra": {"own": {"values": {}, "columns": ()}}
    }


def endless() -> dict[str, Any]:
    values: dict[str, Any] = {}
    values["again"] = values
    return values


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "returned what no record holds: None, where a mapping of names to values must be"),
        ([1.0], "of type list, where a mapping"),
        ({"test": {"ece": float("nan")}}, "test.ece is nan; a number is finite, an undefined one"),
        ({"test": {"ece": float("inf")}}, "test.ece is inf"),
        ({"test": {"ece": 10**5000}}, "test.ece is too large"),
        ({"test": {"ece": "high"}}, "test.ece is 'high'; a column needs a number or None"),
        ({"test": {"ece": True}}, "test.ece is True; a column needs a number or None"),
        ({"test": {}}, "nothing is at test.ece, which is declared as a column"),
        ({"test": 0.5}, "nothing is at test.ece"),
        ({"test": {"ece": 0.5}, "x": [1, {2}]}, "x.1 is of type set, no plain value"),
        ({"test": {"ece": 0.5}, "x": np.ones(3)}, "x is of type ndarray, no plain value"),
        ({"test": {"ece": 0.5}, 1: 2}, "a key is 1; keys are texts"),
        (endless(), "is nested deeper than 30 levels"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(returned: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        collect({"calibration": (returned, (ECE,))})
    text = str(caught.value)
    assert text.startswith("the evaluation 'calibration' returned what no record holds: ")
    assert sentence in text
    assert "\n" not in text


def test_our_own_evaluations_are_checked_too() -> None:
    with pytest.raises(UserError, match=r"'accuracy' returned .*: test.mae: Input should be a fin"):
        collect({"accuracy": ({"test": {"mae": float("nan")}}, ())})
    with pytest.raises(UserError, match=r"'robustness' returned what no record holds: "):
        collect({"robustness": ({}, ())})


def test_an_undefined_number_of_a_column_is_none() -> None:
    found = collect({"calibration": ({"test": {"ece": None}}, (ECE,))})
    assert found.extra["calibration"].number("test.ece") is None


def test_measurements_cannot_be_changed() -> None:
    found = collect({"calibration": ({"test": {"ece": 0.5}}, (ECE,))})
    with pytest.raises(ValidationError, match="frozen"):
        found.accuracy = None  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        ECE.header = "x"  # type: ignore[misc]


@pytest.mark.usefixtures("own_registry")
def test_an_evaluation_declares_its_columns_where_it_registers() -> None:
    register_evaluation("calibration", columns=[ECE])(lambda context: {"test": {"ece": 0.5}})
    assert get_evaluation("calibration").columns == (ECE,)
    with pytest.raises(ValueError, match="'twice' has two columns of one key"):
        register_evaluation("twice", columns=[ECE, ECE])(lambda context: {})
    for name, sentence in (("score", "that name is taken"), ("[red]", "cannot be called")):
        with pytest.raises(UserError, match=sentence):
            register_evaluation(name)(lambda context: {})


def test_an_extra_of_another_time_may_declare_nothing() -> None:
    assert Extra(values={"x": "text"}).columns == ()
