"""Write docs/results.md from the records of finished runs.

    python scripts/results_page.py "TITLE=FOLDER=COMMAND" ...

Each argument names a section, the output folder of a run and the command that made it. Tables are
those of the leaderboard; nothing is typed.
"""

import sys
from pathlib import Path

from benchmark.execute import all_records
from benchmark.results import write_text
from leaderboard.markdown import markdown
from leaderboard.table import build_tables

TARGET = Path(__file__).resolve().parents[1] / "docs" / "results.md"
INTRODUCTION = """# Results

Written by `python scripts/results_page.py` from the records of the runs named below; the records
themselves, without the predictions on data that may not be passed on, are in `leaderboard/results`.
Settings are the defaults beside each model, chosen on validation; each test split was opened once a
cell, after selection.
"""


def section(argument: str) -> str:
    """One run: its title, command and tables."""
    title, folder, command = argument.split("=", 2)
    page = markdown(build_tables(all_records(Path(folder))), {})
    body = page.partition("\n\n")[2].rpartition("\n\nFull precision")[0]
    body = body.replace("\n### ", "\n#### ").replace("\n## ", "\n### ")
    if body.startswith("## "):
        body = f"#{body}"
    return f"## {title}\n\n```sh\n{command}\n```\n\n{body}\n"


if __name__ == "__main__":
    write_text(TARGET, "\n".join([INTRODUCTION, *map(section, sys.argv[1:])]))
    print(f"{TARGET.name} written")
