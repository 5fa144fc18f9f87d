"""The one exception a user's mistake raises, and the search for the name that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in the input: the command prints its one sentence and no traceback."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UserError:
    """Say that `name` is no known `kind`, with the nearest names or the allowed ones."""
    options = sorted(allowed)
    near = get_close_matches(name, options, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(repr(option) for option in near)}?"
        if near
        else f"known: {', '.join(options) or 'none'}"
    )
    return UserError(f"unknown {kind} {name!r}; {hint}")
