"""The tables for a paper: booktabs, pairs with a slash, best bold and second underlined."""

import re
from collections.abc import Sequence

from leaderboard.names import UNTUNED, corruption_head, one_line
from leaderboard.numbers import number
from leaderboard.table import GROUPS, Column, Row, Table

SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "†": r"\textsuperscript{\dag}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
DASHES = re.compile("-(?=-)")  # two hyphens would be one dash
FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
UNTUNED_MARK = r"\textsuperscript{u}"


def latex(tables: Sequence[Table], *, deviations: bool = False) -> str:
    """A table environment with the scores of each table that has any, and more beside it.

    Two more are for robustness, one for each user's evaluation with columns that are printed.

    Args:
        tables: in the order of the file.
        deviations: print those of Acc-2 and F1 too, which makes a wide table wider.
    """
    parts = ["% Needs \\usepackage{booktabs,graphicx}; a table wider than the text is scaled down."]
    for table in tables:
        if table.convention:
            parts += [_scores(table, deviations), _corruptions(table), _missing(table)]
            parts += [_own(table, name) for name in table.groups if name not in GROUPS]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text on one line with every character that LaTeX would read as a command made harmless."""
    escaped = "".join(SPECIAL.get(sign, sign) for sign in one_line(text))
    return DASHES.sub("-{}", escaped)


def _scores(table: Table, deviations: bool) -> str:
    columns = table.paired("paper")
    untuned = {row.label for row in table.rows if row.recipe.startswith(UNTUNED)}
    several = len({row.recipe.partition(":")[0] for row in table.rows if row.records}) > 1
    lines = []
    for row in table.rows:
        name = escape(row.label) + (UNTUNED_MARK if several and row.label in untuned else "")
        cells = [_cell(table, row, parts, deviations) for _, parts in columns]
        lines.append((row.kind, [name, escape(row.runs), *cells]))
    return _environment(
        caption=_caption(table, deviations)
        + (f" {UNTUNED_MARK}: settings not tuned." if several and untuned else ""),
        label=table.id,
        heads=[f"{table.unit.title()}s", *(_head(title, parts) for title, parts in columns)],
        lines=lines,
    )


def _corruptions(table: Table) -> str:
    """Mean skill by corruption; empty where it was not measured."""
    columns = {
        column.key: corruption_head(column.key.removeprefix("mean_skill."))
        for column in table.columns
        if column.key.startswith("mean_skill.")
    }
    if not columns:
        return ""
    caption = (
        f"Robustness on {_place(table)}: mean skill over corruption levels, by corruption; 1 is a "
        f"perfect prediction, 0 a constant one. Robust: mean over the corruptions.{_spread(table)}"
    )
    heads = {"clean_skill": "Clean", **columns, "mean_skill": "Robust"}
    return _skills(table, heads, caption, "robustness")


def _missing(table: Table) -> str:
    """Skill by what is missing; empty where it was not measured."""
    columns = {column.key: column.header for column in table.at("missing")}
    if not columns:
        return ""
    caption = (
        f"Skill with missing modalities on {_place(table)}; 1 is a perfect prediction, 0 a "
        f"constant one.{_spread(table)}"
    )
    heads = {key: title[:1].upper() + title[1:] for key, title in columns.items()}
    return _skills(table, heads, caption, "missing")


def _own(table: Table, name: str) -> str:
    """What a user's evaluation measured."""
    columns = table.group(name)
    title = name[:1].upper() + name[1:]
    caption = f"{title} on {_place(table)}.{_spread(table)}"
    if any(column.timed for column in columns):
        caption += f" Measured alone on {table.hardware}."
    heads = [_head(column.header, [column]) for column in columns]
    return _grid(table, columns, heads, escape(caption), name)


def _skills(table: Table, heads: dict[str, str], caption: str, name: str) -> str:
    columns = [column for key in heads if (column := table.column(key)) is not None]
    shown = [escape(f"{heads[column.key]} ↑") for column in columns]
    return _grid(table, columns, shown, escape(caption), name)


def _grid(
    table: Table, columns: Sequence[Column], heads: Sequence[str], caption: str, name: str
) -> str:
    """Means and deviations of the rows that have any of the columns."""
    lines = [
        (row.kind, [escape(row.label), *(_value(table, row, column, True) for column in columns)])
        for row in table.rows
        if any(column.key in row.entries for column in columns)
    ]
    return _environment(caption, f"{table.id}-{name}", heads, lines)


def _environment(
    caption: str, label: str, heads: Sequence[str], lines: Sequence[tuple[str, list[str]]]
) -> str:
    """A whole environment; a rule parts the kinds of rows."""
    parts = [
        r"\begin{table*}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        f"\\caption{{{caption}}}",
        f"\\label{{tab:{label}}}",
        FIT,
        f"\\begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"\toprule",
        " & ".join(["Model", *heads]) + r" \\",
    ]
    previous = None
    for kind, (name, *cells) in lines:
        if kind != previous:
            parts.append(r"\midrule")
        previous = kind
        safe = f"{{}}{name}" if name.startswith(("[", "*")) else name  # else read as part of \\\\
        parts.append(" & ".join([safe, *cells]) + r" \\")
    return "\n".join([*parts, r"\bottomrule", r"\end{tabular}}", r"\end{table*}"])


def _head(title: str, parts: Sequence[Column]) -> str:
    arrow = "↑" if parts[0].higher_is_better else "↓"
    unit = f" ({parts[0].unit})" if parts[0].unit and parts[0].group != "score" else ""
    return escape(f"{title}{unit} {arrow}")


def _cell(table: Table, row: Row, parts: Sequence[Column], deviations: bool) -> str:
    spread = deviations or len(parts) == 1
    shown = [_value(table, row, column, spread) for column in parts]
    return shown[0] if set(shown) == {"--"} else "/".join(shown)


def _value(table: Table, row: Row, column: Column, spread: bool) -> str:
    entry = row.entries.get(column.key)
    if entry is None or entry.mean is None:
        return "--"
    mark = table.mark(row, column.key)
    command = {"best": r"\textbf", "second": r"\underline", "": ""}[mark.place]
    text = escape(number(column, entry.mean)).replace("-", "$-$")
    text = f"{command}{{{text}}}" if command else text
    if spread and column.of_runs and entry.deviation is not None:
        text += f"{{\\scriptsize$\\pm${escape(number(column, entry.deviation))}}}"
    return text + (escape("†") if mark.similar else "")


def _caption(table: Table, deviations: bool) -> str:
    runs = f"Mean ± standard deviation over {table.extent}" if table.several else _single(table)
    sentences = [f"Results on {_place(table)}. {runs}; accuracies and F1 in %."]
    if any(column.pair for column in table.at("paper")):
        means = "" if deviations or not table.several else ", means only"
        sentences.append(f"Acc-2 and F1: negative/non-negative and negative/positive{means}.")
    if table.column("mean_skill"):
        sentences.append("Robust: mean skill over corruption levels.")
    if table.hardware:
        sentences.append(f"Costs on {table.hardware}.")
    if any(mark.similar for mark in table.marks.values()):
        sentences.append("†: difference to the best not significant.")
    return escape(" ".join(sentences))


def _place(table: Table) -> str:
    """Dataset and protocol as part of a sentence."""
    _, _, rest = table.title.partition(f"{table.data}, ")
    return f"{table.data} ({rest})"


def _spread(table: Table) -> str:
    runs = f"Mean ± standard deviation over {table.extent}" if table.several else _single(table)
    return f" {runs}."


def _single(table: Table) -> str:
    return f"A single {table.unit}" if table.extents else "No runs"
