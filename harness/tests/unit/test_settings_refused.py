# SPDX-License-Identifier: GPL-2.0-only
"""Settings that cannot be are refused before anything is built: one line that names the place
and the value, exit code 2. In a suite, in a workload, on the command line, from Python."""

import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.config import definitions, options
from harness.errors import UserError
from harness.model.specs import MAX_SEEDS, SuiteSpec, WorkloadSpec
from harness.pipeline.planning import RunRequest, plan

SUITE = {"name": '"s"', "title": '"t"', "workloads": '["trig-kprobe"]', "seeds": "[1, 2]"}
OF_SUITE = [
    ('pti = ["maybe"]', "pti[0]: Invalid enum value 'maybe' (it is 'maybe'): it takes on, off"),
    ('pti = ["on", "on"]', "pti[1]: on is there twice"),
    ('pti = "on"', "pti: Expected `array`, got `str` (it is 'on')"),
    ("pti = []", "pti: Expected `array` of length >= 1 (it is [])"),
    ('pcid = "none"', "pcid: Invalid enum value 'none'"),
    ('host_page = "1g"', "host_page: Invalid enum value '1g'"),
    ('mode = "slow"', "mode: Invalid enum value 'slow'"),
    ('counters = "all"', "counters: Invalid enum value 'all'"),
    ('data_side = "yes"', "data_side: Expected `bool`, got `str` (it is 'yes')"),
    ("kaslr = 1", "kaslr: Expected `bool`, got `int` (it is 1)"),
    ("profile = 3", "profile: Expected `str`, got `int` (it is 3)"),
    ("smp = 0", "smp: Expected `int` >= 1 (it is 0)"),
    ("smp = 65", "smp: Expected `int` <= 64 (it is 65)"),
    ("smp = 1.5", "smp: Expected `int`, got `float` (it is 1.5)"),
    ("seeds = []", "seeds: Expected `array` of length >= 1 (it is [])"),
    ("seeds = [1, 2, 1]", "seeds[2]: 1 is there twice"),
    ("seeds = [3, -1]", "seeds[1]: Expected `int` >= 0 (it is -1)"),
    ("seeds = [2147483648]", "seeds[0]: Expected `int` <= 2147483647 (it is 2147483648)"),
    (f"seeds = {list(range(MAX_SEEDS + 1))}", f"seeds: Expected `array` of length <= {MAX_SEEDS}"),
    ("workloads = []", "workloads: Expected `array` of length >= 1 (it is [])"),
    ('workloads = ["loaded", "loaded"]', "workloads[1]: loaded is there twice"),
    ('kernels = ["execmem", "execmem"]', "kernels[1]: execmem is there twice"),
    ("params.trig-kprobe.window_s = nan", "params.trig-kprobe.window_s: nan: give a finite number"),
    ("params.trig-kprobe.window_s = -inf", "params.trig-kprobe.window_s: -inf"),
    ("params.churn.loads = 1", "params.churn: 'churn' is not a workload of this suite"),
    ("settings = []", "unknown key 'settings'"),
    ("ptii = []", "unknown key 'ptii': did you mean 'pti'?"),
]
OF_WORKLOAD = [
    ("memory_mib = 0", "memory_mib: Expected `int` >= 256 (it is 0)"),
    ("memory_mib = -2048", "memory_mib: Expected `int` >= 256 (it is -2048)"),
    ("memory_mib = 1048577", "memory_mib: Expected `int` <= 1048576 (it is 1048577)"),
    ("timeout_s = 0", "timeout_s: Expected `float` > 0.0 (it is 0)"),
    ("timeout_s = -1.5", "timeout_s: Expected `float` > 0.0 (it is -1.5)"),
    ("timeout_s = nan", "timeout_s: nan: give a finite number"),
    ("timeout_s = inf", "timeout_s: inf: give a finite number"),
    ("params.rate = nan", "params.rate: nan: give a finite number"),
]
LONG = "9" * 500
ON_COMMAND_LINE = [
    *(
        (f"{command} {LONG}", ": File name too long")
        for command in ("run -w", "run --resume", "compare", "collect", "reproduce")
    ),
    ("run --pti maybe", "'--pti': 'maybe' is not one of 'on', 'off', 'both'"),
    ("run --pti on,off", "'--pti': 'on,off' is not one of"),
    ("run --pcid none", "'--pcid': 'none' is not one of 'tagged', 'flush'"),
    ("run --host-page 1g", "'--host-page': '1g' is not one of '2m', '4k'"),
    ("run --mode slow", "'--mode': 'slow' is not one of 'exact', 'fast', 'kvm'"),
    ("run --counters all", "'--counters': 'all' is not one of"),
    ("run --smp 0", "'--smp': 0 is not in the range 1<=x<=64"),
    ("run --smp two", "'--smp': 'two' is not a valid integer"),
    ("run --profile z80 --counters none", "profile: no CPU profile 'z80'"),
    ("run --seeds 1,2,1", "--seeds '1,2,1'[2]: 1 is there twice"),
    ("run --seeds 0", "--seeds '0': give a count"),
    ("run --seeds ,", "--seeds ',': Expected `array` of length >= 1"),
    ("run --seeds=-1", "--seeds '-1': give a count"),
    ("run --seeds=-1,2", "--seeds '-1,2': [0]: Expected `int` >= 0 (it is -1)"),
    ("run --seeds 2147483648,", "[0]: Expected `int` <= 2147483647 (it is 2147483648)"),
    ("run --seeds 2000000000", "--seeds '2000000000': 2000000000 seeds: give at most 1000"),
    ("run --seeds 1-9999999999", "--seeds '1-9999999999': 9999999999 seeds: give at most 1000"),
    ("run --seeds 9" + "9" * 5000, "--seeds"),
    ("run --seeds nan", "--seeds 'nan': give a count"),
    ("run -p window_s=nan --counters none", "parameter window_s=nan: give a finite number"),
    ("run -p window_s=inf --counters none", "parameter window_s=inf: give a finite number"),
    ("run -p instances=9999999999999999999999 --counters none", "is an integer of 74 bits"),
    (f"run -p window_s={'9' * 400} --counters none", "window_s is an integer of 1329 bits"),
    ("run -p placement=\udcff --counters none", r"placement='\udcff': give it as UTF-8"),
    ("run --pti", "'--pti' requires an argument"),
    ("run --no-such", "No such option"),
    ("replay latest --pcid none", "'--pcid': 'none' is not one of"),
    ("replay latest --smp 2", "No such option"),
    ("shell --smp 0", "'--smp': 0 is not in the range"),
    ("shell --pti both", "'--pti': 'both' is not one of 'on', 'off'"),
    ("validate --pti maybe", "'--pti': 'maybe' is not one of"),
]


def suite_text(line: str) -> str:
    key = line.partition(" ")[0]
    lines = [f"{name} = {value}" for name, value in SUITE.items() if name != key]
    return "\n".join([*lines, line, ""])


def refusal(words: list[str], monkeypatch: Any, capsys: Any) -> str:
    """The only line that the command says; it ends with 2 and prints nothing else."""
    monkeypatch.setattr("sys.argv", ["execmem-bench", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    return str(line)


@pytest.mark.parametrize(("line", "message"), OF_SUITE, ids=[line[:40] for line, _ in OF_SUITE])
def test_in_a_suite(line: str, message: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    path = tmp_path / "suites" / "s.toml"
    path.parent.mkdir()
    path.write_text(suite_text(line))
    shipped = definitions.suites
    monkeypatch.setattr(definitions, "suites", lambda root=None: shipped(tmp_path))
    said = refusal(["run", "--suite", "s"], monkeypatch, capsys)
    assert said.startswith(f"execmem-bench: {path}: {message}")


@pytest.mark.parametrize(("line", "message"), OF_WORKLOAD)
def test_in_a_workload(
    line: str, message: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    path = folder / "workload.toml"
    path.write_text(f'name = "mine"\nquestion = "q?"\nmodule = "m.py"\n{line}\n')
    said = refusal(["run", "--workload", str(folder)], monkeypatch, capsys)
    assert said.startswith(f"execmem-bench: {path}: {message}")


@pytest.mark.parametrize(
    ("command", "message"), ON_COMMAND_LINE, ids=[c[:40] for c, _ in ON_COMMAND_LINE]
)
def test_on_the_command_line(command: str, message: str, monkeypatch: Any, capsys: Any) -> None:
    said = refusal(command.split(), monkeypatch, capsys)
    assert said.startswith("execmem-bench: ")
    assert message in said
    assert len(said) < 250


def test_the_same_lines_without_the_fault_are_accepted() -> None:
    text = suite_text('seeds = [0, 2147483647]\npti = ["on"]\nsmp = 64\nkaslr = true')
    assert definitions.parse(text, SuiteSpec, "s.toml").shared.smp == 64
    text = 'name = "w"\nquestion = "q"\nmodule = "m.py"\nmemory_mib = 256\ntimeout_s = 0.5\n'
    assert definitions.parse(text, WorkloadSpec, "w.toml").memory_mib == 256
    assert len(options.seeds(str(MAX_SEEDS))) == MAX_SEEDS
    assert len(options.seeds(f"5-{MAX_SEEDS + 4}")) == MAX_SEEDS


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("../m.py", "workload.toml: module: Expected `str` matching regex"),
        ("/etc/passwd", "workload.toml: module: Expected `str` matching regex"),
        ("m.py", "no m.py in it: it has the class Workload"),
    ],
)
def test_a_workload_is_a_file_of_its_folder(
    module: str, message: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "workload.toml").write_text(f'name = "mine"\nquestion = "?"\nmodule = "{module}"\n')
    assert message in refusal(["run", "--workload", str(folder)], monkeypatch, capsys)


@pytest.mark.parametrize("text", ["2000000000", "1-9999999999", "0-99999999999999999999999"])
def test_too_many_seeds_are_counted_not_made(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=f"give at most {MAX_SEEDS}"):
            options.seeds(text)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (RunRequest(settings={"pti": "maybe"}), "settings: pti[0]: Invalid enum value 'maybe'"),
        (RunRequest(settings={"pti": ()}), "settings: pti: Expected `array` of length >= 1"),
        (RunRequest(settings={"pti": ("on", "on")}), "settings: pti[1]: on is there twice"),
        (RunRequest(settings={"smp": 0}), "settings: smp: Expected `int` >= 1 (it is 0)"),
        (RunRequest(settings={"cpus": 2}), "settings: cpus: there is no such setting"),
        (
            RunRequest(settings={"memory_mib": -1}),
            "settings: memory_mib: Expected `int` >= 0 (it is -1)",
        ),
        (
            RunRequest(settings={"profile": "z80", "counters": "none"}),
            "settings: profile: no CPU profile 'z80'",
        ),
        (RunRequest(seeds=(-1,), settings={"counters": "none"}), "seeds: [0]: Expected `int` >= 0"),
        (RunRequest(seeds=(), settings={"counters": "none"}), "seeds: Expected `array`"),
        (RunRequest(seeds=(4, 4), settings={"counters": "none"}), "seeds[1]: 4 is there twice"),
    ],
)
def test_from_python(request_: RunRequest, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        plan(request_)


def test_a_profile_that_is_not_there_in_a_suite(monkeypatch: Any) -> None:
    text = suite_text('profile = "z80"\ncounters = "none"')
    suite = definitions.parse(text, SuiteSpec, "s.toml")
    monkeypatch.setattr(definitions, "suite", lambda name: suite)
    with pytest.raises(UserError, match="suite s: profile: no CPU profile 'z80': known: "):
        plan(RunRequest(suite="s"))
