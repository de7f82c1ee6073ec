# SPDX-License-Identifier: GPL-2.0-only
"""The agent in a real guest: what it sends arrives whole, and every failure has its name."""

import io
import json
import os
import random
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

from harness.config import definitions
from harness.guest import console
from harness.guest.agent import wire
from harness.guest.decoded import Decoded, decode
from harness.image import cpio, guest_layers
from harness.kernel import Kernel, StageRequest, make_kernels
from harness.model.trial_settings import Mode
from harness.paths import CONFIGS, cache_dir
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.session import VmResult, boot

pytestmark = pytest.mark.vm

EDGES = ("baseline", "open", "close", "end")
BLOB = 300_000

WORKLOAD = """
import os
import random
from agent.workload_api import WorkloadFailed

class Workload:
    def setup(self, ctx):
        ctx.note("a note")

    def warm(self, ctx):
        ctx.keep("blob", random.Random(ctx.seed).randbytes({blob}))

    def measure(self, ctx):
        {measure}

    def teardown(self, ctx):
        ctx.emit("made.up", 1.5, "unit")
"""


@cache
def kernel() -> Kernel:
    request = StageRequest(
        variants=definitions.variants(),
        configs=CONFIGS,
        cache=cache_dir(),
        jobs=os.cpu_count() or 1,
        kernels="bpf_prog_pack",
        source=os.environ.get("KERNEL_SRC"),
    )
    (found,) = make_kernels(request, print, bench=False).kernels
    return found


def start(work: Path, layers: list[guest_layers.Layer]) -> tuple[VmResult, VmRequest]:
    """Boot ``layers`` in exact mode."""
    request = VmRequest(
        kernel=kernel().image,
        initrd=work / "initrd",
        mode=Mode.EXACT,
        smp=1,
        memory_mib=1024,
        seed=7,
        pti="off",
        console=work / "console.log",
        channel=work / "channel.out",
    )
    guest_layers.join(layers, request.initrd)
    return boot(request, timeout_s=300, on_console=console.Watcher()), request


def trial(work: Path, measure: str, pti: str = "off") -> Decoded:
    """The output of the real agent with a workload whose window is ``measure``; the guest does
    not isolate page tables, whatever ``pti`` says to the agent."""
    folder = work / "workload"
    folder.mkdir()
    source = WORKLOAD.format(blob=BLOB, measure=measure)
    (folder / "made_up.py").write_text(dedent(source))
    document = wire.TrialDocument(
        variant="bpf_prog_pack", seed=7, smp=1, pti=pti, params={}, module="made_up.py",
        watch="__x64_sys_getpgid",
    )  # fmt: skip
    layers = [
        guest_layers.base_layers(print)["base"],
        guest_layers.agent_layer(work / "agent.cpio"),
        guest_layers.kernel_layer(
            work / "k.cpio", modules=kernel().modules, headers=None, files={}
        ),
        guest_layers.trial_layer(work / "trial.cpio", wire.encode(document), folder),
    ]
    result, request = start(work, layers)
    assert result.stopped == ""
    assert result.returncode == 0
    assert console.worst(request.console.read_text(errors="replace")) is None
    return decode(request.channel.read_bytes())


def test_everything_sent_arrives(tmp_path: Path) -> None:
    output = trial(tmp_path, "ctx.wait(0.05)")
    assert output.done == wire.Done(status="ok")
    assert output.files["workload/blob"] == random.Random(7).randbytes(BLOB)
    for edge in EDGES:
        assert b"nr_free_pages" in output.files[f"{edge}/proc/vmstat"]
        assert b"_etext" in output.files[f"{edge}/kallsyms_text"]
        assert output.files[f"{edge}/kernel_page_tables"]
        assert isinstance(json.loads(output.files[f"{edge}/bpf_progs.json"]), list)
    assert output.notes == ("a note",)
    assert [one.value for one in output.readings] == [1.5]
    assert output.watch is not None
    assert output.watch.address is not None
    assert output.hello is not None
    assert output.hello.cpus == 1
    assert output.windows[0].ns >= 50_000_000
    assert "measuring" in output.progress


@pytest.mark.parametrize(
    ("measure", "kind", "reason"),
    [
        ("raise WorkloadFailed('no load')", "workload", "WorkloadFailed: no load"),
        ("ctx.no_such_thing()", "agent", "AttributeError: "),
        ("ctx.run(['/bin/false'])", "workload", "/bin/false ended with 1"),
        ("ctx.emit('n', '1', 'u')", "workload", "WireError: reading.value: '1' is not a number"),
    ],
)
def test_a_workload_that_fails_says_so(
    tmp_path: Path, measure: str, kind: str, reason: str
) -> None:
    output = trial(tmp_path, measure)
    assert output.done is not None
    assert (output.done.status, output.done.kind) == ("failed", kind)
    assert reason in output.done.reason
    assert b"in measure" in output.files["traceback"]
    assert "close/proc/vmstat" not in output.files


def test_terminals_are_unix98_ones(tmp_path: Path) -> None:
    output = trial(tmp_path, "ctx.note(os.ttyname(os.openpty()[1]))")
    assert output.done == wire.Done(status="ok")
    assert "/dev/pts/0" in output.notes


def test_isolation_that_is_not_there_is_never_reported(tmp_path: Path) -> None:
    output = trial(tmp_path, "ctx.wait(0.05)", pti="on")
    assert output.done is not None
    assert (output.done.status, output.done.kind) == ("failed", "kernel")
    assert "CONFIG_PAGE_TABLE_ISOLATION=y" in output.done.reason
    assert "--pti off" in output.done.reason
    assert output.windows == ()


def archive(name: str, content: bytes) -> bytes:
    """An initramfs of one executable file."""
    out = io.BytesIO()
    cpio.write([cpio.regular(name, content, 0o755)], out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"no archive at all" * 1000, "initramfs"),
        (archive("init", b"#!/no/such/shell\n"), "no_init"),
        (archive("other", b""), "no_init"),
    ],
    ids=["no archive", "init cannot run", "no init"],
)
def test_a_guest_that_dies_is_not_waited_for(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "layer"
    path.write_bytes(content)
    result, request = start(tmp_path, [guest_layers.Layer(name="x", path=path, sha256="")])
    verdict = console.worst(request.console.read_text(errors="replace"))
    assert verdict is not None
    assert verdict.kind == kind
    assert result.seconds < 120
    assert decode(request.channel.read_bytes()).done is None
