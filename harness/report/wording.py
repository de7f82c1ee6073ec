# SPDX-License-Identifier: GPL-2.0-only
"""Numbers, ratios and settings as words. Pure."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from harness.analysis.comparability import Settings
from harness.analysis.stats import MAX_SEEDS, Difference, Method, Ratio, Summary, Verdict
from harness.model.reading import Status
from harness.model.trial_settings import SETTINGS, TrialSettings, setting_text

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


def signed(value: float) -> str:
    """``+713``, ``−20.8 k``: :func:`number` with its sign."""
    return f"{'−' if value < 0 else '+'}{number(abs(value))}" if value else "0"


def difference(one: Difference) -> str:
    """``−20.8 k [−21.0 k, −20.5 k]``; without an interval of one pair of seeds."""
    if one.low is None or one.high is None:
        return signed(one.value)
    return f"{signed(one.value)} [{signed(one.low)}, {signed(one.high)}]"


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
    as_integer = scale == 1 or unit.partition("/")[0] in _BYTES
    show = _whole if as_integer else _digits
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


def ratio(value: Ratio, *, all_of_it: bool = False) -> str:
    """``×0.76 [0.74, 0.78]``, or in a few words why there is no more than that.

    An interval that says nothing is not shown as if it did, unless ``all_of_it`` is asked for:
    then it has the mark ``~``.
    """
    if value.value is None:
        return short_reason(value)
    if value.method is Method.CONSTANT:
        return f"×{factor(value.value)} at every seed"
    if value.low is None or value.high is None:
        tail = " (1 seed)" if value.verdict is Verdict.ONE_SEED else " (no interval)"
        return f"×{factor(value.value)}{tail}"
    if value.vague and not all_of_it:
        return f"undecided, about ×{order(value.value)}"
    middle, low, high = interval(value.value, value.low, value.high)
    return f"{'~' if value.vague else ''}×{middle} [{low}, {high}]"


def brief(value: Ratio) -> str:
    """A ratio without its interval, for a narrow table; "" where there is none."""
    if value.value is None:
        return ""
    if value.chance and not value.vague:
        return f"×{factor(value.value)}?"
    if value.vague or value.verdict in (Verdict.UNDECIDED, Verdict.UNDEFINED):
        return "undecided"
    if value.low is None or value.high is None or value.method is Method.CONSTANT:
        return f"×{factor(value.value)}"
    return f"×{interval(value.value, value.low, value.high)[0]}"


def order(value: float) -> str:
    """One digit: ``0.6``, ``0.001``, ``30``."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(float(f"{value:.0e}")))
    return f"{value:.0e}" if size < -4 or size > 4 else f"{float(f'{value:.0e}'):.{max(0, -size)}f}"


def settle(value: Ratio) -> str:
    """How many seeds would decide what ``value`` leaves open."""
    if value.log_sd is None:
        return "with zeros at some seeds, how many would settle it is unknown"
    needed = value.seeds_needed
    if needed is None:
        return f"it would take more than {MAX_SEEDS} seeds to settle it"
    return f"about {needed} seeds would settle it"


def short_reason(one: Ratio) -> str:
    """Why a ratio is undefined, short enough for a table."""
    if "both are 0" in one.reason:
        return "both 0"
    if "baseline is 0" in one.reason:
        return "baseline 0"
    return "no ratio"


def settings_line(settings: TrialSettings, *, without: Collection[str] = ()) -> str:
    """All settings that a table's figures hold for, but those ``without``, and the model's where
    it did not count."""
    values = settings.values
    said = (
        name
        for name in values
        if name not in without and (settings.counters.by_model or not SETTINGS[name].modelled)
    )
    return "  ".join(setting_words({name: values[name] for name in said}))


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
