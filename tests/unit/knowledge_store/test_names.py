import pytest

from attune.knowledge_store.model import Entity
from attune.knowledge_store.names import NameKind, names_of, plural


def kinds(label: str, *aliases: str) -> dict[str, NameKind]:
    return names_of(Entity("x", label, aliases))


@pytest.mark.parametrize(
    ("label", "kind", "names"),
    [
        ("The Home Depot", NameKind.VARIANT, {"home depot"}),
        ("Paxar Corp.", NameKind.VARIANT, {"paxar"}),
        ("Rosie O'Donnell", NameKind.VARIANT, {"rosie o\u2019donnell"}),
        ("Lee Seung-hyo", NameKind.VARIANT, {"lee seung hyo"}),
        ("Li\u00e8ge", NameKind.VARIANT, {"liege"}),
        ("K\u00fchbauer", NameKind.VARIANT, {"kuhbauer", "kuehbauer"}),
        ("\u0141\u00f3d\u017a", NameKind.VARIANT, {"lodz"}),
        ("city", NameKind.VARIANT, {"cities"}),
        ("International Monetary Fund", NameKind.ACRONYM, {"imf", "i.m.f.", "i.m.f"}),
        ("United Nations", NameKind.ACRONYM, {"u.n.", "u.n"}),
        ("Institute for Supply Management", NameKind.ACRONYM, {"ism", "i.s.m.", "i.s.m"}),
        ("Iraq", NameKind.DEMONYM, {"iraqi", "iraqis"}),
        ("Netherlands", NameKind.DEMONYM, {"dutch", "dutchman"}),
        ("Robert Nardelli", NameKind.PART, {"robert", "nardelli"}),
        ("Bank of England", NameKind.PART, {"bank", "england"}),
        ("England cricket team", NameKind.PART, {"england"}),
        ("history of England", NameKind.PART, set()),
        ("list of things", NameKind.PART, set()),
    ],
)
def test_what_english_makes_of_a_label(label, kind, names):
    assert {name for name, known in kinds(label).items() if known is kind} == names


def test_the_most_certain_kind_of_a_name_is_kept():
    assert kinds("Iraq", "Iraqi")["iraqi"] is NameKind.ALIAS
    assert kinds("mercury", "Mercury")["mercury"] is NameKind.LABEL


def test_short_aliases_in_capitals_are_acronyms():
    known = kinds("Dominican Republic", "DR", "Quisqueya", "Dr")
    assert known["dr"] is NameKind.ACRONYM
    assert known["quisqueya"] is NameKind.ALIAS


@pytest.mark.parametrize("label", ["", " ", "\u0301", "\u200d", "x" * 1000, "A " * 500, ",", "& Co", "'", "\U0001f1e9"])
def test_odd_labels_have_no_odd_names(label):
    assert all(name and name == name.strip() for name in kinds(label))
    assert len(kinds(label)) < 10


@pytest.mark.parametrize(
    ("one", "many"), [("box", "boxes"), ("city", "cities"), ("day", "days"), ("church", "churches")]
)
def test_regular_plurals(one, many):
    assert plural(one) == many
