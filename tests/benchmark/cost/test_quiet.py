"""Measurements wait for quiet moments; what the processor does is scripted here."""

import pytest

from benchmark.cost.quiet import Watch

QUIET, LOUD = 1e-4, 1.6e-4


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """Makes a watch whose looks give the times of a list, and whose pauses cost no time."""

    def make(*looks: float, patience: float = 1.0) -> Watch:
        monkeypatch.setattr(Watch, "best", QUIET)
        monkeypatch.setattr("benchmark.cost.quiet.time.sleep", lambda seconds: None)
        coming = iter(looks)
        watch = Watch(patience)
        monkeypatch.setattr(watch, "_look", lambda: next(coming))
        return watch

    return make


def test_a_quiet_machine_is_measured_once(script) -> None:
    calls = []
    watch = script(QUIET, QUIET)
    assert watch.measure(lambda: calls.append(1) or "value") == "value"
    assert len(calls) == 1
    assert watch.left == 1.0


def test_a_measurement_begins_only_once_it_is_quiet(script) -> None:
    watch = script(LOUD, LOUD, LOUD, QUIET, QUIET)
    watch.measure(lambda: None)
    assert watch.left == pytest.approx(1.0 - 3 * 0.05)
    assert watch.report()["workload_ms"] == pytest.approx(QUIET * 1e3)


def test_a_measurement_is_done_again_if_the_moment_was_over_before_it(script) -> None:
    values = iter(["disturbed", "quiet"])
    watch = script(QUIET, LOUD, QUIET, QUIET)
    assert watch.measure(lambda: next(values)) == "quiet"
    assert watch.left < 1.0


def test_without_patience_the_disturbance_is_reported(script) -> None:
    watch = script(LOUD, LOUD, QUIET, QUIET, patience=0.0)
    watch.measure(lambda: None)
    found = watch.report()
    assert found["workload_ms"] == pytest.approx(LOUD * 1e3)
    assert found["workload_best_ms"] == pytest.approx(QUIET * 1e3)
    watch.measure(lambda: None)
    assert watch.report()["workload_ms"] == pytest.approx(QUIET * 1e3)  # each report is its own


def test_the_workload_takes_time_and_draws_no_random_numbers(monkeypatch) -> None:
    import torch

    monkeypatch.setattr(Watch, "best", float("inf"))
    state = torch.random.get_rng_state()
    now = Watch(0.0)._look()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert 0 < now == Watch.best
