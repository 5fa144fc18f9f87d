"""Every golden fixture of the reference implementations runs through our models."""

import importlib
import pkgutil

import pytest
import torch

import tests.parity
from tests.parity.harness import ADAPTERS, FOLDER, compare, entries, load_fixture

for _module in pkgutil.iter_modules(tests.parity.__path__):
    importlib.import_module(f"tests.parity.{_module.name}")

MODELS = [entry for entry in entries() if entry["model"] != "metrics"]


@pytest.mark.skipif(not MODELS, reason=f"no golden numbers in {FOLDER.name}/ beside the project")
def test_the_index_names_fixtures() -> None:
    assert len({entry["id"] for entry in MODELS}) == len(MODELS)


@pytest.mark.parametrize("entry", MODELS, ids=[entry["id"] for entry in MODELS])
def test_parity(entry: dict) -> None:
    key = entry["model"], entry["variant"]
    if key not in ADAPTERS:
        pytest.skip(f"no implementation of {key[0]} ({key[1]}) yet")
    torch.manual_seed(0)
    fixture = load_fixture(entry)
    result = ADAPTERS[key](fixture)
    compare(fixture, result)
    if any(name.startswith("train/") for name in fixture.arrays):
        assert result.train is not None, "the fixture pins train mode, the adapter does not"
        compare(fixture, result.train(), "train/")
