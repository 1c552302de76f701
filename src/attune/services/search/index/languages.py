"""The languages whose words BM25 knows: how the engine splits them, stems them, and which of them it leaves out."""

import qdrant_edge as edge

DEFAULT = "en"
"""Of documents and queries that name none."""

_NAMES = {
    "ar": "arabic",
    "az": "azerbaijani",
    "bn": "bengali",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "he": "hebrew",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "kk": "kazakh",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sl": "slovene",
    "sv": "swedish",
    "tg": "tajik",
    "tr": "turkish",
}
_WITHOUT_SPACES = {"ja": "japanese", "zh": "chinese"}
"""Their words are found by a dictionary."""


def primary(tag: str) -> str:
    """The language of a BCP 47 tag, without region and script."""
    return tag.partition("-")[0].lower()


def stored_tags(tag: str) -> list[str]:
    """What a document with this tag is found by."""
    return sorted({primary(tag), tag.lower()}) if tag else []


def bm25_config(language: str, *, k: float, b: float, average_length: float) -> edge.Bm25Config:
    """How words of a language are counted. Of a language that is not known none is stemmed, and none left out."""
    if name := _WITHOUT_SPACES.get(language):
        return edge.Bm25Config(k, b, average_length, tokenizer=edge.TokenizerType.Multilingual, language=name)
    if name := _NAMES.get(language):
        return edge.Bm25Config(k, b, average_length, tokenizer=edge.TokenizerType.Code, language=name)
    return edge.Bm25Config(
        k,
        b,
        average_length,
        tokenizer=edge.TokenizerType.Code,
        language="english",
        stopwords=edge.StopwordsSet(),
        stemmer=edge.DisabledStemmer(),
    )
