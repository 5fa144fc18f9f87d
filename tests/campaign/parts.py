"""The parts of the campaign, each in a long and a short form."""

import importlib
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.campaign import flips, kills, plugins, records, reproducibility
from tests.campaign.cases import SECONDS, Case, prepare, run_case
from tests.campaign.figures import Figures

SEED = 0
SIDE_BY_SIDE = 2
# Corpora of cases: seconds that one may take, and of how many the short form takes one.
CORPORA = {"pickles": (SECONDS, 12), "folders": (SECONDS, 12), "tables": (SECONDS, 12)}
CORPORA |= {"records": (60.0, 40)}
KILLS, SHORT_KILLS = 100, 4
SHORT_PLUGINS = (
    *("float64-at-import", "segfault-in-a-cell"),
    *("fork-returns", "patched-late-fusion-at-import"),
)


def part_names() -> list[str]:
    """All parts, in the order of the table."""
    return [*CORPORA, *PARTS]


def run_part(name: str, *, short: bool = False) -> Figures:
    """Run one part.

    Raises:
        KeyError: no such part.
    """
    return run_corpus(name, short=short) if name in CORPORA else PARTS[name](short)


def corpus(name: str) -> list[Case]:
    """The cases of a corpus."""
    if name == "records":
        return records.cases()
    found: list[Case] = importlib.import_module(f"tests.campaign.{name}").cases()
    return found


def run_corpus(name: str, *, short: bool = False) -> Figures:
    """Run the cases of a corpus, half of them in each of two processes."""
    started = time.monotonic()
    prepare()
    if name == "records":
        records.good()
    context = multiprocessing.get_context("fork")
    with context.Pool(SIDE_BY_SIDE) as pool:
        shares = pool.map(partial(_share, name, short), range(SIDE_BY_SIDE), chunksize=1)
    figures = Figures(name, seconds=time.monotonic() - started)
    for share in shares:
        figures.cases += share.cases
        figures.faults += share.faults
    return figures


def _share(name: str, short: bool, place: int) -> Figures:
    """Every so many-th case, in a mixed order, so that the short form has some of all kinds."""
    seconds, every = CORPORA[name]
    chosen = sorted(corpus(name), key=lambda case: case.name)
    random.Random(SEED).shuffle(chosen)
    chosen = chosen[:: every if short else 1][place::SIDE_BY_SIDE]
    figures = Figures(name)
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as root:
        figures.add(run_case(case, Path(root), seconds=seconds) for case in chosen)
    return figures


def _kills(short: bool) -> Figures:
    return kills.run(SHORT_KILLS, SEED, ()) if short else kills.run(KILLS, SEED, kills.SCENES)


def _plugins(short: bool) -> Figures:
    return plugins.run(SHORT_PLUGINS if short else None)


def _reproducibility(short: bool) -> Figures:
    if short:
        return reproducibility.run(reproducibility.SHORT, reproducibility.SHORT_WAYS)
    return reproducibility.run(rules=reproducibility.LONG)


def _flips(short: bool) -> Figures:
    return flips.run(300 if short else 10_000, SEED)


PARTS: dict[str, Callable[[bool], Figures]] = {
    "kills": _kills,
    "plugins": _plugins,
    "reproducibility": _reproducibility,
    "flips": _flips,
}
