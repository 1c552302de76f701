"""Which domain a text of unknown domain belongs to, by its vector from the backbone. Nothing is trained.

A domain is a Gaussian about the mean of its passages, and another one about that of its queries, which are short and
lie elsewhere; all have one covariance, that within domains (linear discriminant analysis: Fisher, 1936; Hastie et al.,
"The Elements of Statistical Learning", section 4.3). A domain brings sums of its own, so adding one reads no other's
texts. Some vectors of each are kept back from the sums: they calibrate the probabilities, and say how far a text may
be from a domain and still be of it; what is farther from all belongs to the general expert.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

GENERAL = "general"
"""The domain of texts that are of no other."""
_HELD_SHARE, _MOST_HELD = 0.2, 100
_SHRINKAGE = 0.1
_VERSION_DIGITS = 12
_WITHIN = 0.99
"""The share of a domain's own texts that are not to be taken for strangers."""
_TEMPERATURES = tuple(1.25**step for step in range(25))  # 1 to 212
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class DomainSample:
    """What the router keeps of a domain: sums over vectors, and a few vectors that are not in them.

    `means` [2, d] are of passages and of queries, `scatter` [d, d] the sum of the outer products of the differences
    from them, over `count` vectors. `held_passages` and `held_queries` are [some, d].
    """

    means: Matrix
    scatter: Matrix
    count: int
    held_passages: Matrix
    held_queries: Matrix

    @classmethod
    def of(cls, passages: Matrix, queries: Matrix) -> Self:
        """From the backbone's vectors [n, d] of a domain's passages and of queries for them, at least two of each."""
        (summed_passages, held_passages), (summed_queries, held_queries) = _split(passages), _split(queries)
        means = np.stack([summed_passages.mean(0), summed_queries.mean(0)])
        differences = np.concatenate([summed_passages - means[0], summed_queries - means[1]])
        return cls(means, differences.T @ differences, len(differences), held_passages, held_queries)


class Router:
    """Probabilities of domains for vectors of the backbone. `domains` names their columns, the general one last."""

    def __init__(self, samples: Mapping[str, DomainSample]) -> None:
        self.domains = (*sorted(samples), GENERAL)
        self._temperature, self._stranger = 1.0, np.inf
        self.version = ""
        if samples:
            ordered = [samples[name] for name in self.domains[:-1]]
            self._whitening = _whitening(ordered)
            self._means = np.stack([sample.means @ self._whitening for sample in ordered])
            self._calibrate(ordered)
            self.version = hashlib.sha256(self._means.tobytes()).hexdigest()[:_VERSION_DIGITS]

    @property
    def knows_domains(self) -> bool:
        """Whether any domain but the general one can be the answer."""
        return len(self.domains) > 1

    def probabilities(self, vectors: Matrix) -> NDArray[np.float64]:
        """[n, domains] of normalised vectors [n, d]; a row's sum is 1."""
        if not self.knows_domains:
            return np.ones((len(vectors), 1))
        return _softmax(self._scores(vectors) / self._temperature)

    def route(self, vectors: Matrix) -> list[str]:
        """The likeliest domain of each vector [n, d]."""
        return [self.domains[place] for place in self.probabilities(vectors).argmax(1)]

    def _scores(self, vectors: Matrix) -> NDArray[np.float64]:
        """Logarithms of likelihoods, but for a constant; the general domain's is that of a text at the border."""
        distances = self._distances(vectors)
        border = np.full((len(vectors), 1), -0.5 * self._stranger)
        return np.concatenate([-0.5 * distances, border], axis=1)

    def _distances(self, vectors: Matrix) -> NDArray[np.float64]:
        """[n, domains - 1]: squared distances to the nearer of each domain's means, in standard deviations."""
        whitened = (vectors @ self._whitening)[:, None, None, :]
        found: NDArray[np.float64] = ((whitened - self._means) ** 2).sum(-1, dtype=np.float64).min(-1)
        return found

    def _calibrate(self, samples: Sequence[DomainSample]) -> None:
        """The border that the texts kept back are within, and the temperature at which they are the likeliest."""
        held = [np.concatenate([sample.held_passages, sample.held_queries]) for sample in samples]
        own = [self._distances(vectors)[:, place] for place, vectors in enumerate(held)]
        self._stranger = float(np.quantile(np.concatenate(own), _WITHIN))
        scores = np.concatenate([self._scores(vectors) for vectors in held])
        right = np.repeat(np.arange(len(held)), [len(vectors) for vectors in held])

        def surprise(temperature: float) -> float:
            chosen = _softmax(scores / temperature)[np.arange(len(right)), right]
            return -float(np.log(np.maximum(chosen, 1e-12)).mean())

        self._temperature = min(_TEMPERATURES, key=surprise)


def _split(vectors: Matrix) -> tuple[Matrix, Matrix]:
    """Those that are summed, and every fifth or fewer, which are held back."""
    held = min(_MOST_HELD, max(1, round(_HELD_SHARE * len(vectors))))
    places = np.linspace(0, len(vectors) - 1, held).astype(int)
    return np.delete(vectors, places, axis=0), vectors[places]


def _whitening(samples: Sequence[DomainSample]) -> Matrix:
    """[d, d]: what makes the covariance within domains, shrunk towards a sphere, the identity."""
    within = np.sum([sample.scatter for sample in samples], axis=0) / sum(sample.count for sample in samples)
    size = len(within)
    shrunk = (1 - _SHRINKAGE) * within + _SHRINKAGE * np.trace(within) / size * np.eye(size)
    values, axes = np.linalg.eigh(shrunk)
    whitening: Matrix = (axes / np.sqrt(values)).astype(np.float32)
    return whitening


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    found: NDArray[np.float64] = exponents / exponents.sum(1, keepdims=True)
    return found
