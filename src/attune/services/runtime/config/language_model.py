"""The language model, if any: where it is, how it is asked, what it costs."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class LanguageModelSettings(BaseModel):
    """The language model, if any: where it is, how it is asked, what it costs."""

    llm_base_url: str = Field(
        "", description="An OpenAI-compatible server, for suggestions and summaries; empty: no language model."
    )
    llm_model: str = Field("", description="The model to ask there.")
    llm_api_key: SecretStr = Field(SecretStr("none"), description="Its API key.")
    llm_timeout_s: float = Field(10, gt=0, description="How long the language model may take, in seconds.")
    llm_model_path: Path | None = Field(
        None, description="Instead of a server: a directory with a model of transformers, for suggestions, in-process."
    )
    llm_waiting: int = Field(8, ge=0, description="How many requests may wait for the in-process model.")
    llm_prompt_style: Literal["chat", "completion"] = Field(
        "chat", description="How the model is asked for suggestions; completion is for base models, by examples."
    )
    suggestion_prompt_path: Path | None = Field(
        None, description="A prompt template for suggestions, instead of the one that comes along."
    )
    llm_retries: int = Field(
        2, ge=0, le=10, description="How often a question may be asked again after HTTP 429, 5xx or no connection."
    )
    llm_breaker_failures: int = Field(
        5, ge=1, description="After so many failures in a row the language model is left alone for a while."
    )
    llm_breaker_open_s: float = Field(30, gt=0, description="That while, in seconds.")
    llm_price_prompt: float | None = Field(
        None, ge=0, description="Price of a million tokens read, for costs in answers and metrics."
    )
    llm_price_completion: float | None = Field(None, ge=0, description="Price of a million tokens written.")
