"""Whether a text is in another language than its context, where both say so by their commonest words.

Most queries have too few words to tell a language by. So a text is foreign only where it has two words that are common
in one language alone, of these here, and its context has such words of another and none of that one.
"""

from collections.abc import Iterable

_COMMON = {
    "en": "the and of how what is are for with to does which why when where can from about should",
    "de": "der die das und wie was ist sind für mit ein eine einen zum zur nicht auf wer wo warum wann kann von im",
    "fr": "le les des et comment quel quelle est sont pour avec une dans aux pourquoi où quand peut sur du qui au",
    "es": "el los las y cómo como qué es son para con una por dónde cuándo puede del cuál en",
    "it": "il gli della e come che è sono per con una nel dove quando può perché di alla",
    "pt": "os das e como que são para com uma no onde quando pode porque do não em",
    "nl": "het een en hoe wat zijn voor met van niet op wie waar waarom wanneer kan de",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_TELLING = 2


def speaks_another(text: Iterable[str], context: Iterable[str]) -> bool:
    """Whether folded words of a text are of another language than those of its context."""
    spoken, heard = _counts(text), _counts(context)
    foreign = {each for each, count in spoken.items() if count >= _TELLING and not heard[each]}
    own = {each for each, count in heard.items() if count >= _TELLING}
    return bool(foreign and own and not any(spoken[each] for each in own))


def _counts(words: Iterable[str]) -> dict[str, int]:
    distinct = frozenset(words)
    return {language: len(distinct & common) for language, common in _WORDS.items()}
