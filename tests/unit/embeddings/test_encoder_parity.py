"""Our encoder against sentence-transformers, the implementation that these models were published with."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from attune.embeddings.embedder import Embedder
from attune.embeddings.items import Embedded, EmbedItem

PROSE = (
    "The tide had gone out before dawn, and the harbour smelt of weed and diesel. Two boats lay on the mud with their "
    "keels showing; a third, painted blue in 1987 and never since, was being pushed towards the channel by its owner, "
    "his daughter and a neighbour who had been told there would be coffee. Nobody spoke much. By the time the church "
    "clock struck seven they had moved it eleven metres, which was further than anyone had expected, and the water "
    "was coming back."
)
ABSTRACT = (
    "Background: hypertrophic cardiomyopathy (HCM) is caused by variants in sarcomere genes, of which MYBPC3 and MYH7 "
    "account for most. Methods: we followed 1,204 carriers for a median of 6.3 years (IQR 3.1-9.8). Results: the "
    "hazard ratio of MYH7 against MYBPC3 was 1.42 (95% CI 1.08-1.87; p=0.012), and rose with age at first imaging."
)
SHORT = [
    "a",
    "tides",
    "how to fix a leaking tap",
    "What is the capital of Mongolia?",
    "def mean(xs: list[float]) -> float: return sum(xs) / len(xs)",
    "naïve café, Ünïcödé and a 12.5 % discount",
    "東京の天気はどうですか",
    "Привет, как дела?",
    "🚀 launch 🎉 day",
    "https://example.org/path?query=1&lang=en#top",
    "[SEP] and [CLS] in running text",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
]
TEXTS = [
    *SHORT,
    *(" ".join(PROSE.split()[:words]) for words in (2, 3, 5, 9, 16, 28, 45, 70)),
    PROSE,
    ABSTRACT,
    f"{PROSE} {ABSTRACT}",
    f"{PROSE} {ABSTRACT} " * 3,
]


def vectors(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    results = embedder.embed([EmbedItem(text) for text in texts]).results
    return np.stack([result.vector for result in results if isinstance(result, Embedded)])


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@pytest.fixture(scope="module")
def published(packaged_model) -> NDArray[np.float32]:
    model = SentenceTransformer(str(packaged_model), device="cpu", local_files_only=True)
    return np.asarray(model.encode(TEXTS, show_progress_bar=False))


def test_the_texts_span_the_lengths(packaged_embedder):
    results = packaged_embedder.embed([EmbedItem(text) for text in TEXTS]).results
    counts = [result.token_count for result in results if isinstance(result, Embedded)]
    assert min(counts) == 3
    assert max(counts) == packaged_embedder.max_tokens
    assert len(set(counts)) >= 15


def test_fp32_vectors_are_those_of_sentence_transformers(packaged_embedder, published):
    ours = vectors(packaged_embedder, TEXTS)
    assert cosines(ours, published).min() >= 0.9999
    np.testing.assert_allclose(ours, published, atol=2e-5)


@pytest.fixture(scope="module")
def bf16_embedder(packaged_model) -> Embedder:
    return Embedder.load(str(packaged_model), "bf16")


def test_bf16_vectors_stay_close(bf16_embedder, published):
    assert cosines(vectors(bf16_embedder, TEXTS), published).min() >= 0.999


@pytest.mark.parametrize("precision", ["packaged_embedder", "bf16_embedder"])
def test_real_texts_have_the_same_vector_alone(request, precision):
    embedder = request.getfixturevalue(precision)
    alone = np.concatenate([vectors(embedder, [text]) for text in TEXTS])
    assert cosines(vectors(embedder, TEXTS), alone).min() >= 0.9999


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalize", [True, False])
def test_poolings_are_those_of_sentence_transformers(write_model, tmp_path: Path, pooling, normalize):
    directory = write_model(tmp_path / "tiny", pooling={"pooling_mode": pooling}, normalize=normalize)
    texts = ["the cat sat on a mat", "dogs ran", "old green trees near water " * 8]
    model = SentenceTransformer(str(directory), device="cpu", local_files_only=True)
    ours = vectors(Embedder.load(str(directory), "fp32"), texts)
    np.testing.assert_allclose(ours, np.asarray(model.encode(texts, show_progress_bar=False)), atol=1e-4, rtol=1e-4)
