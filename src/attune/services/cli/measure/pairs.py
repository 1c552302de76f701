"""`attune eval pairs`: do two texts belong together? Several models side by side, on pairs that none was trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.pairs import Judgements, average_precision, best_threshold, draw_apart, f1, judge
from attune.embeddings.evaluation.significance import Interval, resampled_all
from attune.embeddings.items import Embedded, EmbedItem
from attune.embeddings.training.pairs import TextPair, held_back, read_pairs
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.options import named
from attune.services.cli.measure.report import make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder

_BACKBONE = "backbone"
_DEV_SHARE = 0.1
_BATCH = 256


def pairs(
    *,
    pairs: Annotated[list[str], typer.Option(help="DOMAIN=FILE: pairs to be judged on; may be repeated.")],
    train: Annotated[
        list[str], typer.Option(help="DOMAIN=FILE: what was trained on. The threshold comes from its kept-back tenth.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR: a model; {domain} in DIR stands for each domain's own. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the pairs that do not belong together.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure F1 of telling pairs that belong together from random ones, by cosine: each model, domain by domain.

    The packaged backbone is always among the models. Differences are those of the first one from each other, with 95%
    intervals by paired bootstrap. A text is embedded by the expert of its pair's domain, if the model has one.

    Example: attune eval pairs --model mixture=models/mine --pairs law=law.dev.jsonl --train law=law.train.jsonl
    """
    with told_plainly():
        judged_on, trained_on = _by_domain(pairs, "--pairs"), _by_domain(train, "--train")
        if judged_on.keys() != trained_on.keys():
            raise SettingError(f"--pairs has {sorted(judged_on)}, --train {sorted(trained_on)}: name the same domains")
        models = dict(named(each, "--model") for each in model or []) | {_BACKBONE: ""}
        tests = {name: read_pairs([file]).pairs for name, file in judged_on.items()}
        devs = {name: held_back(read_pairs([file]).pairs, _DEV_SHARE)[1] for name, file in trained_on.items()}
        measured = _measure_all(models, tests, devs, seed)
        rows = [each.row() for each in measured]
        made = make_report(rows, _summary(list(models), measured), system_clock())
        if out is not None:
            write(made, out, page_of("Do two texts belong together?", made))
    show(made, as_json=as_json)


@dataclass(frozen=True)
class _Measured:
    """One model on one domain's pairs. `said` [pairs] is what it says at the threshold."""

    model: str
    domain: str
    judged: Judgements
    threshold: float

    @property
    def said(self) -> NDArray[np.bool_]:
        return self.judged.cosines >= self.threshold

    def row(self) -> dict[str, str | int | float]:
        return {
            "model": self.model,
            "domain": self.domain,
            "pairs": int(self.judged.together.sum()),
            "threshold": self.threshold,
            "f1": f1(self.judged, self.threshold),
            "f1max": f1(self.judged, best_threshold(self.judged)),
            "average_precision": average_precision(self.judged),
        }


def _measure_all(
    models: dict[str, str], tests: dict[str, list[TextPair]], devs: dict[str, list[TextPair]], seed: int
) -> list[_Measured]:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    measured = []
    with progress() as bar:
        task = bar.add_task("judging", total=len(models) * len(tests))
        for name, place in models.items():
            loaded: dict[str, Embedder] = {}
            for domain, test in tests.items():
                path = place.replace("{domain}", domain)
                embedder = loaded.get(path) or Embedder.load(path or None)
                loaded = {path: embedder}
                dev = _judged(embedder, domain, devs[domain], seed)
                judged = _judged(embedder, domain, test, seed)
                measured.append(_Measured(name, domain, judged, best_threshold(dev)))
                bar.advance(task)
    return measured


def _judged(embedder: "Embedder", domain: str, pairs: Sequence[TextPair], seed: int) -> Judgements:
    firsts, seconds = [pair.a for pair in pairs], [pair.b for pair in pairs]
    known = domain if domain in {each.id for each in embedder.domains.domains()} else ""
    apart = draw_apart(firsts, seconds, seed)
    return judge(_vectors(embedder, firsts, known), _vectors(embedder, seconds, known), apart)


def _vectors(embedder: "Embedder", texts: Sequence[str], domain: str) -> NDArray[np.float32]:
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), _BATCH):
        for each in embedder.embed([EmbedItem(text, domain) for text in texts[start : start + _BATCH]]).results:
            if not isinstance(each, Embedded):
                raise each
            found.append(each.vector)
    return np.stack(found)


def _summary(models: Sequence[str], measured: Sequence[_Measured]) -> dict[str, float]:
    """Macro F1 of each model, and the first one's difference from each other one."""
    by_model = {name: [each for each in measured if each.model == name] for name in models}
    summary = {f"macro_f1_{name}": float(np.mean([each.row()["f1"] for each in of])) for name, of in by_model.items()}
    summary |= {
        f"macro_f1max_{name}": float(np.mean([each.row()["f1max"] for each in of])) for name, of in by_model.items()
    }
    first, *others = models
    for other in others:
        interval = _difference(by_model[first], by_model[other])
        summary |= {
            f"{first}_minus_{other}": interval.mean,
            f"{first}_minus_{other}_low": interval.low,
            f"{first}_minus_{other}_high": interval.high,
        }
    return summary


def _difference(ours: Sequence[_Measured], theirs: Sequence[_Measured]) -> Interval:
    """Of macro F1, with the same pairs drawn for both, domain by domain."""

    def measure(drawn: Sequence[NDArray[np.intp]]) -> float:
        return _macro(ours, drawn) - _macro(theirs, drawn)

    return resampled_all([len(each.judged.together) for each in ours], measure)


def _macro(measured: Sequence[_Measured], drawn: Sequence[NDArray[np.intp]]) -> float:
    return float(np.mean([_f1(each, places) for each, places in zip(measured, drawn, strict=True)]))


def _f1(measured: _Measured, places: NDArray[np.intp]) -> float:
    said, together = measured.said[places], measured.judged.together[places]
    return 2 * float((said & together).sum()) / max(1.0, float(said.sum() + together.sum()))


def _by_domain(given: Iterable[str], option: str) -> dict[str, Path]:
    return {name: Path(file) for name, file in (named(each, option) for each in given)}
