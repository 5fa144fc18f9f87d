"""Pages that commands write are what these commands write today."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.parity.harness import FOLDER, SHARED

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """A file of `scripts` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_errors(text: str) -> str:
    """The last digit of an error differs between processors."""
    return re.sub(r"\b\d(?:\.\d+)?e[-+]\d\d\b", "#", text)


@pytest.mark.skipif(
    FOLDER != SHARED, reason="the table is made from the whole set of golden numbers"
)
def test_the_table_of_baselines_is_up_to_date() -> None:
    written = (ROOT / "baselines" / "README.md").read_text()
    fresh = script("baseline_table").table()
    assert without_errors(written) == without_errors(fresh), "run python scripts/baseline_table.py"
    errors = [float(value) for value in re.findall(r"\d(?:\.\d+)?e[-+]\d\d", written)]
    assert len(errors) >= 40
    assert max(errors) <= 1e-5


def test_the_page_of_results_is_made_from_the_kept_records() -> None:
    written = (ROOT / "docs" / "results.md").read_text()
    assert written == script("results_page").page(), "run python scripts/results_page.py"


def test_a_section_says_its_harness_once_whatever_is_current() -> None:
    results = script("results_page")
    entry = {"title": "T", "commands": "c", "remark": "r"}
    earlier = results.section({**entry, "records": "mosi_std"})
    assert earlier.count("All numbers are as of an earlier harness.") == 1
    assert earlier.count("harness") == 1
    section = results.section({**entry, "records": "mmmo_mini"})
    assert len(re.findall(r"All numbers are as of harness \d+\.[0-9a-f]{6}\.", section)) == 1
    assert section.count("harness") == 1
    assert "### mmmo\\_mini, cross-validation over 5 folds, protocol standard\n" in section
