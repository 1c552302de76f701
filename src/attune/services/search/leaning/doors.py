"""Doors: what must hold before a gate is asked. An unrelated context may not count, however likely a gate finds it.

    session     door = leans_back
    statements  door = max(leans_back, agrees by a lower bar)
    documents   door = max(leans_back, min(agrees, is_near))
    weight      = door * weight of the gate

A gate learns from the collections that it has seen, and what it foresees on another one is a guess. Doors look at the
query's words, and compare a context with the query's own candidates, so that they mean the same in every collection;
they learn nothing. Each is between 0 (closed) and 1. The formulas and bounds are ours, and chosen by hand: see
docs/search-personal.md.
"""

import re

import numpy as np

from attune.services.search.leaning.mixing import TOP, Beside, Scores

_POINTING = (
    "it them they theirs this that he him his she her hers one ones other others another else more both either "
    "neither former latter first second third fourth fifth last next previous two"
)
_TALKING = (
    "actually already always any anything best better can compare could difference differences elaborate enough "
    "example examples explain going good great hello help helpful hi hmm i information instead interesting know "
    "like maybe me mean meaning means mine much my need never nice no oh ok okay option options our please prefer "
    "question really recommend recommendation said say something sorry sound sounds still suggest suggestion "
    "suitable sure talk tell thank thanks thing things think understand us useful want we wow yeah yes yet you "
    "your yours"
)
_EMPTYING = (
    "a about above again all also an and answer are as at be been being but by describe details did different do "
    "does doing done eight few find five for four from further get give go got had has have having here how idea "
    "ideas if in into is item items its just kind kinds list look looking made make many may might must nine nor "
    "not now number numbers of off on only or out over own quite right same see seven should show six so some "
    "such ten than the their then there these those three to too try type types up use very was way well were "
    "what when where which while who whom whose why will with would"
)
_ASKING = frozenset((_POINTING + " " + _TALKING).split())
"""English words that somebody says to somebody, and those that point to what was said before."""
_EMPTY = _ASKING | frozenset(_EMPTYING.split())
"""Those, and words that name nothing by themselves."""
_MOST_CONTENT = 4.0
"""So many words of content more than words of asking, and a query stands alone."""
_AGREES_FROM, _AGREES_RISE = 0.2, 0.4
_BARELY_FROM = -0.2
_NEAR_FROM, _NEAR_RISE = 0.75, 0.15
_CONTRACTED = re.compile("n['\u2019]t\\b|['\u2019]\\w*")
_WORD = re.compile(r"[^\W\d_]+")


def leans_back(text: str) -> float:
    """Whether a query is said to somebody and names little: "Can you compare the two?", and not "test ban treaty".

    The words are English. A query of another language does not lean back: its session does not count.
    """
    words = _WORD.findall(_CONTRACTED.sub(" ", text.casefold()))
    asking = sum(word in _ASKING for word in words)
    content = len({word for word in words if word not in _EMPTY and len(word) > 1})
    return _ramp(asking - content, -_MOST_CONTENT, 1.0) if asking else 0.0


def agrees(base: Scores, ranking: Beside, *, barely: bool = False) -> float:
    """Whether the ten best of the plain ranking are nearer to the context than the candidates mostly are, in their
    standard deviations: what the context is about, the query has found by itself.
    """
    plain = np.argsort(-base, kind="stable")[:TOP]
    above = float(ranking.support[plain].mean() - ranking.support.mean()) / (float(ranking.support.std()) + 1e-6)
    return _ramp(above, _BARELY_FROM if barely else _AGREES_FROM, _AGREES_RISE)


def is_near(ranking: Beside, context_cosine: float) -> float:
    """Whether the context is about as near to the query as the nearest document is."""
    return _ramp(context_cosine / max(float(ranking.cosines.max()), 1e-6), _NEAR_FROM, _NEAR_RISE)


def _ramp(value: float, start: float, rise: float) -> float:
    return min(max((value - start) / rise, 0.0), 1.0)
