"""What users' evaluations measured: plain values, and the columns that tables show of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from benchmark.naming import clipped, shown

LARGEST = 1e300  # of a stored number: sums and squares of what tables read stay finite
DEEPEST = 30  # mappings and lists within one another
Split = Literal["", "valid", "test"]


class Closed(BaseModel):
    """Holds its fields and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Closed):
    """A number of a user's evaluation that tables show.

    Attributes:
        key: where it lies in what the evaluation returns; the keys of mappings within mappings are
            joined by points, `test.ece`.
        header: short, without unit and arrow.
        higher_is_better: the direction.
        unit: of the number as it is printed; empty for pure numbers.
        decimals: printed places; None prints three significant digits, counts with k, M, G.
        percent: printed times 100.
        printed: shown in the printed tables; otherwise in the CSV files only.
        split: whose samples it is about; empty where it is about none.
    """

    key: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    header: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    higher_is_better: bool
    unit: Annotated[StrictStr, Field(max_length=20)] = ""
    decimals: Annotated[StrictInt, Field(ge=0, le=12)] | None = 3
    percent: bool = False
    printed: bool = True
    split: Split = "test"


class Extra(Closed):
    """What an evaluation that is none of ours returned, and which of it tables show."""

    values: dict[str, Any]
    columns: tuple[Column, ...] = ()

    @field_validator("values", mode="before")
    @classmethod
    def _allplain(cls, values: Any) -> Any:
        return plain(values)

    @model_validator(mode="after")
    def _numbers(self) -> "Extra":
        for column in self.columns:
            self.number(column.key)
        return self

    def number(self, key: str) -> float | None:
        """The number at the place that a column names, None where it is undefined.

        Raises:
            ValueError: something else is there, or nothing.
        """
        value: Any = self.values
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ValueError(f"nothing is at {clipped(key)}, which is declared as a column")
            value = value[part]
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise ValueError(f"{clipped(key)} is {shown(value)}; a column needs a number or None")
        return None if value is None else float(value)


def plain(value: Any, place: str = "", above: tuple[int, ...] = ()) -> Any:
    """The same of mappings, lists, texts, numbers and None alone.

    Raises:
        ValueError: something else is there, or a number that is not finite.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping | list | tuple):
        if id(value) in above or len(above) == DEEPEST:
            raise ValueError(f"{clipped(place)} is nested deeper than {DEEPEST} levels")
        inside = (*above, id(value))
        if not isinstance(value, Mapping):
            return [plain(part, f"{place}.{n}", inside) for n, part in enumerate(value)]
        for name in value:
            if not isinstance(name, str):
                raise ValueError(f"a key is {shown(name)}; keys are texts")
        return {
            name: plain(part, f"{place}.{name}" if place else name, inside)
            for name, part in value.items()
        }
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        what = "too large" if isinstance(value, int) else f"{value}"
        raise ValueError(f"{clipped(place)} is {what}; a number is finite, an undefined one None")
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"{clipped(place)} is {kind(value)}, no plain value")
    return value


def kind(value: Any) -> str:
    """What sort of value that is, for a sentence."""
    return "None" if value is None else f"of type {clipped(type(value).__name__)}"
