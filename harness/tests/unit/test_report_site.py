# SPDX-License-Identifier: GPL-2.0-only
"""The site: a front page that says what changed, and a page for each night."""

import os
from pathlib import Path

from harness.analysis.compare import compare
from harness.analysis.history import history
from harness.report.site import front, night
from harness.report.site.trends import rows, sparkline
from harness.store import create_run
from harness.store.loading import LoadedRun
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_nights as made
from harness.tests.unit.in_process import Bench
from harness.tests.unit.synthetic_nights import Lab
from harness.tests.unit.test_report_page import Tree, inside

WORSE = Lab().with_kernel("execmem", "image-new").with_factor("execmem", 1.5)
NIGHTS = tuple(made.night(Lab() if n < 6 else WORSE, n) for n in range(8))


def test_the_front_page_is_as_a_person_read_it() -> None:
    given = history(NIGHTS)
    html = front(given, [compare([run]) for run in NIGHTS], ("a run that cannot be read",))
    assert_golden("report/front.html", html)
    tree = Tree(html)
    assert len(tree.ids) == len(set(tree.ids))
    assert set(tree.labels) <= set(tree.ids)
    assert tree.outside == []
    assert "<script" not in html
    assert "last night: nothing changed; the last change was on 2026-01-07" in html


def test_a_page_of_a_night_has_its_news_and_its_report() -> None:
    html = night(history(NIGHTS), compare([NIGHTS[6]]), {})
    assert html.index("What changed") < html.index('class="verdicts"')
    assert "real, worse: 4 kB walks, all text: ×1.5" in html
    assert 'href="../index.html"' in html
    quiet = night(history(NIGHTS), compare([NIGHTS[5]]), {})
    assert "nothing changed against the night before" in quiet


def test_trends_say_since_when_and_by_how_much() -> None:
    found = rows([compare([run]) for run in NIGHTS], history(NIGHTS))
    row = next(r for r in found if r.key.title == "4 kB walks, all text" and r.key.pti == "on")
    upstream, execmem = row.trends
    assert (upstream.since, upstream.tone) == ("", "")
    assert (execmem.since, execmem.tone) == ("2026-01-07", "worse")
    assert execmem.change.startswith("×1.5")
    assert len(set(execmem.values)) == 2


def test_a_night_without_a_value_is_a_gap() -> None:
    broken = made.night(Lab(), 2, fail=("execmem",))
    runs = (*NIGHTS[:2], broken, *(made.night(Lab(), n) for n in (3, 4)))
    found = rows([compare([run]) for run in runs], history(runs))
    row = next(r for r in found if r.key.title == "4 kB walks, all text" and r.key.pti == "on")
    assert [value is None for value in row.trends[1].values] == [False, False, True, False, False]


def test_sparklines_are_inside_their_drawing() -> None:
    for values in ([1.0, 2.0, None, 3.0], [0.0, 0.0], [5.0, None, None, 5.0]):
        drawing = sparkline("execmem", 1, values, "event")
        assert drawing is not None
        inside(drawing)
    assert sparkline("execmem", 1, [1.0, None], "event") is None


def kept(root: Path, *runs: LoadedRun) -> None:
    for run in runs:
        with create_run(run.manifest, root) as writer:
            for record in run.records:
                writer.append(record)


def test_the_command_writes_pages_once(bench: Bench, tmp_path: Path) -> None:
    root, site = tmp_path / "runs", tmp_path / "site"
    kept(root, *NIGHTS[:3])
    done = bench("history", "--out", str(root), "--site", str(site))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(site / "index.html")
    pages = sorted((site / "nights").iterdir())
    assert [page.stem for page in pages] == [run.manifest.run for run in NIGHTS[:3]]
    assert all((site / link).is_file() for link in Tree((site / "index.html").read_text()).links)
    before = {page: page.stat().st_mtime_ns for page in pages}
    kept(root, NIGHTS[3])
    changed = root / NIGHTS[1].manifest.run / "records.jsonl"
    os.utime(changed, (changed.stat().st_atime, changed.stat().st_mtime + 60))
    bench("history", "--out", str(root), "--site", str(site))
    written = [p.stem for p in before if p.stat().st_mtime_ns != before[p]]
    assert written == [NIGHTS[1].manifest.run]
    assert len(list((site / "nights").iterdir())) == 4


def test_a_folder_that_cannot_be_written_is_one_line(bench: Bench, tmp_path: Path) -> None:
    kept(tmp_path / "runs", NIGHTS[0])
    (tmp_path / "site").write_text("a file")
    done = bench("history", "--out", str(tmp_path / "runs"), "--site", str(tmp_path / "site"))
    assert done.returncode == 2
    assert f"{tmp_path / 'site'}: the site cannot be written" in done.stderr
