"""The sections against servers in memory: what is measured in which order, and the figures."""

from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from tests.unit.cli.measure.embedding.conftest import MemoryTarget

from attune.services.cli.measure.embedding.bench import Bench, Step, run_sections
from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.load.open_loop import Arrival
from attune.services.cli.measure.embedding.observation import Case
from attune.services.cli.measure.embedding.plan import Load, Peer
from attune.services.cli.measure.embedding.sections import all_sections
from attune.services.cli.measure.embedding.sections.batches import Batches
from attune.services.cli.measure.embedding.sections.closed import ClosedLoop
from attune.services.cli.measure.embedding.sections.in_process import InProcess
from attune.services.cli.measure.embedding.sections.mixed import MixedDomains
from attune.services.cli.measure.embedding.sections.opened import OpenLoop, latencies
from attune.services.cli.measure.embedding.sections.overload import Overload, outcomes
from attune.services.cli.measure.embedding.sections.quality import cosines, prose
from attune.services.cli.measure.errors import BenchError


def measured(bench: Bench, *sections: object) -> list[Step]:
    """Run them; returns the steps in the order in which they were run."""
    seen: list[Step] = []

    def track(steps):
        for step in steps:
            seen.append(step)
            yield step

    run_sections(bench, sections, track)  # type: ignore[arg-type]
    return seen


def test_the_closed_loop_is_interleaved_and_another_server_begins_each_round(bench: Bench) -> None:
    measured(bench, ClosedLoop())
    order = [(each.round, each.case.load, each.case.concurrency, each.case.subject) for each in bench.observations]
    assert order[:4] == [(0, "q8", 1, "attune"), (0, "q8", 1, "peer"), (0, "q8", 4, "attune"), (0, "q8", 4, "peer")]
    assert order[8:10] == [(1, "q8", 1, "peer"), (1, "q8", 1, "attune")]
    assert len(order) == 2 * 2 * 2 * 2


def test_both_servers_get_the_same_texts(bench: Bench, targets: dict[str, MemoryTarget]) -> None:
    measured(bench, ClosedLoop())
    ours, theirs = (target.asked for target in targets.values())
    assert ours[:3] == theirs[:3] == [b"q8 0 0", b"q8 0 1", b"q8 0 2"]
    assert targets["peer"].most_in_flight == 4


def test_the_summary_has_a_throughput_and_a_latency_ratio_for_each_peer(bench: Bench) -> None:
    section = ClosedLoop()
    measured(bench, section)
    cases = ("q8_c1_peer", "q8_c4_peer", "zipf_c1_peer", "zipf_c4_peer")
    assert set(section.summary(bench)) == {f"{kind}_{case}" for case in cases for kind in ("ratio", "p50_ratio")}


def test_random_arrivals_come_at_a_share_of_the_servers_own_peak(bench: Bench) -> None:
    measured(bench, ClosedLoop(), OpenLoop())
    for server in bench.servers:
        peak = next(e for e in bench.observations if e.case == Case("closed_loop", server.name, "q8", 4))
        offered = next(e for e in bench.observations if e.case == Case("open_loop", server.name, "q8"))
        assert offered.measures["offered_per_s"] == pytest.approx(0.7 * peak.measures["texts_per_s"])


def test_what_the_plan_leaves_out_has_no_steps(bench: Bench) -> None:
    bench.plan = replace(bench.plan, open_loop=0)
    assert OpenLoop().steps(bench) == []
    assert Overload().steps(bench) == []


def test_batches_are_of_32_texts_and_compared_within_a_round(bench: Bench, targets: dict[str, MemoryTarget]) -> None:
    section = Batches()
    measured(bench, section)
    assert {request.count(b"\n") + 1 for request in targets["attune"].asked} == {32}
    assert targets["peer"].asked == []
    rates = [each.measures["texts_per_s"] for each in bench.observations if each.case.concurrency == 4]
    assert section.summary(bench) == {"service_share_batch32": pytest.approx(median(rates) / 300)}


def test_in_process_ours_is_compared_at_the_same_precision(bench: Bench) -> None:
    bench.plan = replace(bench.plan, against=(Peer.SENTENCE_TRANSFORMERS,))
    section = InProcess()
    measured(bench, section)
    subjects = {each.case.subject for each in bench.observations}
    assert subjects == {"attune", "sentence_transformers_bf16", "sentence_transformers_fp32"}
    assert section.summary(bench) == {
        "ceiling_fraction_q8": 0.7,
        "ceiling_fraction_zipf": 0.7,
        "inprocess_ratio_zipf": 2.0,
    }


def test_alone_our_engine_has_no_ratio(bench: Bench) -> None:
    section = InProcess()
    measured(bench, section)
    assert set(section.summary(bench)) == {"ceiling_fraction_q8", "ceiling_fraction_zipf"}


def test_the_mixture_is_as_good_as_its_worst_case(bench: Bench) -> None:
    section = MixedDomains()
    measured(bench, section)
    assert section.summary(bench) == {
        "mixed_domains_ratio_q8_uniform": 0.98,
        "mixed_domains_ratio_q8_skewed": 0.9,
        "mixed_domains_ratio_zipf_uniform": 0.98,
        "mixed_domains_ratio_zipf_skewed": 0.9,
        "mixed_domains_ratio": 0.9,
    }


def test_overload_is_measured_once_after_the_rounds(bench: Bench) -> None:
    bench.plan = replace(bench.plan, overload_s=0.05, concurrency=(2,))
    section = Overload()
    steps = measured(bench, section, ClosedLoop())
    assert [step.label for step in steps].count("overload") == 1
    assert steps[-1].label == "overload"
    assert set(section.summary(bench)) == {"goodput_share_at_4x", "refusal_p99_ms"}


def test_every_section_has_steps_and_names_its_figures_once(bench: Bench) -> None:
    names = [name for section in all_sections() for name in section.summary(bench)]
    assert len(names) == len(set(names))
    labels = [step.label for section in all_sections() for step in section.steps(bench)]
    assert len(labels) == len(set(labels)) == 14


def arrival(outcome: Outcome, ended_s: float, sent_s: float = 0.0) -> Arrival:
    return Arrival(outcome, sent_s, ended_s)


def test_outcomes_count_only_answers_within_the_deadline_as_good() -> None:
    arrived = [
        *[arrival(Outcome.ANSWERED, 0.4)] * 6,
        arrival(Outcome.ANSWERED, 0.51),  # too late to be of use, not late by more than 50 ms
        arrival(Outcome.ANSWERED, 0.56),
        arrival(Outcome.EXPIRED, 0.57),
        arrival(Outcome.EXPIRED, 0.50),
        arrival(Outcome.FAILED, 0.01),
        *[arrival(Outcome.REFUSED, 0.008, sent_s=0.005)] * 3,
    ]
    seen = outcomes(arrived, seconds=2, deadline_s=0.5)
    assert seen["goodput_per_s"] == 3
    assert (seen["refused"], seen["expired"], seen["failed"], seen["late"]) == (3, 2, 1, 2)
    assert seen["refusal_p99_ms"] == pytest.approx(8)
    assert seen["refusal_from_send_p99_ms"] == pytest.approx(3)


def test_without_refusals_they_took_no_time() -> None:
    assert outcomes([arrival(Outcome.ANSWERED, 0.1)], 1, 0.5)["refusal_p99_ms"] == 0


def test_latencies_are_of_answers_and_the_rest_is_counted() -> None:
    seen = latencies([arrival(Outcome.ANSWERED, 0.2, 0.01), arrival(Outcome.EXPIRED, 60, 0.03)])
    assert seen["p50_ms"] == pytest.approx(200)
    assert seen["unanswered"] == 1
    assert seen["client_lag_p99_ms"] == pytest.approx(29.8)


def test_cosines_are_row_by_row_whatever_the_lengths() -> None:
    left = np.array([[1, 0], [3, 4]], np.float32)
    right = np.array([[0, 5], [6, 8]], np.float32)
    np.testing.assert_allclose(cosines(left, right), [0, 1])


def test_prose_is_real_text_and_the_same_every_time() -> None:
    texts = prose()
    assert len(set(texts)) == len(texts) == 200
    assert texts == prose()
    assert sum(len(text) for text in texts) / len(texts) > 100


def test_nothing_answered_is_said_with_the_mend() -> None:
    with pytest.raises(BenchError, match="lower --open-loop"):
        latencies([arrival(Outcome.EXPIRED, 60)])


def test_more_texts_are_made_for_a_longer_slice_of_shorter_texts(bench: Bench) -> None:
    asked: list[int] = []

    def texts(_load: Load, count: int, seed: int) -> list[str]:
        asked.append(count)
        return [str(seed)]

    bench.local.texts = texts  # type: ignore[method-assign]
    for load, seconds in ((Load.ZIPF, 1), (Load.Q8, 1), (Load.Q8, 3)):
        bench.texts(load, seconds, seed=0)
    assert asked == sorted(set(asked))
