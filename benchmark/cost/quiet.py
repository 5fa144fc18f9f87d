"""Measuring in moments in which nothing else slows the processor.

A virtual machine shares its cores: the same call may take half as long again for seconds on end,
though nothing runs on the machine itself. A fixed workload beside each measurement shows it.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import ClassVar, TypeVar

import torch

from benchmark.records.measurements import SLOW

T = TypeVar("T")
PAUSE = 0.05
CHAIN, WIDTH = 200, 64  # of the workload: some 0.2 ms on a processor of today
WARM_UP, RUNS = 3, 9  # what was measured before has emptied the caches


class Watch:
    """Waits for quiet moments as long as its patience lasts, and remembers how quiet they were.

    Args:
        patience: seconds that may be lost by waiting and by measuring again.

    Attributes:
        left: seconds of patience.
        best: seconds of the workload at its fastest, of all watches of this process.
    """

    best: ClassVar[float] = float("inf")

    def __init__(self, patience: float):
        self.left = patience
        self._factor = torch.full((WIDTH, WIDTH), 1 / WIDTH)
        self._seen: list[float] = []

    def measure(self, function: Callable[[], T]) -> T:
        """Call a measurement in a quiet moment, and again if the moment was over before it."""
        while True:
            before = self._wait()
            started = time.perf_counter()
            value = function()
            worst = max(before, self._look())
            if self.left > 0 and self._disturbed(worst):
                self.left -= time.perf_counter() - started
                continue
            self._seen.append(worst)
            return value

    def report(self) -> dict[str, float]:
        """Milliseconds of the workload beside what was measured, at worst, and at its best."""
        worst = max(self._seen, default=Watch.best)
        self._seen = []
        return {"workload_ms": worst * 1e3, "workload_best_ms": Watch.best * 1e3}

    def _wait(self) -> float:
        """Seconds of the workload once it is quiet or patience is over."""
        while self._disturbed(now := self._look()) and self.left > 0:
            time.sleep(PAUSE)
            self.left -= PAUSE
        return now

    def _look(self) -> float:
        """Seconds of the workload now."""
        times = []
        # The workload is the same whatever precision is measured beside it.
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for _ in range(WARM_UP + RUNS):
                state = torch.ones(1, WIDTH)
                started = time.perf_counter()
                for _ in range(CHAIN):
                    state = state @ self._factor
                times.append(time.perf_counter() - started)
        now = median(times[WARM_UP:])
        Watch.best = min(Watch.best, now)
        return now

    @staticmethod
    def _disturbed(seconds: float) -> bool:
        return seconds > SLOW * Watch.best
