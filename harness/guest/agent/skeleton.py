# SPDX-License-Identifier: GPL-2.0-only
"""How many programs of its skeleton ``bench`` has loaded on this kernel.

``bench`` tells it in one line when it had to leave some out (configs/patches/bench) and says
nothing when it loaded all of them. The kernel is asked as well, since both must agree.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

WITHOUT = "BENCH_TRIGGER_WITHOUT"
"""Variable of bench: names that it must leave out, which it then does not try."""

PREFIX = "bench_trigger_"
_LINE = re.compile(r"^trigger_bench: (\d+) of (\d+) programs loaded, without: (.+)$", re.MULTILINE)
_LEFT_OUT = re.compile(r"(\w+) \(([^)]*)\)")


class Disagreement(Exception):
    """Instances of bench on one kernel loaded different programs."""


@dataclass(frozen=True)
class Programs:
    """What one instance said. All of none: it loaded its whole skeleton."""

    loaded: int = 0
    total: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)  # name -> reason

    @property
    def environment(self) -> dict[str, str]:
        """What spares the next instance of finding the same programs out."""
        return {WITHOUT: ",".join(self.left_out)} if self.left_out else {}


def parse(text: str) -> Programs:
    """What bench said in ``text``. Raises ValueError when the line contradicts itself."""
    match = _LINE.search(text)
    if match is None:
        return Programs()
    left_out = dict(_LEFT_OUT.findall(match[3]))
    loaded, total = int(match[1]), int(match[2])
    if total - loaded != len(left_out) or not 0 < loaded < total:
        raise ValueError(f"bench printed {match[0]!r}")
    return Programs(loaded, total, left_out)


def agree(first: Programs, other: Programs, instance: int) -> None:
    """Raise Disagreement unless ``instance`` loaded what instance 0 did."""
    if list(first.left_out) != list(other.left_out):
        shown = [", ".join(programs.left_out) or "no program" for programs in (first, other)]
        raise Disagreement(
            f"instance 0 of bench left out {shown[0]} and instance {instance} {shown[1]}"
        )


def per_instance(names: Iterable[str], instances: int) -> int:
    """Programs of bench's skeleton that each of ``instances`` holds, by the names of all
    programs in the kernel. Raises Disagreement when they do not hold equally many."""
    held = sum(name.startswith(PREFIX) for name in names)
    if not instances or not held or held % instances:
        raise Disagreement(f"{instances} instances of bench hold {held} programs {PREFIX}*")
    return held // instances


def note(programs: Programs, options: Sequence[str]) -> str:
    """The sentence that every reader must know; ``options`` would give what is missing."""
    reasons = ", ".join(f"{name} ({reason})" for name, reason in programs.left_out.items())
    text = (
        f"bench loads {programs.loaded} of {programs.total} programs on this kernel, "
        f"without {reasons}"
    )
    return f"{text}; the kernel lacks {', '.join(options)}" if options else text
