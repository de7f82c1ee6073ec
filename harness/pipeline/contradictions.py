# SPDX-License-Identifier: GPL-2.0-only
"""Options beside --resume: those that agree with the manifest are harmless, others refused."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from harness.errors import UserError
from harness.model.records import Manifest
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters

T = TypeVar("T")

Given = Mapping[str, object]
"""Options given beside --resume, by name; what was not given is absent."""


def refuse(given: Given, manifest: Manifest) -> None:
    """Raise UserError naming the first option in ``given`` that the manifest contradicts.

    Where a kernel comes from is no matter here: its hash decides.
    """
    for name, asked in given.items():
        if name == "params":
            assert isinstance(asked, Mapping)
            for key, value in asked.items():
                held = distinct(trial.params.get(key) for trial in manifest.trials)
                _refuse_other(f"--param {key}=", value, held, manifest)
        elif name in HELD and not (name == "counters" and asked == Counters.AUTO):
            shown = Path(str(asked)).resolve().name if name == "workload" else asked
            option = f"--{name.replace('_', '-')} "
            _refuse_other(option, shown, HELD[name](manifest), manifest)


def distinct(values: Iterable[T]) -> tuple[T, ...]:
    """``values`` in order, each once."""
    return tuple(dict.fromkeys(values))


def _of_trials(name: str) -> Callable[[Manifest], tuple[object, ...]]:
    return lambda manifest: distinct(getattr(trial, name) for trial in manifest.trials)


HELD: Mapping[str, Callable[[Manifest], tuple[object, ...]]] = {
    **{
        name: _of_trials(name)
        for name in TrialSpec.__dataclass_fields__
        if name not in ("variant", "params", "repeat", "seed")
    },
    "suite": lambda manifest: (manifest.suite,),
    "baseline": lambda manifest: (manifest.baseline,),
    "seeds": _of_trials("seed"),
    "trace": lambda manifest: (manifest.resume.trace,) if manifest.resume else (True,),
}
"""Option -> the values of it that the run was made with."""


def _refuse_other(option: str, asked: object, held: tuple[object, ...], manifest: Manifest) -> None:
    wanted = asked if isinstance(asked, tuple) else (asked,)
    if wanted != held:
        raise UserError(
            f"{option}{_text(wanted)}: run {manifest.run} was made with {_text(held)}",
            "leave the option out, or start a new run",
        )


def _text(values: tuple[object, ...]) -> str:
    words = {True: "on", False: "off", None: "none"}
    return ",".join(
        words[value] if value is None or isinstance(value, bool) else str(value) for value in values
    )
