"""Everything that a set of records gives: tables, plots, and the way back to the records."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.errors import UserError
from benchmark.records.store import uncollected
from benchmark.system.atomic import write_text
from leaderboard.build import build_tables
from leaderboard.names import Names
from leaderboard.plots.draw import write_plots
from leaderboard.render.csv import comparisons, csv_text, sources, tidy
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.runs import FIELDS, to_rows
from leaderboard.samples import compare_samples
from leaderboard.source import Run, Source
from leaderboard.table import Table


def write_leaderboard(
    records: Iterable[Source],
    output: Path,
    *,
    names: Names = "registered",
    deviations: bool = False,
    tables: Sequence[Table] | None = None,
) -> list[Path]:
    """Write the tables into a folder and the plots below it; the same records, the same bytes.

    Args:
        records: paths and records, of any number of runs; the npz beside a record is read for
            the confusion matrices.
        output: made if it is not there.
        names: how models are called: as registered, or as in their papers; the CSV files have the
            registered name in `model` in any case.
        deviations: print deviations of Acc-2 and F1 too in the LaTeX tables, which are then wider.
        tables: of these records and names, where they were built before.

    Returns:
        All files written, the tables first.

    Raises:
        UserError: the folder cannot be written to.
    """
    pairs = [Run.of(pair) for pair in records]
    built = build_tables(pairs, names=names) if tables is None else tables
    try:
        plots = write_plots(built, output / "plots")
        with uncollected():
            texts = _texts(pairs, built, plots, output, deviations)
        for name, text in texts.items():
            write_text(output / name, text)
    except OSError as error:
        raise UserError(
            f"cannot write the leaderboard to {output}: {error.strerror}; free space or choose "
            f"another folder with -o"
        ) from error
    return [
        *(output / name for name in texts),
        *(path for files in plots.values() for path in files),
    ]


def _texts(
    pairs: Sequence[Source],
    tables: Sequence[Table],
    plots: dict[str, list[Path]],
    output: Path,
    deviations: bool,
) -> dict[str, str]:
    """File name -> content of everything but the plots."""
    images = {
        name: [path.relative_to(output).as_posix() for path in files if path.suffix == ".png"]
        for name, files in plots.items()
    }
    over_samples = [comparison for table in tables for comparison in compare_samples(table)]
    return {
        "leaderboard.md": markdown(tables, images),
        "leaderboard.csv": tidy(tables),
        "comparisons.csv": comparisons(tables, over_samples),
        "runs.csv": csv_text(to_rows(pairs), FIELDS),
        "leaderboard.tex": latex(tables, deviations=deviations),
        "leaderboard.sources.json": sources(tables, output),
    }
