# SPDX-License-Identifier: GPL-2.0-only
"""What apache-otava is given: a line a night, a column a reading, nothing unknown as a number."""

import csv
import io
import re
from pathlib import Path

from harness.analysis.compare import compare
from harness.analysis.history import history
from harness.report.otava import CONFIG, files
from harness.report.site.trends import rows
from harness.store import create_run
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_nights as made
from harness.tests.unit.in_process import Bench
from harness.tests.unit.synthetic_nights import Lab

NIGHTS = (
    made.night(Lab(), 0),
    made.night(Lab(), 1, fail=("upstream",)),
    made.night(Lab().with_factor("execmem", 2.0), 2),
)


def written(runs: tuple[LoadedRun, ...]) -> dict[str, str]:
    given = history(runs)
    return files(given, rows([compare([run]) for run in runs], given))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_file_for_each_build_and_setting() -> None:
    names = {f"trig_kprobe_pti_{pti}_{build}" for pti in ("on", "off") for build in made.BUILDS}
    found = written(NIGHTS)
    assert set(found) == {CONFIG, *(f"{name}.csv" for name in names)}
    assert set(re.findall(r"^  (\w+):$", found[CONFIG], re.MULTILINE)) == names
    for name in names:
        assert f'file: "{name}.csv"' in found[CONFIG]


def test_every_column_is_a_metric_with_its_direction() -> None:
    found = written(NIGHTS)
    (head, *_) = found["trig_kprobe_pti_on_execmem.csv"].splitlines()
    columns = head.split(",")[2:]
    assert "4_kB_walks_all_text" in columns
    for column in columns:
        assert f"      {column}: {{direction: " in found[CONFIG]
    assert "4_kB_walks_all_text: {direction: -1}" in found[CONFIG]


def test_a_night_that_knows_nothing_has_no_line() -> None:
    found = written(NIGHTS)
    execmem = table(found["trig_kprobe_pti_on_execmem.csv"])
    assert [row["time"][:10] for row in execmem] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    walks = [float(row["4_kB_walks_all_text"]) for row in execmem]
    assert walks[1] == walks[0]
    assert walks[2] > 1.9 * walks[0]
    upstream = table(found["trig_kprobe_pti_on_upstream.csv"])
    assert [row["time"][:10] for row in upstream] == ["2026-01-01", "2026-01-03"]


def test_the_command_writes_them(bench: Bench, tmp_path: Path) -> None:
    for run in NIGHTS:
        with create_run(run.manifest, tmp_path / "runs") as writer:
            for record in run.records:
                writer.append(record)
    to = tmp_path / "otava"
    done = bench("history", "--out", str(tmp_path / "runs"), "--otava", str(to))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(to / CONFIG)
    assert len(list(to.iterdir())) == 5
