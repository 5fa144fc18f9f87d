"""baselines/README.md is what its command writes from the registry and the fixtures."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.parity.harness import FOLDER, SHARED

ROOT = Path(__file__).parents[1]


def without_errors(text: str) -> str:
    """The last digit of an error differs between processors."""
    return re.sub(r"\b\d(?:\.\d+)?e[-+]\d\d\b", "#", text)


@pytest.mark.skipif(
    FOLDER != SHARED, reason="the table is made from the whole set of golden numbers"
)
def test_the_table_is_up_to_date() -> None:
    path = ROOT / "scripts" / "baseline_table.py"
    spec = importlib.util.spec_from_file_location("baseline_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "baselines" / "README.md").read_text()
    fresh = module.table()
    assert without_errors(written) == without_errors(fresh), "run python scripts/baseline_table.py"
    errors = [float(value) for value in re.findall(r"\d(?:\.\d+)?e[-+]\d\d", written)]
    assert len(errors) >= 40
    assert max(errors) <= 1e-5
