"""Before the first training: does a model take this dataset, and does it keep its promises?"""

from dataclasses import dataclass, field

from benchmark.conformance.promises import run_check
from benchmark.datasets.dataset import Dataset
from benchmark.errors import UserError, told
from benchmark.registry import ModelEntry, get_model, is_foreign
from benchmark.running.cell import build, is_interrupt, load_plugins
from benchmark.running.plan import Plan
from benchmark.running.state import unchanged

# Those that take moments and whose breach makes scores wrong; `affectbench check` tries all.
CHEAP = (
    *("output", "padding", "neighbours", "missing", "batch-unchanged", "seed", "modalities"),
    *("gradients", "state"),
)


@dataclass(frozen=True)
class Verdict:
    """What is known of a model and a dataset before any training.

    Attributes:
        declined: why the model cannot be trained on this data; empty if it can.
        broken: promise -> what was seen, for a model from outside.
    """

    declined: str = ""
    broken: dict[str, str] = field(default_factory=dict)


def preflight(plan: Plan) -> Verdict:
    """Build the model for the data of a plan; try the cheap promises of a model from outside.

    What goes wrong otherwise is left to the cell, whose record says so.
    """
    declined, broken = "", {}
    with unchanged():
        try:
            load_plugins(plan)
            entry = get_model(plan.cell.model)
            broken = _broken(entry) if is_foreign(entry.cls) else {}
            dataset, model = build(plan)
            _refuse_nothing_to_read(entry, model.modalities, dataset)
        except UserError as error:
            declined = told(error)
        except BaseException as error:  # the cell fails likewise, and its record says how
            if is_interrupt(error):
                raise
    return Verdict(declined, broken)


def _broken(entry: ModelEntry) -> dict[str, str]:
    results = [run_check(entry, name) for name in CHEAP]
    return {result.name: result.sentence for result in results if not result.ok}


def _refuse_nothing_to_read(
    entry: ModelEntry, modalities: tuple[str, ...], dataset: Dataset
) -> None:
    train = dataset.train
    for name in modalities:
        if name not in ("text", "audio", "vision", *train.extra):
            raise UserError(
                f"{entry.name} reads {name!r}, which {dataset.name} does not have; it has "
                f"{', '.join(('text', 'audio', 'vision', *train.extra))}"
            )
        tokens = name == "text" and train.tokens is not None and train.tokens.lengths.any()
        if tokens or train.sequences(name).lengths.any():
            return
    if modalities:
        raise UserError(
            f"{entry.name} reads {' and '.join(modalities)}, of which no training sample of "
            f"{dataset.name} has anything; choose another model"
        )
