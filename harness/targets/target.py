# SPDX-License-Identifier: GPL-2.0-only
"""What runs a trial: everything goes in as one payload, everything comes out as one end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.image.guest_layers import Layer
from harness.model.specs import TrialSpec

INTERRUPTED = "interrupted"
"""``Ended.stopped`` of a trial that the user ended."""
FLOOD = "too much output: "
"""``Ended.stopped`` begins so where a trial was ended for what it wrote."""


@dataclass(frozen=True, kw_only=True)
class KernelFiles:
    """What the guest gets beside the kernel's image: its modules, headers, and programs."""

    modules: Path | None = None  # folder that holds lib/modules/<release>
    module_files: Mapping[str, Sequence[str]] | None = None  # only these, by release; None: all
    headers: Path | None = None  # kheaders.tar.xz
    programs: Mapping[str, Path] = field(default_factory=dict)  # place in the guest -> file


@dataclass(frozen=True, kw_only=True)
class Model:
    """The iTLB model: its plugin, the CPU's profile, and whether the page trace is kept."""

    plugin: Path
    profile: Path
    trace: bool = False


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Everything that a target gets for one trial."""

    spec: TrialSpec
    document: bytes  # the trial document, for the agent
    workload: Path  # folder of the workload
    kernel: Path  # image to boot
    kernel_files: KernelFiles
    layers: tuple[Layer, ...]  # root file system, without what the fields above bring
    model: Model | None = None  # None: nothing is counted by the model
    host_events: tuple[str, ...] = ()  # that perf counts on the host, of the guest alone
    append: tuple[str, ...] = ()  # more words for the kernel's command line
    timeout_s: float = 900.0  # wall time before the trial counts as hung
    work: Path  # an empty folder for whatever the target writes
    on_progress: Callable[[str], None] = field(default=lambda _: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a trial gave, and how it ended."""

    console: bytes
    channel: bytes
    report: bytes | None = None  # the model's; None: it was not asked for, b"": it wrote none
    trace: Path | None = None  # the model's page trace
    host_counts: bytes | None = None  # perf's intervals on the host; None: it was not asked for
    opened_s: float | None = None  # when the window was seen to open, after perf had started
    returncode: int | None = 0  # QEMU's exit status; None: it was ended
    stopped: str = ""  # why it was ended; "" if it ended by itself
    stderr: str = ""
    seconds: float = 0.0  # wall time

    @property
    def text(self) -> str:
        """The console as text."""
        return self.console.decode(errors="replace")


class Target(Protocol):
    """Something that runs trials."""

    def run(self, payload: Payload) -> Ended:
        """Run the trial to its end, whatever that is.

        A trial that fails is not an error here. Raises errors of the whole run: no QEMU, a full
        disk.
        """
