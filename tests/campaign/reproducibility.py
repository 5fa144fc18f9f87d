"""Every registered model gives the same bits, whoever runs it beside whom and in which order."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.registry import list_models
from tests.campaign.commands import command
from tests.campaign.figures import Figures
from tests.campaign.stores import grid, scores, write_protocol

SHORT = ("prior", "text-only", "late-fusion", "mult", "mag-bert", "self-mm")
LONG = {
    "evaluations": ["accuracy", "robustness"],
    "levels": [0.0, 0.5],
    "corruptions": ["feat.gauss", "time.drop", "text.word_unk", "mix.all"],
}


@dataclass(frozen=True)
class Way:
    """One way to run the same grid."""

    jobs: str
    hash_seed: str
    backwards: bool = False
    alone: bool = False


WAYS = {
    "two-jobs": Way("2", "0"),
    "two-jobs-again": Way("2", "1"),
    "one-job": Way("1", "1"),
    "one-job-backwards": Way("1", "random", backwards=True),
    "two-jobs-backwards": Way("2", "random", backwards=True),
    "in-one-process": Way("0", "0"),
    "in-one-process-backwards": Way("0", "random", backwards=True),
    "alone": Way("0", "2", alone=True),
}
SHORT_WAYS = ("two-jobs", "in-one-process-backwards")


def run(
    models: Sequence[str] | None = None,
    ways: Sequence[str] = tuple(WAYS),
    rules: dict[str, Any] | None = None,
) -> Figures:
    """Run models, all of them unless some are named, in several ways, and compare with the first.

    Args:
        models: registered names.
        ways: keys of `WAYS`.
        rules: fields of the protocol.
    """
    started = time.monotonic()
    figures = Figures("reproducibility")
    chosen = [entry.name for entry in list_models()] if models is None else list(models)
    wanted: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="same-") as name:
        for way in ways:
            found = _scores(figures, Path(name) / way, way, chosen, rules or {})
            wanted = wanted or found
            for model in chosen:
                figures.cases += 1
                _compare(figures, f"{model}-{way}", model, found, wanted)
    figures.seconds = time.monotonic() - started
    return figures


def _scores(
    figures: Figures, folder: Path, name: str, models: list[str], rules: dict[str, Any]
) -> dict[str, Any]:
    folder.mkdir()
    write_protocol(folder, **rules)
    way = WAYS[name]
    ordered = models[::-1] if way.backwards else models
    for group in [[model] for model in ordered] if way.alone else [ordered]:
        arguments = grid(group, 1, "--jobs", way.jobs)
        ended = command(arguments, folder, variables={"PYTHONHASHSEED": way.hash_seed})
        figures.judge(name, ended.wrong((0,)))
    return scores(folder / "out")


def _compare(
    figures: Figures, case: str, model: str, found: dict[str, Any], wanted: dict[str, Any]
) -> None:
    mine = {name: value for name, value in found.items() if name.split("/")[2] == model}
    theirs = {name: value for name, value in wanted.items() if name.split("/")[2] == model}
    if not mine:
        figures.wrong(case, "lost", "no record")
    elif mine.keys() != theirs.keys():
        figures.wrong(case, "other", "the record bears another name")
    elif repr(mine) != repr(theirs):
        figures.wrong(case, "other", "other numbers")
    elif any(value[0] != "done" for value in mine.values()):
        figures.wrong(case, "other", "no result")
