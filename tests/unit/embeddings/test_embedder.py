import itertools
import json
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import ModelError, SettingError, TextError, UnknownDomainError
from attune.embeddings.items import Embedded, EmbedItem, Role

GOOD = [EmbedItem("the cat sat"), EmbedItem("dogs ran fast under trees"), EmbedItem("old green water")]
BAD = [EmbedItem(""), EmbedItem("\ud800"), EmbedItem("cat", domain="chess"), EmbedItem("cat " * 90, truncate=False)]


def test_a_text_comes_back_with_all_that_is_known_of_it(tiny_embedder):
    (result,) = tiny_embedder.embed([EmbedItem("the cat sat on the mat")]).results
    assert isinstance(result, Embedded)
    assert result.vector.shape == (tiny_embedder.dimension,)
    assert (result.domain, result.token_count, result.truncated) == ("general", 8, False)


def test_a_long_text_is_reported_as_cut(tiny_embedder):
    (result,) = tiny_embedder.embed([EmbedItem("cat " * 90)]).results
    assert isinstance(result, Embedded)
    assert (result.token_count, result.truncated) == (tiny_embedder.max_tokens, True)


def test_each_bad_text_gets_its_own_error(tiny_embedder):
    empty, surrogate, domain, long = tiny_embedder.embed(BAD).results
    assert [type(result) for result in (empty, surrogate, domain, long)] == [
        TextError,
        TextError,
        UnknownDomainError,
        TextError,
    ]
    assert [error.index for error in (empty, surrogate, long)] == [0, 1, 3]
    assert "chess" in str(domain)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(len(GOOD) + len(BAD))))
def test_bad_texts_leave_their_neighbours_unharmed(tiny_embedder, order):
    alone = {item.text: tiny_embedder.embed([item]).results[0] for item in GOOD}
    items = [[*GOOD, *BAD][index] for index in order]
    results = tiny_embedder.embed(items).results
    assert len(results) == len(items)
    for index, (item, result) in enumerate(zip(items, results, strict=True)):
        if item in GOOD:
            assert isinstance(result, Embedded)
            assert float(result.vector @ alone[item.text].vector) >= 0.9999
        else:
            assert isinstance(result, TextError | UnknownDomainError)
            assert getattr(result, "index", index) == index


def test_nothing_in_gives_nothing_out(tiny_embedder):
    assert tiny_embedder.embed([]).results == ()


def test_only_bad_texts_are_no_problem(tiny_embedder):
    assert len(tiny_embedder.embed(BAD).results) == len(BAD)


def test_the_general_domain_may_be_named(tiny_embedder):
    unnamed, named = tiny_embedder.embed([EmbedItem("cat"), EmbedItem("cat", domain="general")]).results
    assert (unnamed.domain, named.domain) == ("general", "general")
    np.testing.assert_allclose(unnamed.vector, named.vector, atol=1e-5)


def test_roles_differ_only_where_the_model_has_prompts(tiny_embedder, tiny_model):
    (tiny_model / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "old "}}))
    prompted = Embedder.load(str(tiny_model), "fp32")
    both = [EmbedItem("cat", role=Role.QUERY), EmbedItem("cat", role=Role.PASSAGE)]
    query, passage = (result.vector for result in prompted.embed(both).results)
    plain_query, plain_passage = (result.vector for result in tiny_embedder.embed(both).results)
    with_prompt = tiny_embedder.embed([EmbedItem("old cat")]).results[0].vector
    assert float(plain_query @ plain_passage) >= 0.9999
    assert float(passage @ plain_passage) >= 0.9999
    assert float(query @ with_prompt) >= 0.9999
    assert float(query @ plain_query) < 0.999


def _readings_of_a_load(model) -> int:
    ticks = itertools.count()
    Embedder.load(str(model), "fp32", clock=lambda: float(next(ticks)))
    return next(ticks)


def test_timings_are_milliseconds_of_the_clock_it_was_given(tiny_model):
    readings = itertools.chain(itertools.repeat(100.0, _readings_of_a_load(tiny_model)), [100.0, 100.25, 102.25])
    embedder = Embedder.load(str(tiny_model), "fp32", clock=lambda: next(readings))
    timings = embedder.embed(GOOD).timings
    assert (timings.tokenize_ms, timings.compute_ms) == (250.0, 2000.0)


def test_the_model_describes_itself(tiny_embedder):
    assert (tiny_embedder.name, tiny_embedder.dimension, tiny_embedder.max_tokens) == ("tiny", 32, 24)
    assert tiny_embedder.normalized
    assert tiny_embedder.precision.dtype is torch.float32
    assert tiny_embedder.domains.route("").version == tiny_embedder.revision


def test_the_revision_is_that_of_the_weights(write_model, tmp_path, tiny_embedder):
    same = Embedder.load(str(write_model(tmp_path / "same")), "fp32")
    name = "embeddings.LayerNorm.bias"
    other = Embedder.load(str(write_model(tmp_path / "other", weights={name: torch.zeros(32)})), "fp32")
    assert len(same.revision) == 12
    assert same.revision == tiny_embedder.revision != other.revision


def test_the_packaged_model_knows_what_texts_mean(packaged_embedder):
    texts = ["A cat sleeps on the sofa", "The kitten naps on the couch", "Interest rates rose again"]
    results = packaged_embedder.embed([EmbedItem(text) for text in texts]).results
    cat, kitten, rates = (result.vector for result in results)
    assert cat @ kitten > 0.5
    assert cat @ rates < 0.2
    assert (packaged_embedder.name, packaged_embedder.dimension) == ("all-MiniLM-L6-v2", 384)
    assert packaged_embedder.revision == "53aa51172d14"


def test_a_model_whose_parts_do_not_match_is_refused(write_model, tmp_path):
    directory = write_model(tmp_path / "model", weights={"embeddings.word_embeddings.weight": torch.zeros(99, 32)})
    with pytest.raises(ModelError, match=r"word_embeddings\.weight has shape \[99, 32\]"):
        Embedder.load(str(directory), "fp32")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"vocab_size": 99}))
    with pytest.raises(ModelError, match=r"tokenizer\.json has a vocabulary of .* the embedding matrix 99 rows"):
        Embedder.load(str(directory), "fp32")


@pytest.mark.parametrize("threads", [0, -2])
def test_an_impossible_number_of_threads_is_refused(tiny_model, threads):
    with pytest.raises(SettingError, match=f"threads is {threads}: give at least 1"):
        Embedder.load(str(tiny_model), "fp32", threads)


def test_the_threads_asked_for_are_those_that_compute(tiny_model):
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        Embedder.load(str(tiny_model), "fp32", 1)
        worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        worker.start()
        worker.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_an_unknown_precision_is_refused(tiny_model):
    with pytest.raises(SettingError, match="precision is 'half'"):
        Embedder.load(str(tiny_model), "half")
