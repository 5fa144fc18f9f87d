"""Write baselines/README.md from the registry, the verified sizes and the golden fixtures.

    python scripts/baseline_table.py

Errors are those of the fixtures in the folder AFFECTBENCH_PARITY (default ../shared/parity).
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections import defaultdict
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tests.parameter_counts  # noqa: E402  after the path
import tests.parity  # noqa: E402
from benchmark.registry import ModelEntry, list_models  # noqa: E402
from benchmark.system.atomic import write_text  # noqa: E402
from tests.parity.harness import ADAPTERS, compare, entries, load_fixture  # noqa: E402

TARGET = ROOT / "baselines" / "README.md"
HEADER = """# Baselines

Written by `python scripts/baseline_table.py` from the registry, the parameter counts in
`tests/parameter_counts` and the golden numbers of the reference implementations that
`tests/baselines/test_parity.py` checks. Sizes are trainable parameters at the reference
configuration; *rest* leaves the text encoder out. Parity is the largest error of outputs and
losses, relative to the largest entry of each array, by fixture; gradients agree within the
tolerances stated there.

"""


def parity() -> dict[str, dict[str, float]]:
    """Class name of ours -> fixture -> largest relative error of outputs and losses."""
    for module in pkgutil.iter_modules(tests.parity.__path__):
        importlib.import_module(f"tests.parity.{module.name}")
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in entries():
        adapter = ADAPTERS.get((entry["model"], entry["variant"]))
        if adapter is None:
            continue
        torch.manual_seed(0)
        fixture = load_fixture(entry)
        result = adapter(fixture)
        errors = compare(fixture, result)
        found[type(result.model).__name__][entry["id"]] = max(errors["outputs"], errors["losses"])
    return found


def sizes() -> dict[str, list[str]]:
    """Registered name -> verified sizes in words."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in pkgutil.iter_modules(tests.parameter_counts.__path__):
        rows = importlib.import_module(f"tests.parameter_counts.{module.name}").COUNTS
        for label, name, _, _, count, scope in rows:
            found[name].append(f"{label} {count:,}{' rest' if scope == 'rest' else ''}")
    return found


def deviations(entry: ModelEntry) -> str:
    """The part of the class docstring that names what differs from the reference."""
    text = (inspect.getdoc(entry.cls) or "").partition("\nArgs:")[0]
    body = text.partition("\n\n")[2] or text
    return re.sub(r"\s+", " ", body).strip()


def row(
    entry: ModelEntry, errors: dict[str, dict[str, float]], counts: dict[str, list[str]]
) -> str:
    """One line of the table."""
    years = re.findall(r"\b(?:19|20)\d\d\b", entry.paper)
    own = errors.get(entry.cls.__name__, {})
    checked = ", ".join(f"{name} {error:.0e}" for name, error in own.items()) or "no fixture"
    inputs = ", ".join(entry.cls.modalities) or "none"
    reads = "tokens or features" if "text_encoder" in entry.parameters else "features"
    cells = [
        f"`{entry.name}`",
        entry.paper,
        years[-1] if years else "",
        entry.source,
        f"{inputs}; text: {reads}",
        "; ".join(counts.get(entry.name, [])) or "not stated",
        checked,
        deviations(entry) or "none",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table() -> str:
    """The whole file."""
    errors, counts = parity(), sizes()
    chosen = [entry for entry in list_models() if entry.kind == "baseline"]
    heads = ["model", "paper", "year", "code", "inputs", "parameters", "parity", "deviations"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [row(entry, errors, counts) for entry in chosen]
    classes = {entry.cls.__name__ for entry in list_models()}
    shared = [
        f"- `{name}`: {', '.join(f'{key} {error:.0e}' for key, error in found.items())}"
        for name, found in errors.items()
        if name not in classes
    ]
    exempt = [
        f"- `{entry.name}`, promise `{name}`: {reason}"
        for entry in chosen
        for name, reason in entry.exempt.items()
    ]
    eager = [f"- `{entry.name}`: {entry.no_capture}" for entry in chosen if entry.no_capture]
    sections = [
        HEADER + "\n".join(lines),
        "## Shared layers with fixtures of their own\n\n" + "\n".join(shared),
        "## Exemptions from the contract\n\n" + "\n".join(exempt),
        "## Steps that cannot be captured in a CUDA graph\n\n" + "\n".join(eager),
    ]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    write_text(TARGET, table())
    print(f"{TARGET.relative_to(ROOT)} written")
