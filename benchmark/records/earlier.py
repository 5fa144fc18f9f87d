"""Records of earlier schemas as today's fields; nothing is computed anew and nothing checked."""

from typing import Any

OWN = ("accuracy", "cost", "robustness")


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record before schema 3.

    Args:
        values: as they were written; what cannot be made sense of stays, for validation to refuse.
    """
    measured = values.get("measurements")
    if not isinstance(measured, dict):
        return values
    extra = {
        name: {"values": found if isinstance(found, dict) else {"value": found}}
        for name, found in measured.items()
        if name not in OWN
    }
    own = {name: measured[name] for name in OWN if name in measured}
    return {**values, "measurements": {**own, "extra": extra}}
