"""A few cases of every part of the campaign; `make campaign` runs all of them."""

import pytest

from tests.campaign.figures import Figures
from tests.campaign.parts import part_names, run_part


@pytest.mark.parametrize("part", part_names()[::-1])  # what takes longest comes first
def test_nothing_that_must_not_happen_happens(part: str) -> None:
    figures = run_part(part, short=True)
    assert figures.cases
    assert not figures.faults, describe(figures)


def describe(figures: Figures) -> str:
    return "\n".join(f"{fault.case}: {fault.kind}: {fault.sentence}" for fault in figures.faults)
