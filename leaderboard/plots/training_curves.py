"""The validation metric that selects, by epoch."""

from typing import TYPE_CHECKING

from leaderboard.plots.draw import plot
from leaderboard.plots.figures import featured, new_figure
from leaderboard.plots.legends import add_legend
from leaderboard.plots.lines import Numbers, draw_band, labels_of, plain, summary, trained_rows
from leaderboard.plots.styles import Style
from leaderboard.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plot("training-curves", place=4)
def training_curves(table: Table, styles: dict[str, Style]) -> "tuple[Figure, Numbers] | None":
    """A line ends where the last run stopped.

    It is solid while all runs train and faint after that, where it is the mean of those that still
    do.
    """
    numbers = _numbers(table)
    column = table.column(table.selection)
    if column is None or not numbers:
        return None
    from matplotlib.ticker import MaxNLocator

    key, scale = f"valid_{table.selection}", 100 if column.percent else 1
    labels, note = featured(table, labels_of(table, numbers))
    figure, (axis,) = new_figure(table, labels, note, (5.6, 3.6))
    for label in labels:
        lines = [line for line in numbers if line["row"] == label]
        whole = [line for line in lines if line["n"] == line["runs"]]
        draw_band(axis, styles[label], whole, "epoch", key, scale)
        axis.plot(
            [line["epoch"] for line in lines],
            [plain(line[key]) * scale for line in lines],
            color=styles[label].colour,
            alpha=0.35,
            linewidth=1,
            zorder=1.5,
        )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch")
    axis.set_ylabel(f"validation {column.title}")
    add_legend(figure, labels, styles, title=note)
    return figure, numbers


def _numbers(table: Table) -> Numbers:
    """The selecting metric on validation by row and epoch, over the runs that got so far."""
    numbers: Numbers = []
    for row in trained_rows(table):
        runs = [
            {epoch.epoch: epoch.valid.get(table.selection) for epoch in record.history}
            for _, record in row.records
        ]
        for epoch in sorted({epoch for run in runs for epoch in run}):
            values = [value for run in runs if (value := run.get(epoch)) is not None]
            found = summary(f"valid_{table.selection}", values)
            numbers.append({"row": row.label, "epoch": epoch, **found, "runs": len(runs)})
    return numbers
