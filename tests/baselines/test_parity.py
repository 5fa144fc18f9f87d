"""Every golden fixture of the reference implementations runs through our models."""

import importlib
import json
import pkgutil
import re

import pytest
import torch

import tests.parity
from benchmark.registry import list_models
from tests.parity.harness import ADAPTERS, FOLDER, OWN, compare, entries, load_fixture

for _module in pkgutil.iter_modules(tests.parity.__path__):
    importlib.import_module(f"tests.parity.{_module.name}")

MODELS = [entry for entry in entries() if entry["model"] not in ("metrics", "genre metrics")]
# Parts that several models share, whose fixtures bear no model's name.
PARTS = {
    *("CTC alignment module", "MAG gate", "Self-MM label generation (ULGM)"),
    "alignment by average pooling",
}


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


REGISTERED = {plain(entry.name): entry.name for entry in list_models()}


def model_of(entry: dict) -> str:
    """The registered name of the model that a fixture pins; empty if there is none."""
    without_variant = re.sub(rf"_{re.escape(entry['variant'])}(_.*)?$", "", entry["id"])
    names = (plain(entry["model"]), plain(without_variant))
    return next((REGISTERED[name] for name in names if name in REGISTERED), "")


@pytest.mark.skipif(not MODELS, reason=f"no golden numbers in {FOLDER.name}/ beside the project")
def test_the_index_names_fixtures() -> None:
    assert len({entry["id"] for entry in MODELS}) == len(MODELS)


def test_a_fixture_is_known_by_the_name_of_its_model_or_of_its_file() -> None:
    assert model_of({"model": "GraphCAGE", "variant": "orig", "id": "graphcage_orig"})
    assert model_of({"model": "interactive attention", "variant": "x", "id": ""})
    assert model_of({"model": "a thesis", "variant": "orig", "id": "tfr_net_orig_lengths"})
    assert not model_of({"model": "MulT-Deeper", "variant": "orig", "id": "mult_deeper_orig"})


def test_a_clone_that_stands_alone_checks_every_model_that_has_a_fixture() -> None:
    own = json.loads((OWN / "index.json").read_text())["fixtures"]
    assert all((OWN / entry["file"]).is_file() for entry in own)
    missing = {model_of(entry) for entry in MODELS} - {model_of(entry) for entry in own}
    assert not missing, f"put the smallest fixture of {missing} into tests/fixtures/parity"


def test_every_adapter_is_of_a_registered_model_or_of_a_known_part() -> None:
    for model, variant in ADAPTERS:
        known = model_of({"model": model, "variant": variant, "id": ""})
        assert known or model in PARTS, f"{model} is neither registered nor in PARTS"


@pytest.mark.parametrize("entry", MODELS, ids=[entry["id"] for entry in MODELS])
def test_parity(entry: dict) -> None:
    key = entry["model"], entry["variant"]
    if key not in ADAPTERS and not model_of(entry) and key[0] not in PARTS:
        pytest.skip(f"no model {key[0]!r} is registered")
    assert key in ADAPTERS, f"the fixture {entry['id']} {key} of {model_of(entry)!r} has no adapter"
    torch.manual_seed(0)
    fixture = load_fixture(entry)
    result = ADAPTERS[key](fixture)
    compare(fixture, result)
    if any(name.startswith("train/") for name in fixture.arrays):
        assert result.train is not None, "the fixture pins train mode, the adapter does not"
        compare(fixture, result.train(), "train/")
