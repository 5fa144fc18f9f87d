"""`python -m tests.campaign`: try all that must not happen, and print what did."""

import argparse
import platform
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from tabulate import tabulate

from benchmark.harness import harness_version
from tests.campaign.figures import HEADERS, Figures
from tests.campaign.parts import part_names, run_part

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
MARKS = "<!-- campaign -->", "<!-- end of campaign -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few cases of every part")
    parser.add_argument("--only", action="append", choices=part_names(), help="a part; repeatable")
    parser.add_argument("--write", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    if options.write and (options.short or options.only):
        parser.error("--write is for the whole campaign, without --short and --only")
    found = []
    for name in options.only or part_names():
        figures = run_part(name, short=options.short)
        print(f"{name}: {figures.cases} cases, {figures.seconds:.0f} s", file=sys.stderr)
        found.append(figures)
    text = report(found)
    print(text)
    for figures in found:
        for fault in figures.faults:
            print(f"{figures.part} {fault.case}: {fault.kind}: {fault.sentence}")
    if options.write:
        content = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_report(content, text), encoding="utf-8")
    return int(any(figures.faults for figures in found))


def report(found: list[Figures]) -> str:
    """The table, what could not be tried here, and under which versions."""
    rows = [figures.row() for figures in found]
    lines = [tabulate(rows, headers=HEADERS, tablefmt="github"), ""]
    skipped = [f"{figures.part} {reason}" for figures in found for reason in figures.skipped]
    if skipped:
        lines += [f"Not tried on this machine: {'; '.join(skipped)}.", ""]
    try:
        number = version("affectbench")
    except PackageNotFoundError:
        number = "not installed"
    lines.append(
        f"{time.strftime('%Y-%m-%d')}, affectbench {number}, harness {harness_version()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {platform.system()}."
    )
    return "\n".join(lines)


def with_report(page: str, text: str) -> str:
    """The page with the report between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    start, end = MARKS
    pattern = re.compile(f"{re.escape(start)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no {start} and {end}")
    return pattern.sub(lambda _: f"{start}\n{text}\n{end}", page)


if __name__ == "__main__":
    sys.exit(main())
