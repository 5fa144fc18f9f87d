"""Run the main job and the cost table on a GPU, compare with the CPU, print both.

    python scripts/gpu_report.py --output gpu-report

Exit code 1 if a model's test MAE on the GPU lies outside the tolerance of the CPU's.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmark import UserError, run
from benchmark.environment import hardware
from benchmark.results import Record, write_text


def cells(device: str, folder: Path, options: argparse.Namespace) -> dict[tuple[str, str], Record]:
    """Run the grid on a device; (model, part) -> record of the first seed."""
    outcome = run(
        models=options.models.split(","),
        datasets=[options.dataset],
        seeds=1,
        protocol=options.protocol,
        data=options.data,
        text_encoder=options.text_encoder,
        device=device,
        folder=folder,
    )
    for title, sentence in outcome.problems:
        print(f"{title}: {sentence}", file=sys.stderr)
    return {(r.cell.model, r.cell.part): r for _, r in outcome.records if r.status == "done"}


def cost(record: Record | None) -> dict[str, Any]:
    """The cost measurement of a record, or nothing."""
    return {} if record is None else dict(record.measurements.get("cost", {}))


def main() -> int:
    """Run both devices and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="all", help="comma-separated names, or all")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--data", default=None, help="folder of the datasets")
    parser.add_argument("--text-encoder", default="", help="local folder or hub name")
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tolerance", type=float, default=0.05, help="allowed difference in MAE")
    parser.add_argument("--output", type=Path, default=Path("gpu-report"))
    options = parser.parse_args()
    try:
        gpu = cells(options.device, options.output / "gpu", options)
        cpu = cells("cpu", options.output / "cpu", options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows, outside = [], []
    for model in sorted({name for name, _ in cpu}):
        ours, theirs = gpu.get((model, "score")), cpu.get((model, "score"))
        if ours is None or theirs is None:
            outside.append(model)
            continue
        mae = ours.metric("mae"), theirs.metric("mae")
        if mae[0] is None or mae[1] is None or abs(mae[0] - mae[1]) > options.tolerance:
            outside.append(model)
        latency = [
            cost(device.get((model, "cost"))).get("latency", {}).get("p50_ms")
            for device in (gpu, cpu)
        ]
        speed = [
            record.training.samples_per_second if record.training else None
            for record in (ours, theirs)
        ]
        rows.append([model, *mae, *speed, *latency])
    headers = ["model", "MAE GPU", "MAE CPU", "train samples/s GPU", "train samples/s CPU"]
    headers += ["p50 ms GPU", "p50 ms CPU"]
    print(hardware(options.device, 1, "fp32"))
    print(tabulate(rows, headers=headers, floatfmt=".4g"))
    summary = {"device": options.device, "outside_tolerance": outside, "rows": rows}
    write_text(options.output / "summary.json", json.dumps(summary, indent=1) + "\n")
    if outside:
        print(f"outside the tolerance of {options.tolerance} MAE: {', '.join(outside)}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
