# SPDX-License-Identifier: GPL-2.0-only
"""The agent's parts that can run on the host: they run in every guest."""

import ctypes
import shutil
from pathlib import Path

import pytest

from harness import proc
from harness.counters.facts import files, snapshots
from harness.guest.agent import bpf, edges, kernel_symbols, marker, wire
from harness.guest.agent.address_spaces import Places
from harness.guest.agent.channel import Channel
from harness.guest.agent.frames import Kind
from harness.guest.decoded import Decoded, decode

UAPI = Path("/usr/include/linux/bpf.h")

KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81000110 T secondary_startup_64
ffffffff810a0000 T __x64_sys_getpgid
ffffffff81e00000 T _etext
ffffffffc0000000 t k_probe\t[kernel_probe]
ffffffffc0001000 t bpf_prog_b3f4ca6ff6ff09bb_bench_trigger_kprobe\t[bpf]
ffffffffc0002000 t bpf_trampoline_6442\t[bpf]
"""


def test_the_marker_is_two_no_ops_and_a_return() -> None:
    """nopl 0x454d4231(%rax); nopl 0x4d41524b(%rax): the text 1BME, KRAM in the displacements."""
    assert marker.TAG[:3] == marker.TAG[7:10] == bytes.fromhex("0f1f80")
    assert int.from_bytes(marker.TAG[3:7], "little") == 0x454D4231
    assert int.from_bytes(marker.TAG[10:14], "little") == 0x4D41524B
    assert marker.RETURN == b"\xc3"
    assert (marker.OPEN, marker.CLOSE, marker.WATCH) == (1, 2, 3)
    assert (marker.SNAPSHOT, marker.ARM, marker.ADDRESS_SPACES) == (4, 5, 6)


def test_the_marker_does_nothing_outside_the_model() -> None:
    found = marker.Marker()
    found.open(1)
    found.watch(0xFFFFFFFF81000000)
    found.arm()
    found.snapshot(255)
    found.address_spaces(Places(1, 2, 3))
    found.close(1)


def test_the_structure_is_the_kernels(tmp_path: Path) -> None:
    """Offsets against the header of the kernel's user interface."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not UAPI.exists():
        pytest.skip("needs a C compiler and linux/bpf.h")
    names = [field[0] for field in bpf.ProgInfo._fields_ if field[0] != "flags"]  # a bit field
    source, program = tmp_path / "offsets.c", tmp_path / "offsets"
    prints = "".join(
        f'printf("%zu %zu\\n", offsetof(struct bpf_prog_info, {n}), '
        f"sizeof(((struct bpf_prog_info *)0)->{n}));\n"
        for n in names
    )
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/bpf.h>\n"
        f"int main(void)\n{{\n{prints}"
        'printf("%d %d %d\\n", BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, '
        "BPF_OBJ_GET_INFO_BY_FD);\nreturn 0;\n}\n"
    )
    proc.run([compiler, "-o", str(program), str(source)])
    *fields, commands = proc.run([str(program)]).stdout.splitlines()
    ours = [getattr(bpf.ProgInfo, name) for name in names]
    assert fields == [f"{field.offset} {field.size}" for field in ours]
    assert commands == f"{bpf.PROG_GET_NEXT_ID} {bpf.PROG_GET_FD_BY_ID} {bpf.OBJ_GET_INFO_BY_FD}"
    assert ctypes.sizeof(bpf.ProgInfo) % 8 == 0


def test_symbols_outside_the_image_and_those_that_bound_it(tmp_path: Path) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(KALLSYMS)
    kept = edges.text_symbols(str(path)).decode().splitlines()
    assert [line.split()[2] for line in kept] == [
        "_text",
        "_etext",
        "k_probe",
        "bpf_prog_b3f4ca6ff6ff09bb_bench_trigger_kprobe",
        "bpf_trampoline_6442",
    ]


FUNCTIONS = """\
ffffffff81000100 T plain
ffffffff81000200 t of_two_files
ffffffff81000300 t of_two_files
ffffffff81000400 t changed.constprop.0.isra.0
ffffffff81000480 t changed.constprop.0.isra.0.cold
ffffffff81000500 t split.part.0
ffffffff81000600 t whole_and_clone
ffffffff81000680 t whole_and_clone.constprop.0
ffffffff81000700 D data
ffffffff81000800 W weak
ffffffff81000900 T alias
ffffffff81000900 T alias
ffffffff81000a00 T plain_and_more
0000000000000000 T hidden
ffffffffc0000000 t plain\t[module]
"""


@pytest.mark.parametrize(
    ("name", "address", "reason"),
    [
        ("plain", 0xFFFFFFFF81000100, ""),
        ("of_two_files", None, "the kernel has 2 functions of_two_files"),
        ("changed", 0xFFFFFFFF81000400, ""),
        ("split", None, "the compiler inlined split: only split.part.0 is left of it"),
        ("whole_and_clone", None, "the kernel has 2 functions whole_and_clone"),
        ("data", None, "the kernel has no function data, or the compiler inlined it"),
        ("weak", 0xFFFFFFFF81000800, ""),
        ("alias", 0xFFFFFFFF81000900, ""),
        ("hidden", None, "kptr_restrict hides the address of hidden"),
        ("no_such", None, "the kernel has no function no_such, or the compiler inlined it"),
    ],
)
def test_address_of_a_function(tmp_path: Path, name: str, address: int | None, reason: str) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(FUNCTIONS)
    found, reasons = kernel_symbols.functions([name, "plain"], str(path))
    assert (found[name], reasons.get(name, "")) == (address, reason)
    assert found["plain"] == 0xFFFFFFFF81000100


class Marker(marker.Marker):
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.snapshots: list[int] = []

    def snapshot(self, number: int) -> None:
        self.snapshots.append(number)


def sampled(tmp_path: Path, edge: str, taken: Marker) -> Decoded:
    out = tmp_path / "channel"
    out.write_bytes(b"")
    channel = Channel(str(out))
    edges.sample(channel, taken, edge)
    channel.close()
    return decode(out.read_bytes())


def test_an_edge_names_every_source_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, missing = tmp_path / "vmstat", tmp_path / "stats"
    there.write_text("nr_free_pages 1\n")
    monkeypatch.setattr(edges, "COUNTERS", {"proc/vmstat": str(there)})
    monkeypatch.setattr(edges, "FILES", {"x": str(missing)})
    monkeypatch.setattr(edges, "PAGE_TABLES", ("kernel_page_tables", str(tmp_path)))

    def refused() -> list[dict[str, object]]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(bpf, "programs", refused)
    taken = Marker()
    output = sampled(tmp_path, "open", taken)
    assert output.files["open/proc/vmstat"] == b"nr_free_pages 1\n"
    assert output.absent["open/x"] == f"{missing}: No such file or directory"
    assert output.absent["open/kernel_page_tables"] == f"{tmp_path}: Is a directory"
    assert output.absent["open/bpf_progs.json"] == "open/bpf_progs.json: Operation not permitted"
    assert taken.snapshots == [11], "the second only where the kernel has a dump of its own"


def test_the_kernels_dump_is_read_between_two_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "EDGES", ("baseline", "open", "close", "end"))
    dump = tmp_path / "kernel"
    dump.write_text("---[ User Space ]---\n")
    monkeypatch.setattr(edges, "PAGE_TABLES", ("kernel_page_tables", str(dump)))
    monkeypatch.setattr(edges, "FILES", {})
    monkeypatch.setattr(edges, "COUNTERS", {})
    monkeypatch.setattr(edges, "text_symbols", lambda: b"")
    monkeypatch.setattr(bpf, "programs", list)
    taken = Marker()
    for edge in edges.EDGES:
        output = sampled(tmp_path, edge, taken)
        assert output.files[f"{edge}/kernel_page_tables"] == b"---[ User Space ]---\n"
    assert taken.snapshots == [1, 2, 11, 12, 21, 22, 31, 32]


def test_guest_and_host_number_snapshots_alike() -> None:
    assert edges.EDGES == files.EDGES
    for place, edge in enumerate(edges.EDGES):
        assert snapshots.first_number(edge) == 10 * place + 1


def test_a_channel_numbers_its_lines_and_names_have_no_spaces(tmp_path: Path) -> None:
    out = tmp_path / "channel"
    out.touch()
    channel = Channel(str(out))
    channel.text(Kind.PROGRESS, "progress", "10 of 20")
    channel.send(Kind.FILE, "a b", bytes(range(256)) * 200)
    windows = wire.Windows(windows=(wire.Window(number=1, label="measured", ns=5),))
    channel.record(windows)
    with pytest.raises(wire.WireError, match=r"file: '\.\./b' is not a relative name"):
        channel.send(Kind.FILE, "../b", b"")
    with pytest.raises(wire.WireError, match="perf_status: 'x' is not an integer"):
        channel.record(wire.PerfStatus(status="x"))  # type: ignore[arg-type]
    channel.done(wire.Done(status="ok"))
    channel.close()
    output = decode(out.read_bytes())
    assert output.progress == ("10 of 20",)
    assert output.files == {"a_b": bytes(range(256)) * 200}
    assert output.windows == windows.windows
    assert output.done == wire.Done(status="ok")
