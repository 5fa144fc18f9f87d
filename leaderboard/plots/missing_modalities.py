"""Skill with one modality missing, and with one alone."""

from typing import TYPE_CHECKING

from leaderboard.plots.draw import plot
from leaderboard.plots.figures import featured, new_figure
from leaderboard.plots.legends import add_patches, short_label
from leaderboard.plots.lines import Numbers, labels_of, plain, summary, trained_rows
from leaderboard.plots.styles import GREY, Style, fill
from leaderboard.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plot("missing-modalities", place=3)
def missing_modalities(table: Table, styles: dict[str, Style]) -> "tuple[Figure, Numbers] | None":
    """Error bars are ± one deviation over runs."""
    numbers = [
        {"row": row.label, "missing": name, **summary("skill", values)}
        for row in trained_rows(table)
        for name, values in _skills(row).items()
    ]
    if not numbers:
        return None
    titles = {
        column.key.removeprefix("skill."): short_label(column.header).replace(" ", "\n", 1)
        for column in table.at("missing")
    }
    names = list(dict.fromkeys(n["missing"] for n in numbers if n["missing"] in titles))
    labels, note = featured(table, labels_of(table, numbers))
    size = max(5.4, 0.095 * len(names) * len(labels) + 1.4), 3.4
    figure, (axis,) = new_figure(table, labels, note, size)
    width = 0.84 / len(labels)
    for place, label in enumerate(labels):
        lines = {line["missing"]: line for line in numbers if line["row"] == label}
        shown = [(x, lines[name]) for x, name in enumerate(names) if name in lines]
        axis.bar(
            [x + (place - (len(labels) - 1) / 2) * width for x, _ in shown],
            [plain(line["skill"]) for _, line in shown],
            width * 0.9,
            yerr=[line["sd"] or 0 for _, line in shown],
            error_kw={"elinewidth": 0.7, "ecolor": "#444444"},
            **fill(styles[label]),
        )
    axis.axhline(0, color=GREY, linewidth=1)
    axis.grid(axis="x", visible=False)
    axis.set_xticks(range(len(names)), [titles[name] for name in names])
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel("skill ↑ (0: constant)")
    add_patches(figure, labels, styles, title=note)
    return figure, numbers


def _skills(row: Row) -> dict[str, list[float]]:
    """Skills of all runs in which they are defined, by what is missing."""
    found: dict[str, list[float]] = {}
    for run in row.done:
        for name, skill in run.robustness.missing.items() if run.robustness else ():
            found.setdefault(name, []).extend([] if skill is None else [skill])
    return found
