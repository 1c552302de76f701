"""How documents are ranked, and rankings compared."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class SearchSettings(BaseModel):
    """How documents are ranked, and rankings compared."""

    search_passages: int = Field(
        64, ge=0, le=1000, description="How many passages a document has at most that the model cannot read at once."
    )
    search_boosts_path: Path | None = Field(
        None, description="A JSON file that declares boosts by recency, numbers and keywords; without it, none."
    )
    search_rankings_kept: int = Field(
        500, ge=0, description="How many rankings are kept in memory for their further pages; 0: pages are ranked anew."
    )
    search_rankings_kept_mib: int = Field(
        64, ge=1, description="How much memory they take at most, about, in MiB: those of well-known users take more."
    )
    search_rankings_kept_s: float = Field(
        600, gt=0, description="How long a ranking is kept after it was last read, in seconds."
    )
    search_ranker_path: Path | None = Field(
        None,
        description="A ranker of search, as `attune train ranker --for search` writes it, by which searches are ranked "
        "then; without it, the formula.",
    )
    search_challenger_path: Path | None = Field(
        None, description="Another one, to be compared: the ranking named challenger."
    )
    search_compare: str = Field(
        "",
        description="Two rankings to compare, such as personal,plain (of plain, personal, learned, challenger); empty: "
        "none.",
    )
    search_compare_by: Literal["interleaving", "users"] = Field(
        "interleaving", description="How: both in one list, or the second one for some of the users."
    )
    search_compare_share: float = Field(
        0.5, ge=0, le=1, description="In which share of the sessions, or for which share of the users."
    )
