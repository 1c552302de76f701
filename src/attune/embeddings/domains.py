"""The domains that experts serve, and the route from a text's domain to its expert."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from attune.embeddings.errors import SettingError, UnknownDomainError

GENERAL = "general"
_DOMAIN_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class ExpertKind(StrEnum):
    """How an expert differs from the shared backbone."""

    GENERAL = "general"  # the untouched backbone


@dataclass(frozen=True)
class Domain:
    """One domain: its expert's kind, and the version that changes whenever the expert's vectors do.

    `expert` is the expert's number in the encoder; 0 is the backbone itself.
    """

    id: str
    description: str
    kind: ExpertKind
    version: str
    expert: int = 0


class DomainRegistry:
    """The domains of one model. It always holds the general one, which serves texts that name no domain.

    Raises `SettingError` for an id that is malformed or given twice, or when the general domain is absent.
    """

    def __init__(self, domains: Iterable[Domain]) -> None:
        self._domains: dict[str, Domain] = {}
        for domain in domains:
            self._add(domain)
        if GENERAL not in self._domains:
            raise SettingError(f"the domain registry has no {GENERAL!r} domain: add it, for texts that name no domain")

    @classmethod
    def general_only(cls, version: str) -> "DomainRegistry":
        """The registry of a backbone without experts, at that version of its weights."""
        return cls([Domain(GENERAL, "The shared backbone, for text of any domain", ExpertKind.GENERAL, version)])

    def route(self, domain: str) -> Domain:
        """The domain whose expert embeds a text; the empty string means the general one.

        Raises `UnknownDomainError`.
        """
        try:
            return self._domains[domain or GENERAL]
        except KeyError:
            raise UnknownDomainError(domain, self._domains) from None

    def domains(self) -> tuple[Domain, ...]:
        """All domains, in order of id."""
        return tuple(self._domains[name] for name in sorted(self._domains))

    def _add(self, domain: Domain) -> None:
        if not _DOMAIN_ID.fullmatch(domain.id):
            raise SettingError(f"domain id {domain.id!r} is malformed: use 1-64 of a-z, 0-9, _ and -, a letter first")
        if domain.id in self._domains:
            raise SettingError(f"domain id {domain.id!r} is registered twice: remove one")
        self._domains[domain.id] = domain
