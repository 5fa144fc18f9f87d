"""Write docs/results.md from the records of finished runs.

    python scripts/results_page.py "TITLE|FOLDER[,FOLDER]|COMMAND|REMARK" ...

Each argument names a section, the output folders of its runs, the command that made them and what a
reader must know. Tables are those of the leaderboard; no number is typed. The records are copied
into leaderboard/results, without the predictions beside them.
"""

import shutil
import sys
from pathlib import Path

from benchmark.execute import all_records
from benchmark.results import write_text
from leaderboard.markdown import markdown
from leaderboard.table import build_tables

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results.md"
KEPT = ROOT / "leaderboard" / "results"
INTRODUCTION = """# Results

Written by `python scripts/results_page.py` from the records of the runs named below; the records
themselves, without the predictions on data that may not be passed on, are in `leaderboard/results`.
Settings are the defaults beside each model, chosen on validation; each test split was opened once a
cell, after selection.
"""


def section(argument: str) -> str:
    """One run: its title, command, remark and tables."""
    title, folders, command, remark = argument.split("|")
    records = [pair for folder in folders.split(",") for pair in all_records(Path(folder))]
    for path, record in records:
        place = KEPT / record.cell.dataset / record.cell.model / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    page = markdown(build_tables(records), {})
    body = page.partition("\n\n")[2].rpartition("\n\nFull precision")[0]
    body = f"\n{body}".replace("\n### ", "\n#### ").replace("\n## ", "\n### ").strip()
    commands = command.replace(" && ", "\n")
    return f"## {title}\n\n```sh\n{commands}\n```\n\n{remark}\n\n{body}\n"


if __name__ == "__main__":
    write_text(TARGET, "\n".join([INTRODUCTION, *map(section, sys.argv[1:])]))
    print(f"{TARGET.name} written")
