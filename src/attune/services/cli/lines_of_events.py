"""An interaction event from a line of JSON."""

import json
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.model import CorpusError


def event_of_line(line: str, place: str) -> InteractionEvent:
    """The event of a line of JSON. Raises CorpusError, which names the place."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind = str(fields.get("type", ""))
        if kind and not kind.startswith("EVENT_TYPE_"):
            fields["type"] = f"EVENT_TYPE_{kind.upper()}"
        return ParseDict(fields, InteractionEvent())
    except (ValueError, AttributeError, ParseError) as error:
        raise CorpusError(f"{place}: not an InteractionEvent in JSON ({error}); mend that line") from error
