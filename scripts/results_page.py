"""Write docs/results.md from the records of finished runs, kept in leaderboard/results.

    python scripts/results_page.py                      write the page from the kept records
    python scripts/results_page.py --keep NAME FOLDER   keep the records of a run as NAME first

`sections.toml` beside the records says which archive stands where, which command made it and
what a reader must know. Tables are those of the leaderboard; no number is typed. An archive holds
the records and the predictions beside them; the labels too where the data is our own, elsewhere
they may not be passed on. To look at one: `tar -xf leaderboard/results/NAME.tar.xz -C FOLDER`,
then `affectbench leaderboard FOLDER`.
"""

import argparse
import io
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.atomic import write_bytes, write_text
from benchmark.records.record import Record
from benchmark.records.store import all_records, read_arrays, write_record
from leaderboard.build import build_tables
from leaderboard.render.markdown import markdown
from leaderboard.table import describe_harness

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results.md"
KEPT = ROOT / "leaderboard" / "results"
OURS = ("synthetic",)  # datasets whose labels may be passed on
INTRODUCTION = """# Results

Written by `python scripts/results_page.py` from the records of the runs named below; the records
themselves are in `leaderboard/results`, with the predictions of every sample, and with labels where
these may be passed on. Settings are the defaults beside each model; a table says of each row where
they come from. Each test split was opened once a cell, after selection.
"""


def keep(name: str, folders: list[Path]) -> None:
    """Pack the records of runs into one archive; the same records give the same bytes."""
    packed = io.BytesIO()
    contents: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as kept:
        for folder in folders:
            for path, record in all_records(folder):
                write_record(Path(kept), record, _predictions(path, record))
        for path in Path(kept).rglob("*.*"):
            contents[path.relative_to(kept).as_posix()] = path.read_bytes()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for place, content in sorted(contents.items()):
            entry = tarfile.TarInfo(place)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    write_bytes(KEPT / f"{name}.tar.xz", packed.getvalue())


def _predictions(path: Path, record: Record) -> dict[str, Any]:
    """Ids and predictions of validation and test samples, and the labels where they are ours."""
    if not path.with_suffix(".npz").is_file():
        return {}
    kinds = ("id", "prediction", *(["label"] if record.cell.dataset in OURS else []))
    wanted = {f"{split}_{kind}" for split in ("valid", "test") for kind in kinds}
    return {name: value for name, value in read_arrays(path).items() if name in wanted}


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """An archive's records in a temporary output folder."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def section(entry: dict[str, Any]) -> str:
    """One run: its title, commands, remark, harness and tables."""
    with unpacked(KEPT / f"{entry['archive']}.tar.xz") as folder:
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
    sections = tomllib.loads((KEPT / "sections.toml").read_text(encoding="utf-8"))["section"]
    return "\n".join([INTRODUCTION, *map(section, sections)])


def main() -> None:
    """Keep what is to be kept and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", metavar="NAME", help="archive to write first")
    parser.add_argument("folders", nargs="*", type=Path, help="output folders of runs")
    options = parser.parse_args()
    if bool(options.keep) != bool(options.folders):
        parser.error("--keep takes a name and at least one output folder of a run")
    if options.keep:
        keep(options.keep, options.folders)
    write_text(TARGET, page())
    print(f"{TARGET.name} written")


if __name__ == "__main__":
    main()
