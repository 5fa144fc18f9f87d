r"""Choose settings on the validation split: every combination is trained, the test stays closed.

    python scripts/choose_settings.py -d mmmo_mini@folds --data DATA -m tfn,lmf \\
        --set lr=3e-4,1e-3,3e-3 --set batch_size=16,32 --seeds 5 -o FILE.jsonl

Each line of the file is one training: model, settings, seed, fold, and the validation metric of
its best epoch. Trainings that the file holds are not repeated. At the end the mean over seeds (and
so folds) of every combination is printed, the best one first.
"""

import argparse
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from affectbench import _settings
from benchmark.config import TrainConfig
from benchmark.errors import UserError
from benchmark.metrics import get_metric
from benchmark.running.parts import build
from benchmark.running.plan import Plan, plan_grid
from benchmark.training.loop import train


def attempt(job: tuple[Plan, dict[str, Any]]) -> dict[str, Any]:
    """Train one cell and tell its best validation metric; the test split is never opened."""
    plan, given = job
    torch.set_num_threads(1)
    line = {
        "key": plan.cell.key,
        "model": plan.cell.model,
        "settings": json.dumps(given, sort_keys=True),
        "seed": plan.cell.seed,
        "fold": plan.cell.fold,
    }
    try:
        dataset, model = build(plan)
        result = train(
            model,
            dataset.train.batch(centre=dataset.task.centre),
            dataset.valid.batch(centre=dataset.task.centre),
            config=TrainConfig(**plan.cell.config),
            protocol=plan.protocol,
            seed=plan.cell.seed,
        ).training
    except UserError as error:
        return {**line, "value": None, "problem": str(error)}
    return {
        **line,
        "metric": result.selection,
        "value": result.best_value if result.stopped != "diverged" else None,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": round(result.seconds, 2),
    }


def plans(options: argparse.Namespace) -> list[tuple[Plan, dict[str, Any]]]:
    """Every training of the search, each once."""
    found: dict[str, tuple[Plan, dict[str, Any]]] = {}
    for given in _settings(options.set):
        for plan in plan_grid(
            models=options.model.split(","),
            datasets=[options.dataset],
            seeds=options.seeds,
            protocol=options.protocol,
            data=options.data,
            text_encoder=options.text_encoder,
            settings=given,
            plugins=[],
        ):
            if plan.cell.seeded:
                found.setdefault(plan.cell.key, (plan, given))
    return list(found.values())


def main() -> None:
    """Train what is missing and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-d", "--dataset", required=True)
    parser.add_argument("-m", "--model", default="all", help="comma-separated, or all")
    parser.add_argument("--data", help="folder of the datasets")
    parser.add_argument("--set", action="append", help="key=value,value,...; repeatable")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--protocol", default="standard")
    parser.add_argument("--text-encoder", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, required=True, help="file of JSON lines")
    options = parser.parse_args()
    done = []
    if options.output.is_file():
        done = [json.loads(line) for line in options.output.read_text().splitlines()]
    keys = {line["key"] for line in done}
    jobs = [job for job in plans(options) if job[0].cell.key not in keys]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmark.running.engines.preload"])
    with options.output.open("a", encoding="utf-8") as stream, context.Pool(options.jobs) as pool:
        for count, line in enumerate(pool.imap_unordered(attempt, jobs), start=1):
            done.append(line)
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            print(f"[{count}/{len(jobs)}] {line['model']} {line['settings']}: {line['value']}")
    table = pd.DataFrame(done).dropna(subset=["value"])
    table = table.groupby(["model", "settings"])["value"].agg(["mean", "std", "count"])
    metric = next(line["metric"] for line in done if "metric" in line)
    task = "mosi" if metric == "mae" else "multiclass"
    ascending = not get_metric(metric, task).higher_is_better
    for name, group in table.reset_index().groupby("model"):
        print(f"\n{name}")
        print(group.sort_values("mean", ascending=ascending).to_string(index=False))


if __name__ == "__main__":
    main()
