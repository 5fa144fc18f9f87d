"""The version of the harness: a declared number and a digest of the modules that decide numbers."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

NUMBER = 2  # to be raised when results are meant to change; the digest sees every other change
ROOT = Path(__file__).resolve().parents[2]
# All through which a number of a record passes, and which is not in the cell already: settings,
# protocol, data and the model's own source are.
DECISIVE = (
    *(
        f"benchmark/{name}.py"
        for name in (
            *("batch", "build", "evaluation", "metrics", "model", "system/environment", "task"),
            *("running/cell", "running/parts"),
            *(f"training/{part}" for part in ("batches", "loop", "optimiser", "predict", "step")),
            *(f"cost/{part}" for part in ("evaluation", "flops", "latency", "memory", "workload")),
            *(
                f"datasets/{part}"
                for part in (
                    *("dataset", "folds", "labels", "source", "synthetic", "tokens"),
                    *("files/dataset_json", "files/manifest", "files/npz", "files/npz_part"),
                    *("files/padding", "files/word_vectors"),
                )
            ),
        )
    ),
    *(
        f"benchmark/datasets/readers/{path.name}"
        for path in sorted((ROOT / "benchmark/datasets/readers").glob("*.py"))
    ),
    *(
        f"robustness/{name}.py"
        for name in ("corruptions", "evaluation", "missing", "reliance", "tensors", "text")
    ),
)


@functools.cache
def harness_version() -> str:
    """The number, a point and six hex digits; the same on every machine and Python.

    Comments, docstrings and layout do not count.
    """
    total = hashlib.blake2b(digest_size=3)
    for name in DECISIVE:
        text = (ROOT / name).read_text(encoding="utf-8")
        total.update(f"{name}\0{'|'.join(_meaning(ast.parse(text)))}\0".encode())
    return f"{NUMBER}.{total.hexdigest()}"


def _meaning(node: ast.AST) -> Iterator[str]:
    """Node types and values in order, without docstrings and what a node does not state."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name in ("type_comment", "kind", "ctx"):
            continue
        parts = value if isinstance(value, list) else [value]
        if name == "body" and parts and _is_docstring(parts[0]):
            parts = parts[1:]
        for part in parts:
            if isinstance(part, ast.AST):
                yield f"{name}:"
                yield from _meaning(part)
            elif part is not None:
                yield f"{name}={part!r}"


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
