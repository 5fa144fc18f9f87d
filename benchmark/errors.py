"""The one exception a user's mistake raises, and the search for the name that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 200  # letters of a name in a sentence; a search for near names takes long for more


class UserError(ValueError):
    """A mistake in the input: the command prints its one sentence and no traceback."""


class NotFound(UserError):
    """What was asked for by name is not there: a dataset, one of its labels or folds."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> NotFound:
    """Say that `name` is no known `kind`, with the nearest names or the allowed ones."""
    options = sorted(allowed)
    name = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    near = get_close_matches(name, options, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(repr(option) for option in near)}?"
        if near
        else f"known: {', '.join(options) or 'none'}"
    )
    return NotFound(f"unknown {kind} {name!r}; {hint}")


def told(error: BaseException, longest: int = 2_000) -> str:
    """What an error of other people's code says, as any file and screen can take it.

    A text that is too long is cut in its middle, half of a surrogate pair becomes its code.
    """
    try:
        text = str(error)
    except Exception as other:
        text = f"(its text cannot be made: {type(other).__name__})"
    return cut(text.encode("utf-8", "backslashreplace").decode(), longest)


def cut(text: str, longest: int) -> str:
    """A text without its middle where it is too long."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"
