"""Compare a GPU with the CPU: numbers at equal weights, waits, graphs, then the main job.

    python scripts/gpu_report.py --output gpu-report        writes gpu-report/report.md

At equal weights both must agree to rounding. Whole trainings draw other dropout on each device, so
their test MAE over the seeds is compared by Welch's t-test, Holm-corrected over the models.

Exit code 1 if the devices differ, if a training does not repeat, or if a model waits that says it
does not.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from scipy import stats
from tabulate import tabulate

from benchmark import Batch, Model, TrainConfig, UserError, run
from benchmark.config import get_protocol
from benchmark.conformance.tiny_data import build, tiny_batch, tiny_batches, tiny_dims
from benchmark.cost.workload import seconds
from benchmark.records.record import Record
from benchmark.registry import ModelEntry, get_model, list_models
from benchmark.stats import holm
from benchmark.system.atomic import write_text
from benchmark.system.environment import check_device, hardware, prepare
from benchmark.training.loop import train
from benchmark.training.step import Step

SIGNIFICANT = 0.05
WAIT = "synchronizing CUDA operation"  # what torch warns of when the host waits


@dataclass
class Steps:
    """What a model does on a GPU that a CPU cannot show.

    Attributes:
        prediction: largest difference to the CPU at equal weights, of the largest value.
        gradient: the same of the gradients of the summed prediction.
        repeats: whether a second training gives the same numbers, to the last bit.
        waits: of the host for the device, for each further step of an epoch.
        declared: why the model is registered as one that waits, or empty.
        eager_ms: median time of forward, loss and backward.
        graph_ms: the same replayed as a CUDA graph; None where it cannot be captured.
        note: why not.
    """

    prediction: float
    gradient: float
    repeats: bool
    waits: float
    declared: str
    eager_ms: float | None = None
    graph_ms: float | None = None
    note: str = ""


def relative(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    """The largest difference as a share of the largest value of all the tensors."""
    scale = max((b.abs().max().item() for b in theirs if b.numel()), default=0.0)
    pairs = zip(ours, theirs, strict=True)
    most = max(((a.cpu() - b).abs().max().item() for a, b in pairs if b.numel()), default=0.0)
    return most / scale if scale else most


def outputs(model: Model, batch: Batch) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Prediction in evaluation mode and the gradients of its sum."""
    model.eval()
    with torch.no_grad():
        prediction = model(batch).prediction
    with torch.backends.cudnn.flags(enabled=False):  # its recurrences differentiate in training
        total = model(batch).prediction.sum()
    values = [p for p in model.parameters() if p.requires_grad]
    if not total.requires_grad:
        return [prediction], []
    with torch.backends.cudnn.flags(enabled=False):
        found = torch.autograd.grad(total, values, allow_unused=True)
    return [prediction], [g for g in found if g is not None]


def repeats(entry: ModelEntry, device: str) -> bool:
    """Whether two trainings on the device end in the same predictions."""
    dims = tiny_dims(entry.cls)
    whole, valid = tiny_batch(dims, samples=48).to(device), tiny_batch(dims, samples=12).to(device)
    found = []
    for _ in range(2):
        model = build(entry, dims).to(device)  # seeds everything
        config = TrainConfig(batch_size=12, epochs=3)
        rules = get_protocol("quick")
        result = train(model, whole, valid, config=config, protocol=rules, seed=0)
        found.append(result.valid_prediction)
    return bool((found[0] == found[1]).all())


def waits(entry: ModelEntry, device: str) -> float:
    """Waits of the host for each further step: two trainings that differ in steps alone."""
    dims = tiny_dims(entry.cls)
    whole, valid = tiny_batch(dims, samples=48).to(device), tiny_batch(dims, samples=12).to(device)
    counted = []
    for size in (24, 4):
        model = build(entry, dims).to(device)
        config = TrainConfig(batch_size=size, epochs=2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                result = train(
                    model, whole, valid, config=config, protocol=get_protocol("quick"), seed=0
                )
            finally:
                torch.cuda.set_sync_debug_mode("default")
        seen = sum(WAIT in str(warning.message) for warning in caught)
        counted.append((result.training.steps, seen))
    (few, before), (many, after) = counted
    return (after - before) / (many - few) if many > few else 0.0


def step_times(entry: ModelEntry, device: str) -> tuple[float, float | None, str]:
    """Milliseconds of forward, loss and backward, eager and as a graph; why there is no graph."""
    dims = tiny_dims(entry.cls)
    batch = tiny_batch(dims, samples=32).to(device)
    batches = tiny_batches(batch, batch_size=32)
    model = build(entry, dims).to(device)
    training = Step.begin(model, batches, TrainConfig())
    if training is None:
        return 0.0, None, "nothing to train"
    model.start_epoch(1, batches)
    model.train()

    def step() -> None:
        training.differentiate(batch)

    def milliseconds(function: Callable[[], None]) -> float:
        place = torch.device(device)
        return 1000 * median(seconds(function, place) for _ in range(21))

    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.modalities[side]:  # a capture wants its warm-up beside the main stream
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    eager = milliseconds(step)
    graph = torch.cuda.CUDAGraph()
    model.zero_grad(set_to_none=True)
    try:
        with torch.cuda.graph(graph):
            step()
    except RuntimeError as error:
        return eager, None, str(error).partition("\n")[0]
    return eager, milliseconds(graph.replay), ""


def compare(entry: ModelEntry, device: str) -> Steps:
    """A model on the CPU and on the device."""
    dims = tiny_dims(entry.cls)
    model, batch = build(entry, dims), tiny_batch(dims, samples=12)
    cpu = outputs(model, batch)
    gpu = outputs(model.to(device), batch.to(device))
    found = Steps(
        prediction=relative(gpu[0], cpu[0]),
        gradient=relative(gpu[1], cpu[1]),
        repeats=repeats(entry, device),
        waits=waits(entry, device) if device != "cpu" else 0.0,
        declared=entry.no_capture,
    )
    if device != "cpu":
        found.eager_ms, found.graph_ms, found.note = step_times(entry, device)
    return found


Records = dict[tuple[str, str], list[Record]]


def cells(device: str, folder: Path, options: argparse.Namespace) -> Records:
    """Run the grid on a device; (model, part) -> records of the seeds."""
    outcome = run(
        models=options.models.split(","),
        datasets=[options.dataset],
        seeds=options.seeds,
        protocol=options.protocol,
        precision=options.precision if device != "cpu" else "fp32",
        data=options.data,
        text_encoder=options.text_encoder,
        device=device,
        jobs=options.jobs,
        folder=folder,
    )
    for title, sentence in outcome.problems:
        print(f"{title}: {sentence}", file=sys.stderr)
    print(f"main job on {device}: {outcome.seconds:.0f} s", file=sys.stderr)
    found: Records = {}
    for _, record in outcome.records:
        if record.status == "done":
            found.setdefault((record.cell.model, record.cell.part), []).append(record)
    return found


def measured(records: list[Record]) -> list[float | None]:
    """Median latency and best throughput of a record of costs, or nothing."""
    cost = records[0].measurements.cost if records else None
    return [None, None] if cost is None else [cost.latency.p50_ms, cost.throughput.best]


def main_job(options: argparse.Namespace) -> tuple[list[list[Any]], list[str]]:
    """The rows of both devices, and the models whose test MAE differs."""
    gpu = cells(options.device, options.output / "gpu", options)
    cpu = cells("cpu", options.output / "cpu", options)
    rows: list[list[Any]] = []
    lost: list[str] = []
    p_values: dict[str, float] = {}
    for model in sorted({name for name, _ in cpu} | {name for name, _ in gpu}):
        both = [device.get((model, "score"), []) for device in (gpu, cpu)]
        scores = [[r.metric("mae") for r in records] for records in both]
        known = [[value for value in values if value is not None] for values in scores]
        if any(len(values) < options.seeds for values in known):
            lost.append(f"{model}: without a result for every seed on both devices")
            continue
        if known[0] != known[1] and options.seeds > 1:
            p_values[model] = float(stats.ttest_ind(*known, equal_var=False).pvalue)
        speed = [
            median(r.training.samples_per_second if r.training else 0.0 for r in records)
            for records in both
        ]
        costs = [measured(device.get((model, "cost"), [])) for device in (gpu, cpu)]
        pairs = [value for pair in zip(*costs, strict=True) for value in pair]
        rows.append([model, *map(mean, known), p_values.get(model), *speed, *pairs])
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    lost += [
        f"{name}: its test MAE differs between the devices, corrected p = {value:.2g}"
        for name, value in corrected.items()
        if value < SIGNIFICANT
    ]
    return rows, lost


STEPS = """
## At equal weights, and inside a step

*prediction* and *gradient* are the largest differences between the devices as a share of the
largest value; *repeats* tells whether a second training on the GPU ends in the same predictions, to
the last bit; *waits* counts how often the host waits for the GPU in each further step of an epoch;
*eager* and *graph* are medians of forward, loss and backward on a tiny batch, the second replayed
as a CUDA graph. A *declared* reason is the registration's: why a step cannot be captured.
"""
JOB = """
## The main job

Means over the seeds. *p* is that of Welch's t-test between the devices, before its correction;
dropout differs between them, and with few seeds only a gross difference is significant; the exact
comparison is the one above. Training speeds are medians; latency (p50, one sample) and throughput
(best batch) are measured alone.
"""


def steps_table(steps: dict[str, Steps]) -> str:
    """The first half of the page."""
    headers = ["model", "prediction", "gradient", "repeats", "waits", "declared", "eager ms"]
    rows = [[name, *asdict(found).values()] for name, found in steps.items()]
    return tabulate(rows, [*headers, "graph ms", "note"], tablefmt="pipe", floatfmt=".2g")


def job_table(rows: list[list[Any]]) -> str:
    """The second half."""
    headers = ["model", "MAE GPU", "MAE CPU", "p", "train samples/s GPU", "CPU", "p50 ms GPU"]
    rest = ["CPU", "samples/s GPU", "CPU"]
    return tabulate(rows, [*headers, *rest], tablefmt="pipe", floatfmt=".4g")


def main() -> int:
    """Run both devices and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="all", help="comma-separated names, or all")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", default=None, help="folder of the datasets")
    parser.add_argument("--text-encoder", default="", help="local folder or hub name")
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--precision", default="fp32", help="of the GPU: fp32, tf32 or bf16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=None, help="trainings side by side")
    parser.add_argument(
        "--step-tolerance", type=float, default=1e-4, help="allowed at equal weights, fp32"
    )
    parser.add_argument("--output", type=Path, default=Path("gpu-report"))
    options = parser.parse_args()
    wrong: list[str] = []
    try:
        check_device(options.device)
        prepare(options.device, 1, "fp32")
        both = f"{hardware(options.device, 1, options.precision)} and {hardware('cpu', 1, 'fp32')}"
        where = f"`python scripts/gpu_report.py` on {both}, torch {torch.__version__}."
        page = f"# GPU and CPU\n\n{where}\n{STEPS}\n"
        everything = [entry.name for entry in list_models()]
        names = everything if options.models == "all" else options.models.split(",")
        steps = {}
        for name in names:
            found = steps[name] = compare(get_model(name), options.device)
            if max(found.prediction, found.gradient) > options.step_tolerance:
                wrong.append(f"{name}: differs from the CPU at equal weights")
            if not found.repeats:
                wrong.append(f"{name}: a second training gave other numbers")
            if found.waits and not found.declared:
                wrong.append(f"{name}: waits {found.waits:.1f} times a step")
        page += steps_table(steps)
        print(page)
        rows, lost = main_job(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    wrong += lost
    verdict = "".join(f"- {sentence}\n" for sentence in wrong) or "Both devices agree.\n"
    rest = f"{JOB}\n{job_table(rows)}\n\n{verdict}"
    print(rest)
    write_text(options.output / "report.md", f"{page}\n{rest}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
