"""The front door: the `affectbench` command parses, calls and prints, with no logic of its own."""

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from benchmark.running.plan import Plan
    from benchmark.running.run import Event, Outcome

# What `run` takes unless told otherwise: a minute's worth, every family once.
CORE_MODELS = (
    "prior",
    "text-only",
    "late-fusion",
    "tfn",
    "lmf",
    "mfn",
    "mult",
    "mag-bert",
    "self-mm",
    "interactive-attention",
)

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="An honest benchmark of multimodal sentiment and emotion models: accuracy, cost, "
    "inference time and robustness under one protocol.",
    epilog="`--debug` anywhere shows the traceback of an error and of a failing cell. "
    "`affectbench run` alone compares ten models on the embedded data.",
)
data_app = typer.Typer(no_args_is_help=True, help="Import, check and list datasets.")
app.add_typer(data_app, name="data")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="AFFECTBENCH_DATA",
        help="Folder that holds one folder a dataset.",
        show_default="none: only the embedded data",
    ),
]
PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        help="Python file that registers models, evaluations or corruptions of yours; repeatable.",
    ),
]
OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="Folder for records, tables and plots.")
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--text-encoder",
        help="Pretrained text encoder for models that read tokens: a local folder or a hub name.",
        show_default="a small one from scratch",
    ),
]


NamesOption = Annotated[
    Literal["registered", "paper"],
    typer.Option("--names", help="What tables call the models: `mag-bert` or MAG-BERT."),
]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        from benchmark.records.harness import harness_version

        try:
            number = version("affectbench")
        except PackageNotFoundError:
            number = "not installed"
        print(f"affectbench {number}, harness {harness_version()}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Options before the command."""


class _Screen(Console):
    """Shows text as it is: no part is markup or the name of an emoji, and no sign is unseen."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> "Text":
        """Every string that is printed, also in a cell of a table, comes through here."""
        from benchmark.naming import visible

        return super().render_str(visible(text), **options)


def _coloured(*parts: str | tuple[str, str]) -> "Text":
    """A line of texts, those in a pair with its colour."""
    from rich.text import Text

    from benchmark.naming import visible

    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((visible(text), colour) for text, colour in pairs))


def console() -> Console:
    """Standard output, at least 120 columns wide where it is no terminal."""
    terminal = sys.stdout.isatty()
    return _Screen(width=None if terminal else 140)


@app.command()
def run(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            help="Models, comma-separated or repeated; `all` takes every registered one.",
            show_default=", ".join(CORE_MODELS),
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--dataset",
            help="Datasets, comma-separated or repeated; `name@folds` cross-validates.",
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="How many seeds, from 0, or which: `5` or `0,3,7,` .")
    ] = "3",
    protocol: Annotated[
        str,
        typer.Option(help="`quick` for a look, `standard` for a paper, or a TOML or JSON file."),
    ] = "quick",
    corruptions: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the robustness curves, comma-separated or repeated; see `ls corruptions`.",
            show_default="the protocol's",
        ),
    ] = None,
    levels: Annotated[
        str,
        typer.Option(
            help="Of the corruptions, from 0 to at most 1: `0,0.25,0.5`.",
            show_default="the protocol's",
        ),
    ] = "",
    precision: Annotated[
        Literal["fp32", "tf32", "bf16"] | None,
        typer.Option(help="Of training and evaluation.", show_default="the protocol's, fp32"),
    ] = None,
    device: Annotated[str, typer.Option(help="`cpu`, `cuda` or `cuda:n`.")] = "cpu",
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Trainings side by side; 0 runs in this process.",
            show_default="one a core, one on a GPU",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of one training.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="`key=value` for every model that knows the key, or `model.key=value`; "
            "`key=a,b` runs both.",
        ),
    ] = None,
    text_encoder: EncoderOption = "",
    data: DataOption = None,
    plugin: PluginOption = None,
    output: OutputOption = Path("results"),
    overwrite: Annotated[
        Literal["missing", "failed", "costs", "all"],
        typer.Option(
            help="Which cells to run again: only missing ones, failed ones too, all costs, all. "
            "A result is replaced by a result only."
        ),
    ] = "missing",
    time_limit: Annotated[
        float, typer.Option(help="Minutes after which one cell is ended, in worker processes.")
    ] = 360.0,
    names: NamesOption = "registered",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the grid and stop.")] = False,
) -> None:
    """Train, evaluate and measure models, then print and write the leaderboard.

    A second run does nothing for cells that have a record; a killed run continues. The tables
    cover all records of the output folder. What a cell prints is in a `.log` beside its record.
    """
    from benchmark.config import changed_protocol, get_protocol
    from benchmark.records.store import find_records
    from benchmark.running.plan import plan_grid
    from benchmark.running.run import execute

    screen = console()
    changes: dict[str, Any] = {"corruptions": _split(corruptions), "levels": _levels(levels)}
    rules = get_protocol(protocol)
    changes = {key: value for key, value in changes.items() if value}
    models = _split(model)
    group = [] if models or plugin else list(CORE_MODELS)
    if text_encoder and "text-only" in [*models, *group]:
        group.append("text-only-features")  # the floor of the models that read word vectors
    plans = plan_grid(
        models=models,
        group=group,
        datasets=_split(dataset) or ["synthetic"],
        seeds=_seeds(seeds),
        protocol=changed_protocol(rules, changes) if changes else rules,
        precision=precision,
        settings=_settings(settings),
        data=data,
        text_encoder=text_encoder,
        device=device,
        threads=threads,
        plugins=plugin or [],
        folder=output,
    )
    if dry_run:
        _print_grid(screen, plans, overwrite)
        return
    with _progress(screen, plans) as show:
        outcome = execute(
            plans, jobs=jobs, overwrite=overwrite, time_limit=time_limit, on_event=show
        )
    at_hand = {(plan.cell.dataset, plan.protocol.digest) for plan in plans}
    records = list(find_records(output, _telling(screen)))
    written = _write_tables(screen, records, output, names, at_hand)
    _print_summary(screen, outcome, written, output)
    if outcome.interrupted:
        done = outcome.found + outcome.made
        screen.print(f"stopped: {done} of {len(plans)} cells done; the same command continues")
        raise typer.Exit(130)
    if outcome.problems:
        raise typer.Exit(1)


@app.command()
def ls(
    what: Annotated[
        Literal["models", "datasets", "protocols", "corruptions", "evaluations", "settings"],
        typer.Argument(help="What to list."),
    ] = "models",
    name: Annotated[str, typer.Argument(help="With `settings`: of which model.")] = "",
    data: DataOption = None,
    plugin: PluginOption = None,
) -> None:
    """List models, datasets, protocols, corruptions, evaluations, or one model's settings."""
    from rich.table import Table

    if what == "datasets":
        data_ls(data)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    if what == "protocols":
        from benchmark.config import PROTOCOLS

        table.add_column("field")
        for header in PROTOCOLS:
            table.add_column(header)
        rows = {key: rules.model_dump() for key, rules in PROTOCOLS.items()}
        for field in next(iter(rows.values())):
            table.add_row(field, *(str(values[field]) for values in rows.values()))
        console().print(table)
        return
    from benchmark.plugins import broken_modules
    from benchmark.registry import get_model, list_evaluations, list_models, load_plugin

    screen = console()
    for path in plugin or []:
        load_plugin(path)
    if what == "models":
        for header in ("model", "kind", "datasets with own settings", "paper"):
            table.add_column(header, no_wrap=header == "model")
        for entry in list_models():
            table.add_row(entry.name, entry.kind, ", ".join(entry.defaults), entry.paper)
    elif what == "corruptions":
        from robustness.corruptions import CORRUPTIONS

        for header in ("corruption", "a level of 1 is", "what it does"):
            table.add_column(header, no_wrap=header == "corruption")
        for corruption in CORRUPTIONS.values():
            table.add_row(corruption.name, corruption.unit, corruption.description)
    elif what == "evaluations":
        table.add_column("evaluation", no_wrap=True)
        table.add_column("what it measures")
        for evaluation in list_evaluations():
            text = (evaluation.function.__doc__ or "").strip().partition("\n")[0]
            table.add_row(evaluation.name, text)
    else:
        entry = get_model(name)
        for header in ("setting", "default", "own defaults by dataset"):
            table.add_column(header)
        keys = list(entry.parameters) + sorted(
            {key for values in entry.defaults.values() for key in values} - set(entry.parameters)
        )
        arguments, config = entry.resolve("")
        values = {**config.model_dump(), **arguments}
        for key in keys:
            own = {name: v[key] for name, v in entry.defaults.items() if key in v}
            table.add_row(
                key, str(values.get(key, "")), ", ".join(f"{n}: {v}" for n, v in own.items())
            )
    screen.print(table)
    for module, reason in broken_modules().items():
        screen.print(f"{module} is left out: {reason}", style="yellow")


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models and corruptions to check.", show_default="the plugin's, or all models"
        ),
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Tell in seconds which promise of the contract a model or a corruption breaks."""
    from benchmark.conformance.promises import run_checks
    from benchmark.registry import get_model, list_models, load_plugin
    from robustness.corruptions import CORRUPTIONS
    from robustness.promises import run_checks as run_corruption_checks

    screen = console()
    known = set(CORRUPTIONS)
    own = [name for path in plugin or [] for name in load_plugin(path)]
    noises = [name for name in CORRUPTIONS if name not in known]
    chosen = own or ([] if noises else [entry.name for entry in list_models()])
    if names:
        noises = [name for name in names if name in CORRUPTIONS]
        chosen = [name for name in names if name not in CORRUPTIONS]
    broken = 0
    for name, results in (
        *((name, run_checks(get_model(name))) for name in chosen),
        *((name, run_corruption_checks(name)) for name in noises),
    ):
        bad = [result for result in results if result.status in ("failed", "exempt-but-passes")]
        broken += len(bad)
        kept = sum(result.status == "passed" for result in results)
        exempt = [result.name for result in results if result.status == "exempt"]
        note = f", exempt: {', '.join(exempt)}" if exempt else ""
        mark = ("✗", "red") if bad else ("✓", "green")
        screen.print(_coloured(mark, f" {name}: {kept} of {len(results)} promises kept{note}"))
        for result in bad:
            screen.print(_coloured("    ", (result.name, "red"), f": {result.sentence}"))
    if broken:
        raise typer.Exit(1)


@app.command()
def score(
    dataset: Annotated[str, typer.Argument(help="Dataset whose test split was predicted.")],
    predictions: Annotated[
        list[Path],
        typer.Argument(help="CSV files with the columns id and prediction, one a seed."),
    ],
    name: Annotated[
        str, typer.Option(help="Of the row.", show_default="what the names of the files share")
    ] = "",
    seeds: Annotated[
        str, typer.Option(help="Of the files, in their order.", show_default="0, 1, 2, ...")
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(
            help="Whose table the row joins.", show_default="that of the records in -o, else quick"
        ),
    ] = "",
    text_encoder: EncoderOption = "",
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder of a run, to whose records and tables the row is added.",
            show_default="none: only print",
        ),
    ] = None,
) -> None:
    """Score predictions made anywhere and print the same table row.

    Classes come as a column `prediction` of names or numbers, or as one column of logits a class;
    yes-no labels as one column a label, of 0 and 1 or of logits.
    """
    from benchmark.external import External, common_name, score_files
    from benchmark.records.store import all_records
    from leaderboard.build import build_tables
    from leaderboard.render.terminal import terminal_table

    chosen = _seeds(seeds) if seeds else len(predictions)
    numbers = list(range(chosen)) if isinstance(chosen, int) else chosen
    name = name or common_name(predictions)
    external = External(name, dataset, data, text_encoder, protocol, output)
    scored = score_files(external, predictions, numbers)
    screen = console()
    if output is None:
        for table in build_tables(scored):
            screen.print(terminal_table(table, screen.width))
    else:
        _write_tables(screen, all_records(output, _telling(screen)), output)
        screen.print(f"{len(scored)} records of {name} written below {output}")


@app.command()
def leaderboard(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Output folders of runs, merged.", show_default="results"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write.", show_default="the first folder"),
    ] = None,
    names: NamesOption = "registered",
) -> None:
    """Write tables and plots anew from the records of one or more runs."""
    from benchmark.records.store import all_records

    chosen = folders or [Path("results")]
    screen = console()
    records = [pair for folder in chosen for pair in all_records(folder, _telling(screen))]
    written = _write_tables(screen, records, output or chosen[0], names)
    screen.print(f"{len(written)} files in {output or chosen[0]}")


@app.command("sys-info")
def sys_info() -> None:
    """Print versions, processor and GPUs, as records keep them."""
    import torch

    from benchmark.system.environment import environment

    screen = console()
    for name, value in environment("cpu", torch.get_num_threads(), "fp32").items():
        screen.print(f"{name}: {value}")
    count = torch.cuda.device_count()
    names = [torch.cuda.get_device_name(number) for number in range(count)]
    screen.print(f"CUDA devices: {', '.join(names) or 'none'}")


@data_app.command("ls")
def data_ls(data: DataOption = None) -> None:
    """List the datasets that can be named with -d."""
    from rich.table import Table

    from benchmark.datasets.load import list_datasets

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("dataset", "task", "train/valid/test", "text, audio, vision", "format"):
        table.add_column(header)
    for entry in list_datasets(data):
        dims = "/".join(map(str, entry.dims.values()))
        table.add_row(entry.name, entry.problem or entry.task, entry.shape, dims, entry.format)
    console().print(table)


@data_app.command("check")
def data_check(
    dataset: Annotated[str, typer.Argument(help="Dataset to examine.")], data: DataOption = None
) -> None:
    """Examine a dataset: sizes, widths, NaN, labels, duplicates, overlap between splits."""
    from benchmark.datasets.doctor import examine

    screen = console()
    colours = {"error": "red", "warning": "yellow", "ok": "green"}
    findings = examine(dataset, data)
    for finding in findings:
        level = f"{finding.level:7}", colours[finding.level]
        screen.print(_coloured(level, f" {finding.sentence}"))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


@data_app.command("import")
def data_import(
    name: Annotated[str, typer.Argument(help="Name to give it: `mosi`, `mosei`, `sims`, ...")],
    path: Annotated[Path, typer.Argument(help="A pickle of MMSA or a folder of npz files.")],
    data: Annotated[
        Path, typer.Option("--data", envvar="AFFECTBENCH_DATA", help="Where datasets lie.")
    ] = Path("data"),
) -> None:
    """Convert a foreign layout once into the native one.

    A pickle is read without the pickle module: a process of its own, which can write no files where
    the system has such limits, follows the few opcodes that arrays, numbers, texts and plain
    containers need, and refuses all others.
    """
    from benchmark.datasets.convert import import_dataset

    screen = console()
    for sentence in import_dataset(path, data / name, name):
        screen.print(sentence)
    screen.print(f"written to {data / name}; use it with -d {name} --data {data}")


def _split(values: list[str] | None) -> list[str]:
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def _seeds(text: str) -> int | list[int]:
    from benchmark.errors import UserError

    try:
        if "," in text:
            return [int(part) for part in text.split(",") if part.strip()]
        count = int(text)
    except ValueError:
        raise UserError(f"--seeds takes a number or a list such as 0,1,2, got {text!r}") from None
    if count < 1:
        raise UserError(f"--seeds takes at least 1, got {count}")
    return count


def _levels(text: str) -> tuple[float, ...]:
    from benchmark.errors import UserError

    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UserError(f"--levels takes numbers such as 0,0.25,0.5, got {text!r}") from None


def _settings(pairs: list[str] | None) -> list[dict[str, Any]]:
    """Every combination of the values given; one of no settings where none is."""
    from itertools import product

    from benchmark.errors import UserError

    values: dict[str, list[Any]] = {}
    for pair in pairs or []:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise UserError(f"--set takes key=value, got {pair!r}")
        if key in values:
            raise UserError(f"--set {key} is given twice; {key}=a,b runs both values")
        values[key] = _values(text)
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def _values(text: str) -> list[Any]:
    """The value of a setting, or the several ones that commas part."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        words = {"true": True, "false": False, "none": None}
        if "," not in text:
            return [words.get(text.lower(), text)]
    return [value for part in text.split(",") if part.strip() for value in _values(part.strip())]


def _print_grid(screen: Console, plans: "list[Plan]", overwrite: Any) -> None:
    from rich.table import Table

    from benchmark.running.run import is_done

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("dataset", "model", "variant", "part", "seed", "record", "state"):
        table.add_column(header)
    waiting, left = 0, {plan.declined: None for plan in plans if plan.declined}
    plans = [plan for plan in plans if not plan.declined]
    for plan in plans:
        done = is_done(plan, overwrite)
        waiting += not done
        cell = plan.cell
        seed = str(cell.seed) if cell.seeded else ""
        state = "done" if done else "to run"
        table.add_row(cell.dataset, cell.model, cell.variant, cell.part, seed, cell.key, state)
    screen.print(table)
    for reason in left:
        screen.print(f"left out: {reason}", style="yellow")
    screen.print(f"{len(plans)} cells, {waiting} to run")


class _progress:
    """Shows events: a live display on a terminal, a line for each finished cell elsewhere."""

    def __init__(self, screen: Console, plans: "list[Plan]"):
        self.total = sum(not plan.declined for plan in plans)
        self.screen, self.finished = screen, 0
        self.live: Any = None
        self.lines: dict[str, Any] = {}

    def __enter__(self) -> "Callable[[Event], None]":
        if self.screen.is_terminal:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
            )

            self.live = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=self.screen,
                transient=True,
            )
            self.whole = self.live.add_task("cells", total=self.total, note="")
            self.live.start()
        return self.show

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, event: "Event") -> None:
        """Show one event."""
        cell = event.plan.cell
        if event.kind == "unreadable":
            self.screen.print(event.sentence, style="yellow")
            return
        if event.kind in ("declined", "broken"):
            verb = "is left out" if event.kind == "declined" else "breaks the"
            self.screen.print(
                f"{cell.dataset}/{cell.model} {verb}{':' if event.kind == 'declined' else ''} "
                f"{event.sentence}",
                style="yellow",
            )
            return
        if event.kind in ("skipped", "finished"):
            self.finished += 1
        if self.live is not None:
            self._draw(event)
        elif event.kind == "finished" and event.record is not None:
            self.screen.print(
                f"[{self.finished}/{self.total}] {cell.title}: {_sentence(event.record)}"
            )

    def _draw(self, event: "Event") -> None:
        """Bring the live display up to date."""
        from benchmark.naming import visible

        key = event.plan.cell.key
        if event.kind == "started":
            title = visible(event.plan.cell.title)
            self.lines[key] = self.live.add_task(title, total=None, note="")
        elif event.kind == "epoch" and event.epoch is not None and key in self.lines:
            name, value = next(iter(event.epoch.valid.items()), ("", None))
            note = "" if value is None else f"valid {name} {value:.3f}"
            self.live.update(
                self.lines[key], total=event.epochs, completed=event.epoch.epoch, note=note
            )
        elif event.kind == "finished" and key in self.lines:
            self.live.remove_task(self.lines.pop(key))
        self.live.update(self.whole, completed=self.finished)


def _sentence(record: Any) -> str:
    """What a plain progress line says of a finished cell: never a test score."""
    seconds = f"{record.wall_seconds:.1f} s"
    if record.status != "done":
        return f"{record.status} after {seconds}"
    if record.training is None:
        return f"measured in {seconds}"
    training = record.training
    value = training.best_value
    shown = "" if value is None else f", valid {training.selection} {value:.4f}"
    return f"{training.epochs} epochs, best {training.best_epoch}{shown}, {seconds}"


def _telling(screen: Console) -> "Callable[[str], None]":
    """Prints a sentence about a file that is left out."""
    return lambda sentence: screen.print(sentence, style="yellow")


def _write_tables(
    screen: Console,
    records: Any,
    output: Path,
    names: Literal["registered", "paper"] = "registered",
    at_hand: set[tuple[str, str]] | None = None,
) -> list[Path]:
    """Write the tables of all records, and print those of the datasets and protocol at hand."""
    from benchmark.config import digest
    from leaderboard.build import build_tables
    from leaderboard.render.terminal import terminal_table
    from leaderboard.report import write_leaderboard
    from leaderboard.source import Run

    older, runs = 0, [Run.of(pair) for pair in records]
    tables = build_tables(runs, names=names)
    for table in tables:
        if at_hand is None or (table.dataset, digest(table.protocol)) in at_hand:
            if table.current:
                screen.print(terminal_table(table, screen.width))
            else:
                older += sum(len(row.records) for row in table.rows)
    if older:
        screen.print(
            f"{older} records of an earlier harness are shown as such in leaderboard.md; they are "
            f"not averaged with new ones"
        )
    return write_leaderboard(runs, output, names=names, tables=tables)


def _print_summary(screen: Console, outcome: "Outcome", written: list[Path], output: Path) -> None:
    screen.print(
        f"{outcome.made} cells run, {outcome.found} found, {len(outcome.problems)} without a "
        f"result, {outcome.seconds:.1f} s"
    )
    told: dict[str, list[Any]] = {}
    for problem in outcome.problems:
        told.setdefault(problem.sentence, []).append(problem)
    for sentence, problems in told.items():
        titles = ", ".join(problem.title for problem in problems[:3])
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        screen.print(_coloured((f"{titles}{more}", "red"), f": {sentence}"))
        if _debugging() and problems[0].traceback:
            screen.print(problems[0].traceback)
    tables = [path.name for path in written if path.parent == output]
    screen.print(f"{', '.join(tables)} and plots/ in {output}")


def _debugging() -> bool:
    return bool(os.environ.get("AFFECTBENCH_DEBUG"))


def main() -> None:
    """Run the command; a user's mistake ends in one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what it cannot encode, as a code
    if "--debug" in sys.argv:
        os.environ["AFFECTBENCH_DEBUG"] = "1"
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; finished cells are kept, the same command continues")
        sys.exit(130)
    except Exception as error:
        from benchmark.errors import UserError

        if _debugging() or not isinstance(error, UserError):
            raise
        _Screen(stderr=True).print(f"error: {error}", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
