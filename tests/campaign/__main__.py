"""`python -m tests.campaign`: try all that must not happen, and print what did."""

import argparse
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from tabulate import tabulate

from benchmark.records.harness import harness_version
from tests.campaign.figures import HEADERS, Figures
from tests.campaign.parts import part_names, run_part

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
MARKS = "<!-- campaign -->", "<!-- end of campaign -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few cases of every part")
    parser.add_argument("--only", action="append", choices=part_names(), help="a part; repeatable")
    parser.add_argument("--write", action="store_true", help="write the rows into the docs")
    options = parser.parse_args()
    if options.write and options.short:
        parser.error("--write is for the long form, without --short")
    found = []
    for name in options.only or part_names():
        figures = run_part(name, short=options.short)
        print(f"{name}: {figures.cases} cases, {figures.seconds:.0f} s", file=sys.stderr)
        for fault in figures.faults:
            print(f"{figures.part} {fault.case}: {fault.kind}: {fault.sentence}")
        found.append(figures)
        if options.write:
            content = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(with_row(content, row(figures)), encoding="utf-8")
    print(table([row(figures) for figures in found]))
    return int(any(figures.faults for figures in found))


def row(figures: Figures) -> list[str]:
    """A line of the table: what a part found, when and under which versions."""
    try:
        number = version("affectbench")
    except PackageNotFoundError:
        number = "not installed"
    under = (
        f"{time.strftime('%Y-%m-%d')}, affectbench {number}, harness {harness_version()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {platform.system()}"
    )
    skipped = f"; not possible on this machine: {', '.join(figures.skipped)}"
    return [*map(str, figures.row()), under + (skipped if figures.skipped else "")]


def table(rows: list[list[str]]) -> str:
    """The lines as Markdown."""
    return tabulate(rows, [*HEADERS, "run"], tablefmt="github", disable_numparse=True)


def with_row(page: str, new: list[str]) -> str:
    """The page with a line of its table replaced or added, in the order of the parts.

    Raises:
        ValueError: the page has no marks.
    """
    start, end = MARKS
    before, found, rest = page.partition(start)
    inside, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {start} and {end}")
    rows = {name: [] for name in part_names()}
    for line in inside.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in rows:
            rows[cells[0]] = cells
    rows[new[0]] = new
    return f"{before}{start}\n{table([cells for cells in rows.values() if cells])}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
