"""Where suggestions and completions come from."""

from pathlib import Path

from pydantic import BaseModel, Field


class SuggestionSettings(BaseModel):
    """Where suggestions and completions come from."""

    queries_dir: Path | None = Field(
        None, description="Where `attune queries count` puts what it counted; without it, <data_dir>/queries."
    )
    denylist_path: Path | None = Field(
        None, description="A text file of words and phrases that are never suggested, one a line; without it, none."
    )
    completion_budget_ms: float = Field(
        50, gt=0, description="How long a completion waits for the knowledge and search services, in milliseconds."
    )
    suggestion_budget_ms: float = Field(
        1500,
        gt=0,
        description="How long suggestions wait for the search service, and then for embedding, in milliseconds.",
    )
    ranker_path: Path | None = Field(
        None, description="A ranker of suggestions, as `attune train ranker` writes it; without it, the packaged one."
    )
    suggestion_exploration: float = Field(
        0,
        ge=0,
        le=10,
        description="The temperature at which the ranker's suggestions are shuffled, to learn from the log; 0: never.",
    )
