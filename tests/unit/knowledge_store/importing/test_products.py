from pathlib import Path

import pytest

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.importing.products import ProductColumns, product_entities
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.importing.rows import read_rows
from attune.knowledge_store.importing.writing import write_catalog
from attune.knowledge_store.model import Link

COLUMNS = ProductColumns("sku", "title", ("brand_alias",), "text", {"category": "part_of", "brand": "made_by"}, "|")
CSV = """sku,title,brand_alias,text,category,brand
1,"Drill, 18 V",Bohrer|drill,"Makes
holes.",Power Tools,ACME
2,Saw,,,power tools|Saws,Ärme
3,Glue,,Sticks.,!!!,
"""


def imported(directory: Path, content: str, columns: ProductColumns = COLUMNS, name: str = "p.csv"):
    (directory / name).write_text(content, "utf-8")
    report = ImportReport(name)
    rows = read_rows(directory / name, report, lambda _read: None)
    write_catalog(product_entities(rows, columns, report), directory / "catalog.jsonl", report)
    return Catalog.load(directory / "catalog.jsonl"), report


def test_products_and_what_they_are_grouped_by_become_entities(tmp_path):
    catalog, report = imported(tmp_path, CSV)
    groups = ["category:power-tools", "brand:acme", "category:saws", "brand:ärme"]
    assert [entity.id for entity in catalog] == ["1", "2", "3", *groups]
    drill = catalog["1"]
    assert (drill.label, drill.aliases, drill.description) == ("Drill, 18 V", ("Bohrer", "drill"), "Makes\nholes.")
    assert drill.links == (Link("part_of", "category:power-tools"), Link("made_by", "brand:acme"))
    tools = catalog["category:power-tools"]
    assert (tools.label, tools.aliases) == ("Power Tools", ("power tools",))
    assert report.left_out["values of link columns without a letter or digit"] == 1
    assert report.bad_lines == 0


def test_json_lines_may_have_lists_and_numbers(tmp_path):
    content = (
        '{"sku": 1, "title": "Drill", "brand_alias": ["B", null], "text": null, "category": ["A", "B"], "brand": 7}'
    )
    catalog, _ = imported(tmp_path, content, name="p.jsonl")
    assert catalog["1"].aliases == ("B",)
    assert {link.target for link in catalog["1"].links} == {"category:a", "category:b", "brand:7"}


def test_tabs_separate_in_a_tsv(tmp_path):
    catalog, _ = imported(tmp_path, "sku\ttitle\tn\n1\tDrill, big\t\n", ProductColumns("sku", "title"), "p.tsv")
    assert catalog["1"].label == "Drill, big"


def test_an_id_that_comes_twice_is_refused_with_both_lines(tmp_path):
    with pytest.raises(CatalogError, match='line 4, column sku: "2" is in line 3 already'):
        imported(tmp_path, "sku,title\n1,A\n2,B\n2,C\n", ProductColumns("sku", "title"))
    assert not (tmp_path / "catalog.jsonl").exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",A", 'column "sku" is empty'),
        ("2,", 'column "title" is empty'),
        ("2", "1 cells, the first line has 2"),
        ("2,A,B", "3 cells, the first line has 2"),
        ('2,"a"b', "not CSV"),
    ],
)
def test_a_bad_row_is_counted_with_its_line(tmp_path, row, said):
    catalog, report = imported(tmp_path, f"sku,title\n1,A\n{row}\n3,C\n", ProductColumns("sku", "title"))
    assert [entity.id for entity in catalog] == ["1", "3"]
    assert [each.number for each in report.examples] == [3]
    assert said in report.examples[0].reason


def test_a_column_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    with pytest.raises(CatalogError, match='no column "size"; there are: sku, title'):
        imported(tmp_path, "sku,title\n1,A\n", ProductColumns("sku", "title", links={"size": "has"}))


def test_a_product_with_the_id_of_a_group_is_refused(tmp_path):
    with pytest.raises(CatalogError, match='line 2: the id "c:x" is that of a group'):
        imported(tmp_path, "sku,title,c\nc:x,A,X\n", ProductColumns("sku", "title", links={"c": "part_of"}))


@pytest.mark.parametrize(("line", "said"), [("{", "not JSON"), ("[1]", "a list instead of an object")])
def test_a_bad_json_line_is_counted(tmp_path, line, said):
    content = f'{line}\n{{"sku": "1", "title": "A"}}\n'
    catalog, report = imported(tmp_path, content, ProductColumns("sku", "title"), "p.jsonl")
    assert len(catalog) == 1
    assert said in report.examples[0].reason


@pytest.mark.parametrize(
    ("value", "slug"),
    [("Home & Garden", "home-garden"), ("家具", "家具"), ("हिन्दी", "हिन्दी"), (" ÉTÉ_", "été"), ("A\u200bB", "ab")],
)
def test_slugs_are_of_any_script(tmp_path, value, slug):
    catalog, _ = imported(tmp_path, f"sku,title,c\n1,A,{value}\n", ProductColumns("sku", "title", links={"c": "in"}))
    assert catalog["1"].links == (Link("in", f"c:{slug}"),)
