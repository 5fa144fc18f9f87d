"""What a part of the campaign found, counted for one table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.campaign.cases import Result

KINDS = (
    *("code ran", "crash (signal)", "traceback", "lost", "wrote outside"),
    *("too slow or large", "other"),
)
HEADERS = ("part", "cases", *KINDS, "seconds")
# How the sentences of `cases.run_case` begin.
BEGINNINGS = {
    "code of the file ran": "code ran",
    "ended by": "crash (signal)",
    "traceback": "traceback",
    "deleted": "lost",
    "lost": "lost",
    "wrote": "wrote outside",
    "took": "too slow or large",
}


class Fault(NamedTuple):
    case: str
    kind: str
    sentence: str


@dataclass
class Figures:
    """Attributes:
    part: of the campaign.
    cases: how many were run.
    faults: what they should not have done; a case may have several.
    skipped: cases that this machine does not permit, with the reason.
    seconds: wall time.
    """

    part: str
    cases: int = 0
    faults: list[Fault] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def wrong(self, case: str, kind: str, sentence: str) -> None:
        self.faults.append(Fault(case, kind, sentence))

    def judge(self, case: str, sentences: Iterable[str]) -> None:
        """Add sentences whose beginning tells their kind."""
        for sentence in sentences:
            begins = (kind for start, kind in BEGINNINGS.items() if sentence.startswith(start))
            self.wrong(case, next(begins, "other"), sentence)

    def add(self, results: Iterable[Result]) -> None:
        """Count watched cases."""
        for result in results:
            self.cases += 1
            self.judge(result.case.name, result.wrong)

    def row(self) -> list[str | int]:
        counts = [len({fault.case for fault in self.faults if fault.kind == k}) for k in KINDS]
        return [self.part, self.cases, *counts, round(self.seconds)]
