"""How long calls and connections last, and how large they are."""

from pydantic import BaseModel, Field


class CallSettings(BaseModel):
    """How long calls and connections last, and how large they are."""

    default_deadline_s: float = Field(30, gt=0, description="Deadline of a unary call that brings none, in seconds.")
    stream_deadline_s: float = Field(
        600, gt=0, description="Deadline of a streaming call that brings none, in seconds."
    )
    drain_s: float = Field(20, ge=0, description="How long calls in flight may take to end when a server stops.")
    handover_s: float = Field(
        0,
        ge=0,
        description="How long a start waits for the process that runs the role on the same files to end, in seconds; "
        "0: it is refused.",
    )
    connection_age_s: float = Field(
        300,
        gt=0,
        description="After so long callers are asked to connect anew, and find replicas that were added, in seconds.",
    )
    max_message_bytes: int = Field(16 << 20, gt=0, description="The largest request or response, in bytes.")
