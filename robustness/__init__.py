"""Corruptions of the test split, and the scores that say how well a model withstands them."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustness.corruptions import (
        CORRUPTIONS,
        Corruption,
        corrupt,
        fingerprint,
        normals,
        register_corruption,
        uniforms,
    )
    from robustness.text import unknown_words, word_counts

__all__ = [
    "CORRUPTIONS",
    "Corruption",
    "corrupt",
    "fingerprint",
    "normals",
    "register_corruption",
    "uniforms",
    "unknown_words",
    "word_counts",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: tables need scores and no PyTorch."""
    if name in __all__:
        home = "text" if name in ("unknown_words", "word_counts") else "corruptions"
        return getattr(importlib.import_module(f"robustness.{home}"), name)
    raise AttributeError(f"module 'robustness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
