"""Names of topics, by Kafka's rule."""

import re

from attune.services.runtime.eventlog.errors import InvalidTopicError

_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")


def check_topic_name(topic: str) -> None:
    """Raise InvalidTopicError for a name that Kafka would refuse."""
    if not _TOPIC.fullmatch(topic):
        raise InvalidTopicError(topic)
