# SPDX-License-Identifier: GPL-2.0-only
"""Which inputs of two runs of the same trials are not the same."""

from dataclasses import dataclass

from harness.analysis.history import inputs
from harness.model.records import Manifest

SHORT = 40
"""Characters of a hash or a version that a message has."""


@dataclass(frozen=True, kw_only=True)
class OtherInput:
    """An input that is not what it was; ``""``: there was, or is, none."""

    name: str
    then: str
    now: str

    @property
    def line(self) -> str:
        """The input in words."""
        then, now = (value[:SHORT] or "none" for value in (self.then, self.now))
        return f"{self.name}: {then} then, {now} now"


def other_inputs(then: Manifest, now: Manifest) -> tuple[OtherInput, ...]:
    """The inputs of the trials of ``then`` that are not what they were."""
    found: dict[OtherInput, None] = {}
    for build, workload in dict.fromkeys((t.variant, t.workload) for t in then.trials):
        old, new = (inputs(manifest, build, workload) for manifest in (then, now))
        for name in {**old, **new}:
            if old.get(name, "") != new.get(name, ""):
                title = f"{name} {build}" if name == "kernel" else name
                was, is_now = old.get(name, ""), new.get(name, "")
                found[OtherInput(name=title, then=was, now=is_now)] = None
    return tuple(found)
