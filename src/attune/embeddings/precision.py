"""Which number format the encoder computes in, chosen once at start from what this machine does well."""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch

from attune.embeddings.devices import CPU
from attune.embeddings.errors import SettingError
from attune.embeddings.products import fastest_product, prepacking_speedup, trial_product
from attune.embeddings.quantized_products import can_quantize
from attune.embeddings.speed import Clock, Trial, speedup

MINIMUM_SPEEDUP = 1.2
"""bf16 rounds to 8 bits; a smaller gain than this is not worth the loss."""

_AMPERE = (8, 0)  # the first compute capability with bf16
_NATIVE_FEATURES = ("amx_bf16", "avx512_bf16")
_VNNI = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
_CPUINFO = Path("/proc/cpuinfo")


class PrecisionSetting(StrEnum):
    """What the operator asks for."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


@dataclass(frozen=True)
class Precision:
    """The format chosen, and why, in words for a log line; and whether weights are laid out for this CPU.

    If `quantized`, products with weights are in int8, and `dtype` is that of attention.
    """

    dtype: torch.dtype
    reason: str
    prepacked: bool = False
    quantized: bool = False


def choose_precision(
    setting: str = PrecisionSetting.AUTO, device: torch.device = CPU, *, clock: Clock = time.perf_counter
) -> Precision:
    """The precision asked for; `auto` takes bf16 where it is native, on a CPU if a measurement shows its gain.

    Weights are laid out for the CPU where that is measured to be faster. `clock` (seconds) times the measurements,
    which take a few milliseconds. Raises `SettingError` for another setting.
    """
    if setting not in list(PrecisionSetting):
        raise SettingError(f"precision is {setting!r}: use one of {', '.join(PrecisionSetting)}")
    if device.type != "cpu":
        return _on_gpu(PrecisionSetting(setting), native=torch.cuda.get_device_capability(device) >= _AMPERE)
    if setting == PrecisionSetting.INT8:
        return _int8(vnni_features(), clock)
    chosen = _chosen_format(PrecisionSetting(setting), clock)
    gain = prepacking_speedup(chosen.dtype, clock)
    if gain <= 1:
        return Precision(chosen.dtype, f"{chosen.reason}; weights as they are, laid out they are {gain:.1f}x")
    return Precision(chosen.dtype, f"{chosen.reason}; weights laid out for this CPU, {gain:.1f}x", prepacked=True)


def vnni_features() -> AbstractSet[str]:
    """The features of this CPU that multiply bytes without losing digits; empty where it has none."""
    return _VNNI.intersection(name for name, has in cpu_features().items() if has)


def _on_gpu(setting: PrecisionSetting, *, native: bool) -> Precision:
    match setting:
        case PrecisionSetting.AUTO if native:
            return Precision(torch.bfloat16, "bf16: native on this GPU")
        case PrecisionSetting.AUTO:
            return Precision(torch.float32, "fp32: this GPU has no native bf16")
        case PrecisionSetting.INT8:
            raise SettingError("precision is 'int8', which is for CPUs: use auto, bf16 or fp32 on a GPU")
        case _:
            return _asked_for(setting)


def _int8(vnni: AbstractSet[str], clock: Clock) -> Precision:
    """Products of bytes, without VNNI, lose digits on the way (their sums of pairs are cut at 16 bits)."""
    if not vnni:
        raise SettingError("precision is 'int8': this CPU has no VNNI, without which it is inexact; use auto")
    if not can_quantize():
        raise SettingError("precision is 'int8': this build of torch has no products for it; use auto")
    attention = _chosen_format(PrecisionSetting.AUTO, clock)
    return Precision(attention.dtype, f"int8: asked for; attention in {attention.reason}", quantized=True)


def _asked_for(setting: PrecisionSetting) -> Precision:
    dtype = torch.bfloat16 if setting is PrecisionSetting.BF16 else torch.float32
    return Precision(dtype, f"{setting}: asked for")


def _chosen_format(setting: PrecisionSetting, clock: Clock) -> Precision:
    if setting is not PrecisionSetting.AUTO:
        return _asked_for(setting)
    return decide(native_bf16_feature(cpu_features()), lambda: measure_bf16_speedup(clock))


def decide(feature: str | None, speedup: Callable[[], float]) -> Precision:
    """The rule behind `auto`: native bf16 that is at least `MINIMUM_SPEEDUP` times as fast as fp32."""
    if feature is None:
        return Precision(torch.float32, "fp32: this CPU has no native bf16")
    gain = speedup()
    if gain < MINIMUM_SPEEDUP:
        return Precision(torch.float32, f"fp32: native bf16 ({feature}) is only {gain:.1f}x fp32 on this machine")
    return Precision(torch.bfloat16, f"bf16: native ({feature}), {gain:.1f}x fp32 on this machine")


def native_bf16_feature(features: Mapping[str, bool]) -> str | None:
    """The CPU feature that multiplies bf16 matrices in hardware, the fastest one first; None where there is none."""
    return next((name for name in _NATIVE_FEATURES if features.get(name)), None)


def cpu_features() -> dict[str, bool]:
    """The CPU's features by name, from torch where it tells them, else from the kernel; empty where neither does."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # newer than the oldest torch we accept
    if capabilities is not None:
        return {name: bool(value) for name, value in capabilities().items()}
    return parse_cpuinfo(_CPUINFO.read_text()) if _CPUINFO.is_file() else {}


def parse_cpuinfo(text: str) -> dict[str, bool]:
    """The features in the first `flags` line of Linux's /proc/cpuinfo."""
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            return dict.fromkeys(flags.split(), True)
    return {}


def measure_bf16_speedup(clock: Clock) -> float:
    """How many times faster than fp32 one MiniLM-sized product is in bf16, each by the fastest way there is."""
    return speedup(_trial(torch.float32), _trial(torch.bfloat16), clock)


def _trial(dtype: torch.dtype) -> Trial:
    inputs, weight, bias = trial_product(dtype)
    multiply = fastest_product(weight, bias)
    return lambda: multiply(inputs)
