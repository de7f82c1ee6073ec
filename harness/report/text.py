# SPDX-License-Identifier: GPL-2.0-only
"""Numbers, ratios and settings as words. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from harness.analysis.comparability import Settings
from harness.analysis.stats import Method, Ratio, Summary, Verdict
from harness.model import SETTINGS, Status, TrialSettings, setting_text

_PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
_BINARY = ((1 << 40, " TiB"), (1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB"))
_BYTES = {"B": 1, "kB": 1024}  # the kernel's kB are 1,024 bytes

STATUS_WORDS = {
    Status.NOT_SUPPORTED: "not supported",
    Status.NOT_COUNTED: "not counted",
    Status.FAILED: "failed",
    Status.OK: "ok",
    Status.SCALED: "scaled",
}


def number(value: float, unit: str = "") -> str:
    """``value`` to three digits with a prefix; whole numbers below 10,000 are exact.

    Bytes (``B``, ``kB``) take binary prefixes and carry their unit.
    """
    base, slash, per = unit.partition("/")
    if base in _BYTES:
        scaled = value * _BYTES[base]
        for size, name in _BINARY:
            if abs(scaled) >= size:
                return _whole(scaled / size) + name + slash + per
        return _whole(scaled) + " B" + slash + per
    if float(value).is_integer() and abs(value) < 10_000:
        return str(int(value))
    for step, name in _PREFIXES:
        if abs(value) >= step * 0.9995:
            return _digits(value / step) + name
    return _digits(value)


def _digits(value: float) -> str:
    """Three digits, without a prefix."""
    value = float(f"{value:.3g}")
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    return f"{value:.1e}" if size < -4 else f"{value:.{max(0, 2 - size)}f}"


def _whole(value: float) -> str:
    """As ``_digits``, but a whole number without decimals."""
    return f"{value:.0f}" if float(value).is_integer() else _digits(value)


def spread(summary: Summary, unit: str) -> str:
    """``42.2 k (39.6..43.0)``: median, smallest and largest, on one scale.

    Only the median when all seeds read the same, as far as three digits tell.
    """
    middle = number(summary.median, unit)
    scale = _scale(summary.median, unit)
    whole = scale == 1 or unit.partition("/")[0] in _BYTES
    show = _whole if whole else _digits
    low, high = show(summary.low / scale), show(summary.high / scale)
    if low == high or summary.low == summary.high:
        return middle
    return f"{middle} ({low}..{high})"


def _scale(value: float, unit: str) -> float:
    """What ``number`` divides ``value`` by."""
    base = unit.partition("/")[0]
    if base in _BYTES:
        scaled = value * _BYTES[base]
        size = next((size for size, _ in _BINARY if abs(scaled) >= size), 1)
        return size / _BYTES[base]
    if float(value).is_integer() and abs(value) < 10_000:
        return 1
    return next((step for step, _ in _PREFIXES if abs(value) >= step * 0.9995), 1)


def factor(value: float, decimals: int = 2) -> str:
    """A ratio: two decimals (or ``decimals``), two digits below 0.1, three from 10 on."""
    if value == 0:
        return "0"
    if value < 0.1 and decimals == 2:
        return _small(value)
    if value >= 100:
        return number(round(value))
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.{decimals}f}"


def _small(value: float) -> str:
    size = math.floor(math.log10(float(f"{value:.1e}")))
    return f"{value:.1e}" if size < -4 else f"{value:.{1 - size}f}"


def interval(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A ratio and its interval with the decimals needed to tell on which side of 1 they are."""
    decimals = 2
    while decimals < 6 and any(
        (end < 1) != (round(end, decimals) < 1) or (end > 1) != (round(end, decimals) > 1)
        for end in (low, high)
        if not low <= 1 <= high
    ):
        decimals += 1
    return factor(value, decimals), factor(low, decimals), factor(high, decimals)


def ratio(found: Ratio) -> str:
    """``×0.76 [0.74, 0.78]``, or in a few words why there is no more than that."""
    if found.value is None:
        return short_reason(found)
    if found.method is Method.CONSTANT:
        return f"×{factor(found.value)} at every seed"
    if found.low is None or found.high is None:
        tail = " (1 seed)" if found.verdict is Verdict.ONE_SEED else " (no interval)"
        return f"×{factor(found.value)}{tail}"
    value, low, high = interval(found.value, found.low, found.high)
    return f"×{value} [{low}, {high}]"


def short_reason(found: Ratio) -> str:
    """Why a ratio is undefined, short enough for a table."""
    if "both are 0" in found.reason:
        return "both 0"
    if "baseline is 0" in found.reason:
        return "baseline 0"
    return "no ratio"


def settings_line(settings: TrialSettings) -> str:
    """All settings that a table's figures hold for."""
    return "  ".join(setting_words(settings.values))


def setting_words(values: Mapping[str, Any]) -> list[str]:
    """``title=value`` of each setting in ``values``, without those that nobody changed.

    A swept setting may have a tuple of values.
    """
    words = []
    for name, value in values.items():
        setting = SETTINGS[name]
        if not (setting.only_if_changed and value == setting.default):
            several = value if isinstance(value, tuple) else (value,)
            shown = ",".join(map(setting_text, several))
            words.append(f"{setting.title}={shown}{setting.unit}")
    return words


def params_line(settings: Settings) -> str:
    """The workload's parameters."""
    return "  ".join(f"{key}={_scalar(value)}" for key, value in settings.params) or "none"


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def seeds_line(seeds: tuple[int, ...]) -> str:
    """``3 seeds (1..3)``, or the list where they are not in a row."""
    if not seeds:
        return "no seed"
    if len(seeds) == 1:
        return f"1 seed ({seeds[0]})"
    if seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{len(seeds)} seeds ({seeds[0]}..{seeds[-1]})"
    return f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"


def plural(count: int, word: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count} {word}" + ("" if count == 1 else "s")
