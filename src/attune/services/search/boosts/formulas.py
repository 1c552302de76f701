"""The formulas of boosts. Ours; the score that they add to is 1 at most where nothing is boosted.

recency   weight * 0.5 ^ (age / half-life), the age of what is dated ahead being 0
number    weight * f(x), f(x) = x or ln(1 + max(x, 0)); at most `at_most`, and at least -`at_most`
keyword   weight, where the field is one of the keywords
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from attune.services.search.boosts.values import (
    MOMENT_EXAMPLE,
    NUMBER_EXAMPLE,
    keywords_of,
    moment_of,
    number_of,
)
from attune.services.search.index.fields import FieldType
from attune.services.search.index.port import Document

MOST = 10.0
"""The largest weight; beyond it, retrieval counts for nothing."""
Weight = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Formula(BaseModel):
    """What all of them declare. Contributions are in units of the plain score."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    field: FieldName
    weight: Weight
    default: bool = False
    """Whether it counts in searches that do not name it."""


class Recency(_Formula):
    """What is newer counts more."""

    kind: Literal["recency"]
    half_life_days: Annotated[float, Field(gt=0, le=36_525, allow_inf_nan=False)]
    of_type: ClassVar[FieldType] = FieldType.TIME
    needs: ClassVar[str] = f"a time, such as {MOMENT_EXAMPLE}"

    def value(self, document: Document, now: datetime) -> float | None:
        """Between 0 and 1; None without the field. Raises UnreadableError."""
        moment = moment_of(document, self.field)
        if moment is None:
            return None
        age = max(now - moment, timedelta()) / timedelta(days=self.half_life_days)
        return math.exp2(-min(age, 1000.0))

    def contribution(self, value: float) -> float:
        """What the value adds to the score."""
        return self.weight * value


class Number(_Formula):
    """What has more of something counts more."""

    kind: Literal["number"]
    scale: Literal["log1p", "as_is"] = "log1p"
    at_most: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] = 1.0
    of_type: ClassVar[FieldType] = FieldType.NUMBER
    needs: ClassVar[str] = f"a number, such as {NUMBER_EXAMPLE}"

    def value(self, document: Document, now: datetime) -> float | None:  # noqa: ARG002 - as the others are asked
        """The scaled number; None without the field. Raises UnreadableError."""
        number = number_of(document, self.field)
        if number is None or self.scale == "as_is":
            return number
        return math.log1p(max(number, 0.0))

    def contribution(self, value: float) -> float:
        """What the value adds to the score."""
        return max(-self.at_most, min(self.at_most, self.weight * value))


class Keyword(_Formula):
    """What bears a word counts more."""

    kind: Literal["keyword"]
    any_of: Annotated[Sequence[str], Field(min_length=1, max_length=100)]
    of_type: ClassVar[FieldType] = FieldType.KEYWORD
    needs: ClassVar[str] = "a keyword"

    def value(self, document: Document, now: datetime) -> float | None:  # noqa: ARG002 - as the others are asked
        """1 where the field has one of the keywords, 0 where it has others; None without the field."""
        keywords = keywords_of(document, self.field)
        return float(not set(keywords).isdisjoint(self.any_of)) if keywords else None

    def contribution(self, value: float) -> float:
        """What the value adds to the score."""
        return self.weight * value


Formula = Recency | Number | Keyword
