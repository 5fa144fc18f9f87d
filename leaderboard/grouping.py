"""Which records may be compared: one dataset, fingerprint, protocol and harness."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from benchmark.records.record import Cell
from leaderboard.table import Run, Source

LONGEST = 150  # letters of a table's id, which begins the names of its files


def comparable(records: Iterable[Source], harness: str) -> list[tuple[str, list[Run]]]:
    """Groups of comparable records, each with an id fit for file names.

    Args:
        records: paths and records, of any number of runs. A cell that occurs twice counts once,
            the first with a result.
        harness: the version whose groups have plain ids and come first.
    """
    groups: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in once(records):
        cell = run.record.cell
        key = (cell.dataset, cell.fingerprint, _plain(cell.protocol), cell.harness)
        groups[key].append(run)
    names = {key: _slug(pairs[0][1].cell, harness) for key, pairs in groups.items()}
    shared = Counter(name.lower() for name in names.values())  # some file systems take A for a
    taken: set[str] = set()
    found = []
    for key in sorted(groups, key=lambda key: (*key[:3], key[3] != harness, key[3])):
        name = names[key]
        if shared[name.lower()] > 1:  # same names, other contents: the hash keeps files apart
            name += f"-{short_hash(key[:3])}"
        if name.lower() in taken:
            name += f"-{short_hash(key)}"
        taken.add(name.lower())
        pairs = sorted(groups[key], key=lambda pair: str(pair[0]))
        found.append((name, pairs))
    return found


def once(records: Iterable[Source]) -> list[Run]:
    """Every cell once, the first with a result."""
    found: dict[str, Run] = {}
    for run in map(Run.of, records):
        key, status = run.record.cell.key, run.record.status
        if key not in found or (found[key].record.status != "done" and status == "done"):
            found[key] = run
    return list(found.values())


def identity(cell: Cell) -> str:
    """What the runs and the cost of a row have in common."""
    parts = [cell.model, cell.kind, cell.variant, cell.settings, cell.config, cell.source]
    return _plain([*parts, cell.threads])


def short_hash(value: Any) -> str:
    """Six hex digits of plain values."""
    return blake2b(_plain(value).encode(), digest_size=3).hexdigest()


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _slug(cell: Cell, harness: str) -> str:
    """A name for files: not empty, no folder's and no hidden one."""
    name = f"{cell.dataset}-{cell.protocol.get('name', '')}"
    if cell.harness != harness:
        name += f"-harness-{cell.harness or 'earlier'}"
    return re.sub(r"[^A-Za-z0-9._]+", "-", name)[:LONGEST].strip("-.") or "table"
