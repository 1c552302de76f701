"""Where the encoder computes: on this machine's CPU, or on one of its GPUs."""

import torch

from attune.embeddings.errors import SettingError

AUTO = "auto"
CPU = torch.device("cpu")

_TOKENS_AT_ONCE = {"cpu": 2048}
"""Enough to fill the cores, few enough that a layer's activations stay near the caches."""
_GPU_TOKENS_AT_ONCE = 32768
"""Reasoned, not measured: products of a thousand tokens leave most of a large GPU idle."""


def choose_device(setting: str = AUTO) -> torch.device:
    """The device asked for: `cpu`, `cuda` or `cuda:<number>`; `auto` is the first GPU, or the CPU where there is none.

    Raises `SettingError` for another setting, and for a GPU that is not there.
    """
    if setting == AUTO:
        return torch.device("cuda", 0) if torch.cuda.is_available() else CPU
    kind, _, number = setting.partition(":")
    if setting == "cpu":
        return CPU
    if kind != "cuda" or (number and not number.isdecimal()) or setting.endswith(":"):
        raise SettingError(f"device is {setting!r}: use auto, cpu, cuda or cuda:<number>")
    index = int(number or 0)
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= found:
        raise SettingError(
            f"device is {setting!r}, and torch finds {found} GPUs here: use auto or cpu, or another number"
        )
    return torch.device("cuda", index)


def tokens_at_once(device: torch.device) -> int:
    """How many tokens are worth computing together."""
    return _TOKENS_AT_ONCE.get(device.type, _GPU_TOKENS_AT_ONCE)
