import itertools

import pytest
import torch

from attune.embeddings.errors import SettingError
from attune.embeddings.precision import (
    Precision,
    choose_precision,
    cpu_features,
    decide,
    measure_bf16_speedup,
    native_bf16_feature,
    parse_cpuinfo,
)
from attune.embeddings.products import can_prepack


def never_measured() -> float:
    pytest.fail("measured where the answer was known")


@pytest.mark.parametrize(("setting", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_an_explicit_setting_is_honoured(setting, dtype):
    chosen = choose_precision(setting)
    assert chosen.dtype is dtype
    assert chosen.reason.startswith(f"{setting}: asked for")


@pytest.mark.skipif(not can_prepack(), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize(("laid_out_s", "prepacked"), [(1.0, True), (4.0, False)])
def test_weights_are_laid_out_for_the_cpu_where_that_is_faster(laid_out_s, prepacked):
    # Four readings a round: before and after a plain product of 2 s, before and after a laid-out one.
    steps = itertools.cycle([1.0, 2.0, 1.0, laid_out_s])
    readings = itertools.accumulate(steps)
    chosen = choose_precision("fp32", clock=lambda: next(readings))
    assert chosen.prepacked is prepacked
    assert ("laid out for this CPU, 2.0x" in chosen.reason) is prepacked


@pytest.mark.parametrize("setting", ["", "fp16", "FP32", "float32"])
def test_another_setting_is_refused_with_the_known_ones(setting):
    with pytest.raises(SettingError, match=f"precision is '{setting}': use one of auto, fp32, bf16, int8"):
        choose_precision(setting)


def test_without_native_bf16_nothing_is_measured():
    assert decide(None, never_measured) == Precision(torch.float32, "fp32: this CPU has no native bf16")


@pytest.mark.parametrize(
    ("gain", "dtype", "reason"),
    [
        (2.13, torch.bfloat16, "bf16: native (avx512_bf16), 2.1x fp32 on this machine"),
        (1.2, torch.bfloat16, "bf16: native (avx512_bf16), 1.2x fp32 on this machine"),
        (1.1, torch.float32, "fp32: native bf16 (avx512_bf16) is only 1.1x fp32 on this machine"),
        (0.5, torch.float32, "fp32: native bf16 (avx512_bf16) is only 0.5x fp32 on this machine"),
    ],
)
def test_native_bf16_must_also_be_measured_faster(gain, dtype, reason):
    assert decide("avx512_bf16", lambda: gain) == Precision(dtype, reason)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512_bf16": True, "avx2": True}, "avx512_bf16"),
        ({"avx512_bf16": True, "amx_bf16": True}, "amx_bf16"),
        ({"avx512_bf16": False, "avx2": True}, None),
        ({}, None),
    ],
)
def test_only_hardware_products_count_as_native(features, expected):
    assert native_bf16_feature(features) == expected


def test_cpuinfo_gives_the_flags_of_the_first_core():
    text = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    assert parse_cpuinfo(text) == {"fpu": True, "avx2": True, "avx512_bf16": True}


def test_cpuinfo_of_another_architecture_has_no_flags():
    assert parse_cpuinfo("processor\t: 0\nFeatures\t: fp asimd bf16\n") == {}


def test_features_come_from_the_kernel_where_torch_does_not_tell_them(monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : amx_bf16\n")
    monkeypatch.setattr("attune.embeddings.precision._CPUINFO", cpuinfo)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert cpu_features() == {"amx_bf16": True}
    cpuinfo.unlink()
    assert cpu_features() == {}


def test_the_speedup_is_the_ratio_of_the_best_rounds():
    # Each round reads the clock around an fp32 product (6 s, in the third round 4 s), then a bf16 one (2 s).
    spans = [6.0, 2.0, 6.0, 2.0, 4.0, 2.0, *[6.0, 2.0] * 20]
    readings = itertools.accumulate(itertools.chain.from_iterable((0.0, span) for span in spans))
    assert measure_bf16_speedup(lambda: next(readings)) == 2.0


def test_a_clock_too_coarse_to_measure_is_no_gain():
    assert measure_bf16_speedup(lambda: 0.0) == 0.0


def test_auto_gives_a_reason_that_names_its_choice():
    chosen = choose_precision("auto")
    assert chosen.reason.startswith({torch.float32: "fp32: ", torch.bfloat16: "bf16: "}[chosen.dtype])
