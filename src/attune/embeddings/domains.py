"""The domains that experts serve, and the route from a text's domain to its expert."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import SettingError, UnknownAugmentationError, UnknownDomainError
from attune.embeddings.router import GENERAL, Router

_DOMAIN_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class ExpertKind(StrEnum):
    """How an expert differs from the shared backbone."""

    GENERAL = "general"  # the untouched backbone
    FFN = "ffn"  # feed-forward blocks of its own
    AXES = "axes"  # the backbone's vectors, in axes of its own
    LORA = "lora"  # the backbone's feed-forward blocks, with something of low rank added to their weights


def check_domain_id(domain: str) -> None:
    """Raises `SettingError` unless it can be a domain's id."""
    if not _DOMAIN_ID.fullmatch(domain):
        raise SettingError(f"domain id {domain!r} is malformed: use 1-64 of a-z, 0-9, _ and -, a letter first")


@dataclass(frozen=True)
class LoadedExpert:
    """An expert where it is loaded: its number in the encoder, and what its weights take there beside the backbone's.

    `reach` is how many of a text's first tokens its head reads; with 0, as many as the layers. The backbone itself is
    number 0. Who will compute texts with an expert holds on to this object until then.
    """

    number: int = 0
    memory_bytes: int = 0
    reach: int = 0


@dataclass(frozen=True)
class LoadedHead:
    """An augmenter's head where it is loaded: its number there, and what it takes.

    Who will augment queries with it holds on to this object until then.
    """

    number: int
    memory_bytes: int


@dataclass(frozen=True)
class LoadedAugmenter:
    """An augmenter of a domain. `tower` is the expert that queries go through instead of the domain's own;
    `reads_hidden` whether they must be computed for it once more.
    """

    kind: Augmentation
    version: str
    default: bool
    head: LoadedHead
    reads_hidden: bool = False
    tower: LoadedExpert | None = None

    @property
    def memory_bytes(self) -> int:
        """What it takes in all."""
        return self.head.memory_bytes + (0 if self.tower is None else self.tower.memory_bytes)

    @property
    def computes(self) -> bool:
        """Whether the domain's own vector of a query is not enough to augment it."""
        return self.reads_hidden or self.tower is not None


@dataclass(frozen=True)
class Domain:
    """One domain: its expert, of what kind that is, and the version that changes whenever the expert's vectors do."""

    id: str
    description: str
    kind: ExpertKind
    version: str
    expert: LoadedExpert = LoadedExpert()
    augmenters: tuple[LoadedAugmenter, ...] = ()

    @property
    def query_version(self) -> str:
        """Changes whenever the vector of a query may."""
        return " ".join([self.version, *(f"{each.kind}={each.version}{each.default:d}" for each in self.augmenters)])

    def augmenter(self, augmentation: str) -> LoadedAugmenter | None:
        """The one that a query asks for; the empty string means the default. None leaves vectors as they are.

        Raises `UnknownAugmentationError`.
        """
        if augmentation == Augmentation.NONE:
            return None
        for each in self.augmenters:
            if each.kind == augmentation or (not augmentation and each.default):
                return each
        if augmentation:
            known = [Augmentation.NONE, *(each.kind for each in self.augmenters)]
            raise UnknownAugmentationError(augmentation, self.id, known)
        return None


class DomainRegistry:
    """The domains of one model. It always holds the general one, which serves texts that name no domain.

    `router` tells which of the domains such a text belongs to, where it knows them.

    Raises `SettingError` for an id that is malformed or given twice, or when the general domain is absent.
    """

    def __init__(self, domains: Iterable[Domain], router: Router | None = None) -> None:
        self.router = router or Router({})
        self._domains: dict[str, Domain] = {}
        for domain in domains:
            self._add(domain)
        if GENERAL not in self._domains:
            raise SettingError(f"the domain registry has no {GENERAL!r} domain: add it, for texts that name no domain")

    def route(self, domain: str) -> Domain:
        """The domain whose expert embeds a text; the empty string means the general one.

        Raises `UnknownDomainError`.
        """
        try:
            return self._domains[domain or GENERAL]
        except KeyError:
            raise UnknownDomainError(domain, self._domains) from None

    def routes(self, domain: str) -> bool:
        """Whether a text for it may turn out to be of any domain: it names none, and the router knows some."""
        return not domain and self.router.knows_domains

    def reach(self, domain: str) -> int:
        """How many of its first tokens a head may read of a text for that domain, which need not be there."""
        found = self.domains() if self.routes(domain) else [self._domains.get(domain or GENERAL)]
        return max((each.expert.reach for each in found if each is not None), default=0)

    def version(self, domain: str) -> str:
        """Changes whenever the vector of a text for that domain may; for the empty one, whenever any domain's does."""
        if domain:
            return self._domains[domain].query_version if domain in self._domains else ""
        return " ".join([self.router.version, *(f"{each.id}={each.query_version}" for each in self.domains())])

    def domains(self) -> tuple[Domain, ...]:
        """All domains, in order of id."""
        return tuple(self._domains[name] for name in sorted(self._domains))

    def _add(self, domain: Domain) -> None:
        check_domain_id(domain.id)
        if domain.id in self._domains:
            raise SettingError(f"domain id {domain.id!r} is registered twice: remove one")
        self._domains[domain.id] = domain
