"""Records of earlier schemas, which kept their scores too: what is derived now is the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.records.earlier import upgrade
from benchmark.records.store import find_records
from leaderboard.kept.keep import LINES, RESULTS
from leaderboard.kept.restore import restore
from robustness.scores import score

LETTERS = {"t": "text", "a": "audio", "v": "vision"}
KEPT = sorted(path.name.removesuffix(LINES) for path in RESULTS.glob(f"*{LINES}"))


def spelt(name: str) -> str:
    letters = name.removeprefix("missing.")
    gone = "+".join(LETTERS[letter] for letter in letters) if letters != "none" else "none"
    return f"missing.{gone}"


def stored(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())["measurements"].get("robustness", {})


@pytest.mark.parametrize("name", KEPT)
def test_scores_that_were_stored_follow_to_the_last_bit(tmp_path: Path, name: str) -> None:
    restore(name, tmp_path)
    compared = 0
    for path, record in find_records(tmp_path):
        before, measured = stored(path), record.measurements.robustness
        if measured is None or "summary" not in before:
            continue
        found = score(measured)
        assert found.summary == before["summary"]
        assert found.mean_skill == before["mean_skill"]
        assert {
            key: [list(x) for x in zip(*points, strict=True)]
            for key, points in found.curves.items()
        } == {key: [curve["levels"], curve["values"]] for key, curve in before["skill"].items()}
        assert found.missing == {
            spelt(key): metrics["skill"] for key, metrics in before["missing"].items()
        }
        assert found.shapley == {key: x["shapley"] for key, x in before["reliance"].items()}
        assert found.drop == {key: x["drop"] for key, x in before["reliance"].items()}
        for key, curve in measured.curves.items():
            assert curve.metrics == before["curves"][key]["metrics"]
            assert curve.flip_rate == before["stability"][key]["flip_rate"]
            assert curve.shift == before["stability"][key]["shift"]
        compared += 1
    assert compared >= 30


@pytest.mark.parametrize("found", [None, [], 3, {"robustness": 3}, {"robustness": {"curves": [1]}}])
def test_what_makes_no_sense_is_left_to_validation(found: Any) -> None:
    assert "measurements" in upgrade({"measurements": found})


def test_nothing_is_changed_in_place() -> None:
    values = {"measurements": {"robustness": {"missing": {"missing.t": {"mae": 1, "skill": 2}}}}}
    before = json.dumps(values)
    after = upgrade(values)
    assert json.dumps(values) == before
    assert after["measurements"]["robustness"]["missing"] == {"missing.text": {"mae": 1}}
