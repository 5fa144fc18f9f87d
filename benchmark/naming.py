"""Names that become names of files, and paths that stay below their folder."""

import re
import unicodedata
from pathlib import Path

from benchmark.errors import UserError

NAME = re.compile(r"[A-Za-z0-9][\w.+@:-]*")
LONGEST = 100  # letters of a name; a file system takes 255 bytes, a letter up to four
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def check_name(what: str, name: object, advice: str = "") -> str:
    """The name of a dataset, a model or a variant, which a folder or a file can bear.

    Args:
        what: is called so, for the sentence: `the dataset`.
        name: a letter or digit, then letters, digits and the signs `_ . + @ : -`.
        advice: how to give another one, for the end of the sentence.

    Raises:
        UserError: any other name.
    """
    if isinstance(name, str) and len(name) <= LONGEST and NAME.fullmatch(name):
        return name
    came = shown(name) if isinstance(name, str) else f"{type(name).__name__} {shown(name)}"
    raise UserError(
        f"{what} cannot be called {came}; a name begins with one of A-Z, a-z, 0-9 and "
        f"goes on with letters, digits and _ . + @ : - ({LONGEST} at most)"
        + (f"; {advice}" if advice else "")
    )


def below(root: Path, *parts: str) -> Path:
    """The path of `parts` below a folder.

    Raises:
        UserError: it would leave the folder, by its parts or through a link.
    """
    path = root.joinpath(*parts)
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link to itself
        inside = False
    if not inside:
        raise UserError(
            f"{visible('/'.join(parts))} leads out of {visible(str(root))}; nothing is read or "
            f"written there"
        )
    return path


def visible(text: str) -> str:
    r"""The text with every sign that is not seen, or turns the reading direction, as `\u202e`.

    Line ends stay; what no file can hold (half of a surrogate pair) becomes its code too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign
        if sign == "\n" or unicodedata.category(sign) not in _UNSEEN
        else sign.encode("unicode_escape", "backslashreplace").decode()
        for sign in text
    )


def shown(value: object) -> str:
    """A value as Python writes it, for a sentence."""
    return clipped(repr(value))


def clipped(text: str) -> str:
    """A text for a sentence: in one line, visible, and no longer than a name."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return visible(short).replace("\n", "\\n")
