"""What a caller should know although nothing failed: sentences that name the field and the mend."""

from collections.abc import Collection
from dataclasses import dataclass, field

NAMED = 10
"""At most so many domains are named; of the others it is only said how many there are."""


@dataclass(slots=True)
class GeneralistCount:
    """How many documents the general expert embedded because no expert is trained for their domain.

    Only the first NAMED domains are counted one by one: a stream may bring any number of them.
    """

    experts: frozenset[str]
    by_domain: dict[str, int] = field(default_factory=dict)
    in_others: int = 0

    def add(self, domain: str) -> None:
        """Count a document that was embedded. Without a domain, the general expert is the right one."""
        if not domain or domain in self.experts:
            return
        if domain in self.by_domain or len(self.by_domain) < NAMED:
            self.by_domain[domain] = self.by_domain.get(domain, 0) + 1
        else:
            self.in_others += 1

    @property
    def total(self) -> int:
        """Documents of all such domains."""
        return sum(self.by_domain.values()) + self.in_others

    def notices(self) -> list[str]:
        """A sentence for each domain, and one for those that are not named: at most NAMED + 1."""
        known = _listed(sorted(self.experts))
        sentences = [
            f"{_documents(count)} of domain {domain!r} {_were(count)} embedded by the general expert: "
            f"no expert is trained for it; known domains: {known}"
            for domain, count in self.by_domain.items()
        ]
        if self.in_others:
            sentences.append(
                f"{_documents(self.in_others)} of further domains {_were(self.in_others)} embedded by the general "
                f"expert: no expert is trained for them; known domains: {known}"
            )
        return sentences


def of_augmentation(wanted: str, domains: Collection[str]) -> list[str]:
    """What to say where an augmentation was asked for by name and no expert searched has it."""
    if not domains:
        return []
    searched = _listed([repr(domain) for domain in domains])
    mend = "`attune experts list` shows what there is"
    return [f"augmentation: the query was left plain, as {searched} has no {wanted}: {mend}"]


def of_empty_domains(domains: Collection[str]) -> list[str]:
    """What to say of the domains that a search was narrowed to and that no document has."""
    if not domains:
        return []
    which = "domain" if len(domains) == 1 else "any of the domains"
    named = _listed([repr(domain) for domain in domains])
    mend = "name domains that documents were indexed with, or none to search all of them"
    return [f"domains: no document has {which} {named}; {mend}"]


def of_empty_index(*, is_empty: bool) -> list[str]:
    """What to say where nothing was found as nothing is there."""
    mend = "`attune index DIR` or IndexDocuments adds some"
    return [f"the index has no documents of this tenant: {mend}"] if is_empty else []


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
