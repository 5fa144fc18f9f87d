"""Write docs/results.md from the records of finished runs, kept in leaderboard/results.

    python scripts/results_page.py                        write the page from the kept records
    python scripts/results_page.py --keep NAME FOLDER...  keep the records of runs as NAME first
    python scripts/results_page.py --restore NAME FOLDER  only write kept records into a new folder

`sections.toml` beside the records says which of them stand where, which command made them and
what a reader must know. Tables are those of the leaderboard; no number is typed. Kept are the
records and the predictions beside them; the labels too where the data is our own, elsewhere they
may not be passed on.

To look at a result, open `leaderboard/results/NAME.jsonl`: a line a record, that begins with
dataset, model, variant, seed, fold, part, status and the metrics of the test split, as in
`grep '"model": "tfn"' leaderboard/results/synthetic.jsonl`. Its field `shared` names lines at the
top (protocol, environment, settings), its fields `bulky` and `arrays` what `NAME.npz.xz` holds of
it: histories, robustness by noise seed, predictions. To have all of it as the run left it:
`--restore NAME FOLDER`, then `affectbench leaderboard FOLDER`; in Python
`leaderboard.kept.restore.restore(NAME, Path(FOLDER))`.
"""

import argparse
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.store import all_records
from benchmark.system.atomic import write_text
from leaderboard.build import build_tables
from leaderboard.kept.keep import RESULTS, keep
from leaderboard.kept.restore import restore
from leaderboard.render.markdown import markdown
from leaderboard.table import describe_harness

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results.md"
INTRODUCTION = """# Results

Written by `python scripts/results_page.py` from the records of the runs named below; the records
themselves are in `leaderboard/results`: every line of `NAME.jsonl` below the shared values is a
record and begins with `dataset`, `model`, `variant`, `seed`, `fold`, `part`, `status` and `test`,
the metrics of the test split; `NAME.npz.xz` beside it holds what is bulky, the predictions of every
sample (runs from before they were kept have none) and labels where these may be passed on;
`python scripts/results_page.py --restore NAME FOLDER` makes the run's output folder of the two.
Settings are the defaults beside each model; a table says of each row where they come from. Each
test split was opened once a cell, after selection.
"""


@contextmanager
def restored(name: str) -> Iterator[Path]:
    """Kept records in a temporary output folder."""
    with tempfile.TemporaryDirectory() as folder:
        restore(name, Path(folder))
        yield Path(folder)


def section(entry: dict[str, Any]) -> str:
    """One run: its title, commands, remark, harness and tables."""
    with restored(entry["records"]) as folder:
        records = all_records(folder)
        versions = {record.cell.harness for _, record in records}
        # A harness of all is said once; of several every table says its own, and none is today's.
        tables = build_tables(records, harness=versions.pop() if len(versions) == 1 else "several")
    page = markdown(tables, {})
    body = page.partition("\n\n")[2].rpartition("\n\nFull precision")[0]
    body = f"\n{body}".replace("\n### ", "\n#### ").replace("\n## ", "\n### ").strip()
    commands, remark = entry["commands"].strip(), entry["remark"].strip()
    if all(table.current for table in tables):
        remark += f"\n\nAll numbers are as of {describe_harness(tables[0].harness)}."
    return f"## {entry['title']}\n\n```sh\n{commands}\n```\n\n{remark}\n\n{body}\n"


def page() -> str:
    """The whole page, from the kept records."""
    sections = tomllib.loads((RESULTS / "sections.toml").read_text(encoding="utf-8"))["section"]
    return "\n".join([INTRODUCTION, *map(section, sections)])


def main() -> None:
    """Restore, or keep what is to be kept and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--keep", metavar="NAME", help="keep the records of the folders first")
    does.add_argument("--restore", metavar="NAME", help="write kept records into one new folder")
    parser.add_argument("folders", nargs="*", type=Path, help="output folders of runs")
    options = parser.parse_args()
    if options.restore:
        if len(options.folders) != 1:
            parser.error("--restore takes a name and one folder")
    elif bool(options.keep) != bool(options.folders):
        parser.error("--keep takes a name and at least one output folder of a run")
    try:
        if options.restore:
            restore(options.restore, options.folders[0])
            print(f"restored; tables: affectbench leaderboard {options.folders[0]}")
            return
        if options.keep:
            keep(options.keep, options.folders)
        write_text(TARGET, page())
    except UserError as error:
        parser.exit(1, f"{error}\n")
    print(f"{TARGET.name} written")


if __name__ == "__main__":
    main()
