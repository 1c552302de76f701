import pytest

from attune.embeddings.domains import GENERAL, Domain, DomainRegistry, ExpertKind
from attune.embeddings.errors import SettingError, UnknownDomainError


def domain(name: str) -> Domain:
    return Domain(name, f"Texts about {name}", ExpertKind.GENERAL, "v1")


def test_a_text_without_a_domain_goes_to_the_general_expert():
    registry = DomainRegistry(
        [Domain(GENERAL, "The shared backbone, for text of any domain", ExpertKind.GENERAL, "abc123")]
    )
    assert registry.route("") is registry.route(GENERAL)
    assert registry.route("") == Domain(
        "general", "The shared backbone, for text of any domain", ExpertKind.GENERAL, "abc123"
    )


def test_a_named_domain_goes_to_its_own_expert():
    registry = DomainRegistry([domain("law"), domain(GENERAL)])
    assert registry.route("law").id == "law"


def test_an_unknown_domain_is_refused_with_the_known_ones():
    registry = DomainRegistry([domain("law"), domain(GENERAL), domain("bio")])
    with pytest.raises(UnknownDomainError, match="domain 'chess' is unknown: use one of bio, general, law, or leave"):
        registry.route("chess")


def test_an_unknown_domain_error_carries_its_parts():
    error = UnknownDomainError("chess", ["law", "bio"])
    assert (error.domain, error.known) == ("chess", ("bio", "law"))


@pytest.mark.parametrize("name", ["General", " general", "law "])
def test_names_are_compared_exactly(name):
    with pytest.raises(UnknownDomainError):
        DomainRegistry([domain("law"), domain(GENERAL)]).route(name)


def test_domains_are_listed_in_order():
    registry = DomainRegistry([domain("law"), domain(GENERAL), domain("bio")])
    assert [entry.id for entry in registry.domains()] == ["bio", "general", "law"]


@pytest.mark.parametrize("name", ["", "Law", "9lives", "a b", "ä", "x" * 65, "law\n"])
def test_a_malformed_id_is_refused(name):
    with pytest.raises(SettingError, match="is malformed: use 1-64 of"):
        DomainRegistry([domain(GENERAL), domain(name)])


def test_an_id_given_twice_is_refused():
    with pytest.raises(SettingError, match="'law' is registered twice"):
        DomainRegistry([domain(GENERAL), domain("law"), domain("law")])


def test_a_registry_needs_the_general_domain():
    with pytest.raises(SettingError, match="has no 'general' domain"):
        DomainRegistry([domain("law")])
