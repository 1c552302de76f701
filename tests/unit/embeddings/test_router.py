from dataclasses import replace

import numpy as np
import pytest

from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.samples import read_sample, write_sample
from attune.embeddings.router import DomainSample, Router

SIZE = 24


def texts(domain: int, count: int = 200, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Vectors about an axis of the domain's own."""
    vectors = np.random.default_rng([seed, domain]).normal(0, 0.12, (count, SIZE))
    vectors[:, domain] += 1
    vectors[:, -1] += shift
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sample(domain: int) -> DomainSample:
    return DomainSample.of(texts(domain), texts(domain, seed=1, shift=0.8))


@pytest.fixture
def router() -> Router:
    return Router({"law": sample(0), "bio": sample(1), "code": sample(2)})


def test_texts_are_routed_to_their_domain(router):
    for domain, name in enumerate(("law", "bio", "code")):
        for shift in (0.0, 0.8):
            found = router.route(texts(domain, 100, seed=7, shift=shift))
            assert found.count(name) >= 95


def test_strangers_go_to_the_general_expert(router):
    assert router.route(texts(9, 100)).count("general") >= 95


def test_probabilities_add_up_and_are_calibrated(router):
    assert router.domains == ("bio", "code", "law", "general")
    vectors = np.concatenate([texts(domain, 200, seed=8) for domain in range(3)])
    found = router.probabilities(vectors)
    np.testing.assert_allclose(found.sum(1), 1)
    right = np.array(router.route(vectors)) == np.repeat(["law", "bio", "code"], 200)
    assert found.max(1).mean() == pytest.approx(right.mean(), abs=0.05)


def test_without_domains_everything_is_general():
    router = Router({})
    assert router.route(texts(0, 3)) == ["general"] * 3
    np.testing.assert_array_equal(router.probabilities(texts(0, 3)), [[1.0]] * 3)


def test_a_sample_is_read_as_it_was_written(tmp_path):
    written = sample(0)
    file, sha256 = write_sample(tmp_path, "law", written)
    read = read_sample(tmp_path / file, sha256)
    np.testing.assert_array_equal(read.scatter, written.scatter)
    np.testing.assert_allclose(read.held_queries, written.held_queries, atol=1e-3)
    assert (read.count, file.startswith("routing/law-")) == (written.count, True)


def test_what_calibrates_is_not_in_the_sums():
    assert sample(0).count == 400 - 80
    assert len(DomainSample.of(texts(0, 2000), texts(0, 2000)).held_passages) == 100


def test_damaged_samples_are_refused(tmp_path):
    file, sha256 = write_sample(tmp_path, "law", sample(0))
    with pytest.raises(ModelError, match="cannot be read"):
        read_sample(tmp_path / "gone", sha256)
    (tmp_path / file).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the one that the manifest names"):
        read_sample(tmp_path / file, sha256)


def test_a_domain_more_is_found_among_those_before():
    samples = {"law": sample(0), "bio": sample(1)}
    assert Router(samples).route(texts(2, 50)).count("general") >= 45
    assert Router(samples | {"code": replace(sample(2))}).route(texts(2, 50, seed=9)).count("code") >= 45
