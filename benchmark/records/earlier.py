"""Records of earlier schemas as today's fields; nothing is computed anew and nothing checked."""

from typing import Any

OWN = ("accuracy", "cost", "robustness")
LETTERS = {"t": "text", "a": "audio", "v": "vision"}
KEPT = ("suite", "skill_metric", "prior", "manifest")


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
    if isinstance(own.get("robustness"), dict):
        own["robustness"] = _robustness(own["robustness"])
    return {**values, "measurements": {**own, "extra": extra}}


def _robustness(found: dict[str, Any]) -> dict[str, Any]:
    """What was measured, without the scores that follow from it and were kept too."""
    stability = _mapping(found.get("stability"))
    return {
        "modalities": list(LETTERS.values()),
        **{name: found[name] for name in KEPT if name in found},
        "curves": {
            name: {**_mapping(curve), **_mapping(stability.get(name))}
            for name, curve in _mapping(found.get("curves")).items()
        },
        "missing": {
            _spelt(name): {key: value for key, value in _mapping(metrics).items() if key != "skill"}
            for name, metrics in _mapping(found.get("missing")).items()
        },
    }


def _spelt(name: str) -> str:
    """`missing.text+vision` for `missing.tv`."""
    before, point, letters = name.partition(".")
    if not set(letters) <= LETTERS.keys():
        return name
    return before + point + "+".join(LETTERS[letter] for letter in letters)


def _mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping; nothing is in any other, which validation refuses."""
    return value if isinstance(value, dict) else {}
