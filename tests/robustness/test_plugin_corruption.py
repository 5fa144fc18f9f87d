"""A corruption from outside: one file, checked, run, and known by its code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from affectbench import app
from benchmark.config import changed_protocol, get_protocol
from benchmark.errors import UserError
from benchmark.records.store import all_records
from benchmark.registry import load_plugin
from benchmark.running.plan import plan_grid
from benchmark.running.run import run
from robustness.corruptions import CORRUPTIONS

QUIET = """
import numpy as np
from benchmark.datasets.dataset import Sequences
from robustness import register_corruption, uniforms


@register_corruption(
    "audio.faint",
    modalities=("audio",),
    unit="share of the strength",
    description="each audio step loses up to this share of its strength",
)
def faint(split, level, dataset, noise_seed):
    audio = split.audio
    share = np.zeros(audio.mask.shape, np.float32)
    share[audio.mask] = level * uniforms(split, dataset, "audio", "audio.faint", noise_seed)
    values = audio.values * (1 - share[..., None])
    return split.with_sequences("audio", Sequences(values, audio.lengths))
"""
CARELESS = QUIET.replace(
    'uniforms(split, dataset, "audio", "audio.faint", noise_seed)',
    "np.random.default_rng(noise_seed).random(int(audio.lengths.sum()))",
)

pytestmark = pytest.mark.usefixtures("own_registry")


def write(tmp_path: Path, text: str = QUIET, name: str = "faint.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def check(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", "--plugin", str(path)])
    return result.exit_code, result.output


def test_check_tries_its_promises_and_no_model(tmp_path: Path) -> None:
    code, output = check(write(tmp_path))
    assert code == 0, output
    assert "audio.faint: 13 of 13 promises kept" in output
    assert output.count("promises kept") == 1


def test_a_broken_promise_is_named(tmp_path: Path) -> None:
    code, output = check(write(tmp_path, CARELESS))
    assert code == 1
    assert "order_of_samples_does_not_matter: audio.values depends on the order" in output


@pytest.mark.parametrize("jobs", [0, 1])
def test_it_is_measured_like_ours_and_its_code_is_part_of_the_cell(
    tmp_path: Path, jobs: int
) -> None:
    rules = get_protocol("quick")
    rules = changed_protocol(rules, {"corruptions": ("audio.faint",), "levels": (0, 1)})
    options = {"models": ("late-fusion",), "protocol": rules, "plugins": [write(tmp_path)]}
    outcome = run(**options, seeds=1, settings={"epochs": 1}, jobs=jobs, folder=tmp_path / "out")
    assert outcome.problems == []
    record = next(r for _, r in all_records(tmp_path / "out") if r.cell.seeded)
    robustness = record.measurements.robustness
    assert robustness is not None
    assert list(robustness.curves) == ["audio.faint"]
    clean, faint = (values[0] for values in robustness.curves["audio.faint"].metrics["mae"])
    assert clean != faint
    write(tmp_path, QUIET.replace("1 - share", "1 - 0.5 * share"))
    changed = plan_grid(**options, seeds=1, settings={"epochs": 1}, folder=tmp_path / "out")
    assert record.cell.key not in {plan.cell.key for plan in changed}


def test_a_name_that_is_taken_is_refused_and_a_file_that_fails_leaves_nothing(
    tmp_path: Path,
) -> None:
    before = dict(CORRUPTIONS)
    with pytest.raises(UserError, match=r"two corruptions want the name 'feat\.gauss'"):
        load_plugin(
            write(tmp_path, QUIET.replace('"audio.faint",\n    mod', '"feat.gauss",\n    mod'))
        )
    with pytest.raises(UserError, match="fails to import: OSError: half way"):
        load_plugin(write(tmp_path, QUIET + "raise OSError('half way')\n", "half.py"))
    assert before == CORRUPTIONS
    load_plugin(write(tmp_path, name="whole.py"))
    assert CORRUPTIONS.keys() - before.keys() == {"audio.faint"}


def test_one_that_names_a_modality_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, QUIET.replace('("audio",)', '("poster",)'))
    rules = changed_protocol(get_protocol("quick"), {"corruptions": ("audio.faint",)})
    with pytest.raises(UserError, match="changes poster, which is not there"):
        plan_grid(models=("prior",), protocol=rules, plugins=[path], folder=tmp_path / "out")


def test_one_that_is_there_or_not_is_measured_at_both_ends(tmp_path: Path) -> None:
    path = write(tmp_path, QUIET.replace('    unit="', '    graded=False,\n    unit="'))
    rules = changed_protocol(get_protocol("quick"), {"corruptions": ("audio.faint", "feat.gauss")})
    options = {"models": ("late-fusion",), "protocol": rules, "plugins": [path], "jobs": 0}
    outcome = run(**options, seeds=1, settings={"epochs": 1}, folder=tmp_path / "out")
    assert outcome.problems == []
    record = next(r for _, r in outcome.records if r.cell.seeded)
    assert record.measurements.robustness is not None
    curves = record.measurements.robustness.curves
    assert curves["audio.faint"].levels == [0, 1]
    assert curves["feat.gauss"].levels == list(rules.levels)


FEATURES_ONLY = (
    QUIET.replace("audio.faint", "text.faint")
    .replace('("audio",)', '("text",)')
    .replace("split.audio", "split.text")
    .replace('"audio"', '"text"')
)
WORDS = """
from robustness import register_corruption, uniforms, unknown_words


@register_corruption(
    "text.lost", modalities=("text",), unit="share of words", description="words are lost"
)
def lost(split, level, dataset, noise_seed):
    chosen = uniforms(split, dataset, "text", "text.lost", noise_seed) < level
    return unknown_words(split, chosen, dataset)
"""


def test_one_that_forgets_tokens_is_told_so_and_words_are_the_way(tmp_path: Path) -> None:
    code, output = check(write(tmp_path, FEATURES_ONLY, "features.py"))
    assert code == 1
    assert "every_shape_of_data_is_taken: on data with tokens alone" in output
    code, output = check(write(tmp_path, WORDS, "words.py"))
    assert code == 0, output
