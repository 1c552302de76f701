"""What a hit's token holds: what the ranking saw and where it stood, so that the log alone is enough to learn from.

Base64url without padding of, little-endian: format (1 byte), method (1), team (1), position (2), the versions of the
rankings (4 each), places (1, a count) and for each the position (2) and its probability (2, float16), then for each
feature the id of its name (2) and its value (2, float16). No text, and no id of anybody.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import FEATURES

NO_VERSION = "00000000"
_FORMAT = 1
_HEAD = struct.Struct("<BBBH4s4sB")
_PAIR = struct.Struct("<He")
_MOST_POSITION = 65535
_MOST_PLACES = 16
_LARGEST = 65504.0
"""Of float16."""
_IDS = {each.id: place for place, each in enumerate(FEATURES)}


class Method(IntEnum):
    """What was compared when the hit was shown."""

    NOTHING = 0
    INTERLEAVING = 1
    USERS = 2


@dataclass(frozen=True, slots=True)
class Token:
    """A hit at its one-based `position`. `first` and `second` are the rankings compared, or the one and none."""

    position: int
    values: NDArray[np.float32]
    """[len(FEATURES)]; NaN where unknown, as of features that there were not yet."""
    first: str
    """Eight hexadecimal digits, as the next."""
    second: str = NO_VERSION
    method: Method = Method.NOTHING
    team: int = 0
    """1 or 2: the ranking that put the hit there, or that ranked for this user; 0: both would have."""
    places: Mapping[int, float] = field(default_factory=dict)
    """How likely the hit was to come to each position, where that was drawn; empty: nothing was drawn."""

    def encoded(self) -> str:
        """As an opaque string of letters, digits, - and _."""
        places = sorted(self.places.items(), key=lambda place: -place[1])[:_MOST_PLACES]
        position = min(self.position, _MOST_POSITION)
        versions = bytes.fromhex(self.first), bytes.fromhex(self.second)
        head = _HEAD.pack(_FORMAT, self.method, self.team, position, *versions, len(places))
        pairs = [*places, *zip(_IDS, self.values.clip(-_LARGEST, _LARGEST).tolist(), strict=True)]
        return urlsafe_b64encode(head + b"".join(_PAIR.pack(*pair) for pair in pairs)).rstrip(b"=").decode()

    @classmethod
    def decoded(cls, encoded: str) -> "Token":
        """Raises RankerError for what is no token of this format."""
        try:
            whole = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except ValueError:
            raise RankerError("search_token: is not base64url; send the token as it came") from None
        if len(whole) < _HEAD.size or whole[0] != _FORMAT or (len(whole) - _HEAD.size) % _PAIR.size:
            raise RankerError("search_token: is not of this version's form; tokens of others teach nothing here")
        _, method, team, position, first, second, count = _HEAD.unpack_from(whole)
        pairs = list(_PAIR.iter_unpack(whole[_HEAD.size :]))
        drawn = dict(pairs[:count])
        values = np.full(len(FEATURES), np.nan, np.float32)
        for key, value in pairs[count:]:
            if key in _IDS:
                values[_IDS[key]] = value
        if count > len(pairs) or not _is_sound(method, team, position, drawn, values):
            raise RankerError("search_token: holds numbers that no ranking wrote; send the token as it came")
        return cls(position, values, first.hex(), second.hex(), Method(method), team, drawn)


def _is_sound(method: int, team: int, position: int, drawn: Mapping[int, float], values: NDArray[np.float32]) -> bool:
    if method > max(Method) or team > 2 or position == 0 or np.isinf(values).any():
        return False
    return not drawn or (position in drawn and all(0 < chance <= 1 for chance in drawn.values()))
