"""What a suggestion's token holds: the numbers that the ranker saw, so that the log alone is enough to learn from.

Base64url without padding of: format (1 byte), source (1), position (1), the ranker's version (4), propensity (float32),
and the features in the order of FEATURES (float16 each). Little-endian. No text, and no id of anybody.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.features import FEATURES

_FORMAT = 1
_HEAD = struct.Struct("<BBB4sf")
_LENGTH = _HEAD.size + 2 * len(FEATURES)
_MOST_POSITION = 255


@dataclass(frozen=True)
class Token:
    """`propensity` is how likely the suggestion was to come to its one-based `position`, by the ranker of `version`."""

    source: int
    position: int
    propensity: float
    version: str
    """Eight hexadecimal digits."""
    values: NDArray[np.float32]
    """[len(FEATURES)]; NaN where unknown."""

    def encoded(self) -> str:
        """As an opaque string of letters, digits, - and _."""
        position = min(self.position, _MOST_POSITION)
        head = _HEAD.pack(_FORMAT, self.source, position, bytes.fromhex(self.version), self.propensity)
        return urlsafe_b64encode(head + self.values.astype("<f2").tobytes()).rstrip(b"=").decode()

    @classmethod
    def decoded(cls, encoded: str) -> "Token":
        """Raises RankerError for what is no token of this version."""
        try:
            whole = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except ValueError:
            raise RankerError("suggestion_token: is not base64url; send the token as it came") from None
        if len(whole) != _LENGTH or whole[0] != _FORMAT:
            raise RankerError("suggestion_token: is not of this version's form; tokens of others teach nothing here")
        _, source, position, version, propensity = _HEAD.unpack_from(whole)
        values = np.frombuffer(whole, "<f2", offset=_HEAD.size).astype(np.float32)
        if not (0 < propensity <= 1) or np.isinf(values).any() or position == 0:
            raise RankerError("suggestion_token: holds numbers that no ranker wrote; send the token as it came")
        return cls(source, position, propensity, version.hex(), values)
