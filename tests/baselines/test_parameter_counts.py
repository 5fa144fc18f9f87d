"""Parameter counts at the reference configurations equal those verified on the references."""

import importlib
import pkgutil
from dataclasses import replace

import pytest
import torch

import tests.parameter_counts
from benchmark.registry import get_model
from benchmark.task import Dims

COUNTS = [
    (module.name, *row)
    for module in pkgutil.iter_modules(tests.parameter_counts.__path__)
    for row in importlib.import_module(f"tests.parameter_counts.{module.name}").COUNTS
]


def test_there_are_counts() -> None:
    assert len(COUNTS) > 30


@pytest.mark.parametrize("row", COUNTS, ids=[f"{row[0]}-{row[1]}" for row in COUNTS])
def test_parameter_count(row: tuple[str, str, str, Dims, dict, int, str]) -> None:
    _, _, name, dims, settings, expected, scope = row
    entry = get_model(name)
    with torch.device("meta"):
        model = entry.cls(replace(dims), **settings)
    encoders = tuple(
        f"{module_name}."
        for module_name, module in model.named_modules()
        if getattr(module, "is_text_encoder", False)
    )
    count = sum(
        parameter.numel()
        for parameter_name, parameter in model.named_parameters()
        if scope == "total" or not parameter_name.startswith(encoders or ("\0",))
    )
    assert count == expected
