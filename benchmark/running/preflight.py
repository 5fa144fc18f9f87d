"""Before the first training: can a model be built for this data, and does it keep its promises?"""

from dataclasses import dataclass, field

from benchmark.conformance.promises import run_check
from benchmark.errors import UserError, told
from benchmark.plugins import is_foreign
from benchmark.registry import ModelEntry, get_model
from benchmark.running.cell import is_interrupt
from benchmark.running.parts import create, load, load_plugins
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
        declined: why the model cannot be built for this data; empty if it can.
        broken: promise -> what was seen, for a model from outside.
    """

    declined: str = ""
    broken: dict[str, str] = field(default_factory=dict)


def preflight(plan: Plan) -> Verdict:
    """Build the model for the data of a plan; try the cheap promises of a model from outside.

    What goes wrong otherwise is left to the cell, whose record says so: a file that cannot be
    imported here, data that cannot be read with what it did.
    """
    broken: dict[str, str] = {}
    with unchanged():
        try:
            load_plugins(plan)
            entry, dataset = get_model(plan.cell.model), load(plan)
        except BaseException as error:
            if is_interrupt(error):
                raise
            return Verdict()
        try:
            broken = _broken(entry) if is_foreign(entry.cls) else {}
            create(plan, dataset)
        except UserError as error:
            return Verdict(told(error), broken)
        except BaseException as error:  # the cell fails likewise, and its record says how
            if is_interrupt(error):
                raise
    return Verdict("", broken)


def _broken(entry: ModelEntry) -> dict[str, str]:
    results = [run_check(entry, name) for name in CHEAP]
    return {result.name: result.sentence for result in results if not result.ok}
