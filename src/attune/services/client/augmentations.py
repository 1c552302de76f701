"""Augmentations by the names that people write."""

from attune.embedding.v1 import embedding_pb2 as embedding

_PREFIX = "AUGMENTATION_"
_UNSPECIFIED = "unspecified"


def augmentation_number(name: str) -> embedding.Augmentation.ValueType:
    """Of "none", "probes" and so on; the empty one is the domain's default. Raises ValueError."""
    found = {name_of(number) or "": number for number in embedding.Augmentation.values()}
    if name not in found:
        raise ValueError(f"augmentation {name!r} is unknown: use one of {', '.join(each for each in found if each)}")
    return found[name]


def name_of(number: embedding.Augmentation.ValueType) -> str:
    """As it is written; empty for an unspecified one."""
    name = embedding.Augmentation.Name(number).removeprefix(_PREFIX).lower()
    return "" if name == _UNSPECIFIED else name
