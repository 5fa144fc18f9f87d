"""Compare a GPU with the CPU: numbers at equal weights, waits, graphs, then the main job.

    python scripts/gpu_report.py --output gpu-report

Exit code 1 if any number lies outside its tolerance, or a model waits that says it does not.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmark import Batch, Model, TrainConfig, UserError, run
from benchmark.config import get_protocol
from benchmark.environment import check_device, hardware, prepare
from benchmark.probe import seconds
from benchmark.registry import ModelEntry, get_model, list_models
from benchmark.results import Record, write_text
from benchmark.train import train
from benchmark.trial import TinyBatches, build, tiny_batch, tiny_dims

WAIT = "synchronizing CUDA operation"  # what torch warns of when the host waits


@dataclass
class Steps:
    """What a model does on a GPU that a CPU cannot show.

    Attributes:
        prediction: largest difference to the CPU at equal weights, of the largest value.
        gradient: the same of the gradients of the summed prediction.
        waits: of the host for the device, for each further step of an epoch.
        declared: why the model is registered as one that waits, or empty.
        eager_ms: median time of forward, loss and backward.
        graph_ms: the same replayed as a CUDA graph; None where it cannot be captured.
        note: why not.
    """

    prediction: float
    gradient: float
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
    batches = TinyBatches(batch, batch_size=32)
    model = build(entry, dims).to(device)
    model.start_training(batches)
    model.start_epoch(1, batches)
    model.train()

    def step() -> None:
        loss = model.loss(model(batch), batch)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]

    def median(function: Any) -> float:
        place = torch.device(device)
        return 1000 * sorted(seconds(function, place) for _ in range(21))[10]

    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(side):  # a capture wants its warm-up beside the main stream
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    eager = median(step)
    graph = torch.cuda.CUDAGraph()
    model.zero_grad(set_to_none=True)
    try:
        with torch.cuda.graph(graph):
            step()
    except RuntimeError as error:
        return eager, None, str(error).partition("\n")[0]
    return eager, median(graph.replay), ""


def compare(entry: ModelEntry, device: str) -> Steps:
    """A model on the CPU and on the device."""
    dims = tiny_dims(entry.cls)
    model, batch = build(entry, dims), tiny_batch(dims, samples=12)
    cpu = outputs(model, batch)
    gpu = outputs(model.to(device), batch.to(device))
    found = Steps(
        prediction=relative(gpu[0], cpu[0]),
        gradient=relative(gpu[1], cpu[1]),
        waits=waits(entry, device) if device != "cpu" else 0.0,
        declared=entry.no_capture,
    )
    if device != "cpu":
        found.eager_ms, found.graph_ms, found.note = step_times(entry, device)
    return found


def cells(device: str, folder: Path, options: argparse.Namespace) -> dict[tuple[str, str], Record]:
    """Run the grid on a device; (model, part) -> record of the first seed."""
    outcome = run(
        models=options.models.split(","),
        datasets=[options.dataset],
        seeds=1,
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
    return {(r.cell.model, r.cell.part): r for _, r in outcome.records if r.status == "done"}


def measured(record: Record | None) -> list[float | None]:
    """Median latency, best throughput and training step of a record of costs, or nothing."""
    cost = {} if record is None else dict(record.measurements.get("cost") or {})
    latency = (cost.get("latency") or {}).get("p50_ms")
    return [latency, (cost.get("throughput") or {}).get("best")]


def main_job(options: argparse.Namespace) -> tuple[list[list[Any]], list[str]]:
    """The rows of both devices and the models outside the tolerance."""
    gpu = cells(options.device, options.output / "gpu", options)
    cpu = cells("cpu", options.output / "cpu", options)
    rows, outside = [], []
    for model in sorted({name for name, _ in cpu}):
        ours, theirs = gpu.get((model, "score")), cpu.get((model, "score"))
        if ours is None or theirs is None:
            outside.append(model)
            continue
        mae = ours.metric("mae"), theirs.metric("mae")
        if mae[0] is None or mae[1] is None or abs(mae[0] - mae[1]) > options.tolerance:
            outside.append(model)
        speed = [r.training.samples_per_second if r.training else None for r in (ours, theirs)]
        costs = [measured(device.get((model, "cost"))) for device in (gpu, cpu)]
        rows.append([model, *mae, *speed, *(v for pair in zip(*costs, strict=True) for v in pair)])
    return rows, outside


def main() -> int:
    """Run both devices and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="all", help="comma-separated names, or all")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--data", default=None, help="folder of the datasets")
    parser.add_argument("--text-encoder", default="", help="local folder or hub name")
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--precision", default="fp32", help="of the GPU: fp32, tf32 or bf16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=None, help="trainings side by side")
    parser.add_argument("--tolerance", type=float, default=0.05, help="allowed difference in MAE")
    parser.add_argument(
        "--step-tolerance", type=float, default=1e-4, help="allowed at equal weights, fp32"
    )
    parser.add_argument("--output", type=Path, default=Path("gpu-report"))
    options = parser.parse_args()
    wrong: list[str] = []
    summary: dict[str, Any] = {}
    try:
        check_device(options.device)
        prepare(options.device, 1, "fp32")
        print(hardware(options.device, 1, options.precision))
        everything = [entry.name for entry in list_models()]
        names = everything if options.models == "all" else options.models.split(",")
        steps = {}
        for name in names:
            found = steps[name] = compare(get_model(name), options.device)
            if max(found.prediction, found.gradient) > options.step_tolerance:
                wrong.append(f"{name}: differs from the CPU at equal weights")
            if found.waits and not found.declared:
                wrong.append(f"{name}: waits {found.waits:.1f} times a step")
        rows = [[name, *asdict(found).values()] for name, found in steps.items()]
        headers = ["model", "prediction", "gradient", "waits", "declared", "eager ms", "graph ms"]
        print(tabulate(rows, headers=[*headers, "note"], floatfmt=".3g"))
        summary["steps"] = {name: asdict(found) for name, found in steps.items()}
        write_text(options.output / "summary.json", json.dumps(summary, indent=1) + "\n")
        jobs, outside = main_job(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    headers = ["model", "MAE GPU", "MAE CPU", "train samples/s GPU", "CPU", "p50 ms GPU", "CPU"]
    print(tabulate(jobs, headers=[*headers, "samples/s GPU", "CPU"], floatfmt=".4g"))
    wrong += [f"{name}: outside the tolerance of {options.tolerance} MAE" for name in outside]
    summary |= {"device": options.device, "problems": wrong, "main_job": jobs}
    write_text(options.output / "summary.json", json.dumps(summary, indent=1) + "\n")
    print("\n".join(wrong) or "every number lies within its tolerance")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
