"""What a linear model in a JSON file says of one feature: score = sum of weight * (value - mean) / scale."""

from pydantic import BaseModel, ConfigDict, Field

_LARGEST = 1e9
"""Of learned ones none comes near it, and products of such numbers stay far from what is not finite."""


class FeatureWeight(BaseModel):
    """One feature's numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    weight: float = Field(ge=-_LARGEST, le=_LARGEST)
    mean: float = Field(ge=-_LARGEST, le=_LARGEST)
    scale: float = Field(ge=1 / _LARGEST, le=_LARGEST)
