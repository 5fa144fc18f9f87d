"""The tables for a paper: booktabs, pairs with a slash, best bold and second underlined."""

from collections.abc import Sequence

from leaderboard.columns import PAIRS
from leaderboard.entries import Column, Row, Table
from leaderboard.numbers import UNDEFINED, number

SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "–": "--",
    "†": r"\textsuperscript{\dag}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
COSTS = ("parameters", "flops", "latency_p50", "training_seconds")


def latex(tables: Sequence[Table]) -> str:
    """One table environment for each table that has a score."""
    parts = ["% Needs \\usepackage{booktabs,graphicx}; a table wider than the text is scaled down."]
    parts += [_environment(table) for table in tables if table.convention]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text with every character that LaTeX would read as a command made harmless."""
    return "".join(SPECIAL.get(sign, sign) for sign in text)


def _environment(table: Table) -> str:
    columns = _columns(table)
    heads = [" & ".join(["Model", *(_head(title, parts) for title, parts in columns)])]
    lines = [
        r"\begin{table*}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        f"\\caption{{{escape(_caption(table))}}}",
        f"\\label{{tab:{table.id}}}",
        FIT,
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        heads[0] + r" \\",
    ]
    previous = None
    for row in table.rows:
        if row.kind != previous:
            lines.append(r"\midrule")
        previous = row.kind
        lost = "" if row.runs in (UNDEFINED, str(len(row.records))) else f" ({row.runs})"
        cells = [escape(row.label + lost)]
        cells += [_cell(table, row, parts) for _, parts in columns]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]
    return "\n".join(lines)


def _columns(table: Table) -> list[tuple[str, list[Column]]]:
    """Titles with the one or two columns that they print."""
    pairs = PAIRS.get(table.convention, {})
    second = {pair[1] for pair in pairs.values()}
    titles = {pair[0]: title for title, pair in pairs.items()}
    found: list[tuple[str, list[Column]]] = []
    for column in table.group("score"):
        if column.key in titles:
            keys = pairs[titles[column.key]]
            found.append((titles[column.key], [c for c in table.columns if c.key in keys]))
        elif column.key not in second:
            found.append((column.header, [column]))
    chosen = [table.column(key) for key in ("mean_skill", *COSTS)]
    return found + [(column.header, [column]) for column in chosen if column is not None]


def _head(title: str, parts: Sequence[Column]) -> str:
    arrow = "↑" if parts[0].higher_is_better else "↓"
    unit = f" ({parts[0].unit})" if parts[0].unit and parts[0].group == "cost" else ""
    return escape(f"{title}{unit} {arrow}")


def _cell(table: Table, row: Row, parts: Sequence[Column]) -> str:
    shown = [_value(table, row, column, alone=len(parts) == 1) for column in parts]
    return shown[0] if set(shown) == {"--"} else "/".join(shown)


def _value(table: Table, row: Row, column: Column, *, alone: bool) -> str:
    entry = row.entries.get(column.key)
    if entry is None or entry.mean is None:
        return "--"
    mark = table.mark(row, column.key)
    command = {"best": r"\textbf", "second": r"\underline", "": ""}[mark.place]
    text = escape(number(column, entry.mean)).replace("-", "$-$")
    text = f"{command}{{{text}}}" if command else text
    if alone and column.group != "cost" and entry.deviation is not None:
        text += f"{{\\scriptsize$\\pm${escape(number(column, entry.deviation))}}}"
    return text + (escape("†") if mark.similar else "")


def _caption(table: Table) -> str:
    sentences = [
        f"{table.title[:1].upper()}{table.title[1:]}: mean ± standard deviation over "
        f"{table.seeds}, accuracies and F1 in %."
    ]
    if PAIRS.get(table.convention):
        sentences.append("Acc-2 and F1: negative/non-negative and negative/positive, means only.")
    if table.column("mean_skill"):
        sentences.append("Robust: mean skill over corruption levels.")
    if table.hardware:
        sentences.append(f"Costs on {table.hardware}.")
    if any(mark.similar for mark in table.marks.values()):
        sentences.append("†: difference to the best not significant.")
    return " ".join(sentences)
