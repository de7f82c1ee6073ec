# SPDX-License-Identifier: GPL-2.0-only
"""What the user looks at: comparisons and exports of saved runs, lists."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from harness.analysis.compare import compare
from harness.analysis.comparison import Comparison
from harness.config import definitions, settings
from harness.itlb import plugin as itlb
from harness.itlb.known_processes import PAGES, ROUNDS
from harness.kernel import Kernel
from harness.paths import RESULTS
from harness.pipeline.validation import Counts, Validation, Verdict
from harness.printable import printable
from harness.report import consoles, exports, markdown, profiles, terminal, wording
from harness.store import find_run, load_run, provenance


def comparison(
    runs: Sequence[str],
    root: Path = RESULTS,
    baseline: str | None = None,
    allow: Sequence[str] = (),
) -> Comparison:
    """Saved runs compared; ``allow`` names provenance keys that may differ.

    Raises UserError where they may not be compared.
    """
    loaded = [load_run(find_run(name, root)) for name in runs]
    return compare(loaded, baseline=baseline, allow=set(allow))


def show(
    runs: Sequence[str],
    *,
    root: Path = RESULTS,
    baseline: str | None = None,
    allow: Sequence[str] = (),
    form: str = "table",
    full: bool = False,
) -> None:
    """Print the comparison of ``runs`` as table, json or markdown; ``full`` with every reading."""
    compared = comparison(runs, root, baseline, allow)
    questions = questions_of(compared)
    console = consoles.output()
    if form == "json":
        print(msgspec.json.encode(compared, enc_hook=str).decode())
    elif form == "markdown":
        print(printable(markdown.render(compared, questions)), end="")
    else:
        paths = [os.path.relpath(find_run(name, root)) for name in runs]
        terminal.render(compared, console, full=full, questions=questions, paths=paths)


def questions_of(compared: Comparison) -> dict[str, str]:
    """The questions by workload: of the runs themselves, else of the shipped workload."""
    recorded = {
        name: q for manifest in compared.manifests for name, q in manifest.questions.items()
    }
    names = {block.settings.workload for block in compared.blocks} - set(recorded)
    shipped = names & set(definitions.workload_folders())
    return recorded | {name: definitions.workload(name)[0].question for name in shipped}


def export(run: str, form: str, root: Path = RESULTS) -> str:
    """A saved run in a format of ``harness.report.exports``."""
    return exports.export(load_run(find_run(run, root)), form)


def export_notes(run: str, form: str, root: Path = RESULTS) -> tuple[str, ...]:
    """What of a saved run the format does not hold."""
    return exports.notes(load_run(find_run(run, root)), form)


def listing(*, workloads_only: bool, as_json: bool) -> str:
    """Variants, suites, workloads and profiles; for people, or as JSON."""
    names = definitions.workload_folders()
    workloads = {name: definitions.workload(name)[0] for name in names}
    if as_json:
        document: dict[str, object] = {"workloads": msgspec.to_builtins(list(workloads.values()))}
        if not workloads_only:
            document |= {
                "variants": msgspec.to_builtins(list(definitions.variants().values())),
                "suites": [settings.document(suite) for suite in definitions.suites().values()],
                "profiles": itlb.profiles(),
            }
        return json.dumps(document, indent=2) + "\n"
    console = Console(highlight=False)
    with console.capture() as capture:
        if not workloads_only:
            rows = [(v.name, v.title, v.role) for v in definitions.variants().values()]
            console.print(_table("kernels", ("name", "", "role"), rows))
            suites = [
                (
                    s.name,
                    s.title,
                    f"{', '.join(s.workloads)}; seeds {len(s.seeds)}; "
                    + "  ".join(wording.setting_words(settings.values(s.settings))),
                )
                for s in definitions.suites().values()
            ]
            console.print(_table("suites", ("name", "", "trials"), suites))
            console.print(_table("CPU profiles", ("name",), [(p,) for p in itlb.profiles()]))
        questions = [(w.name, w.question) for w in workloads.values()]
        console.print(_table("workloads", ("name", "question it answers"), questions))
    return capture.get()


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def show_profiles(runs: Sequence[str], *, as_json: bool) -> None:
    """Print runs that differ in the CPU profile, CPU by CPU."""
    tables = profiles.tables([comparison([run]) for run in runs])
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(tables), indent=2).decode())
        return
    console = consoles.output()
    for table in tables:
        rows = []
        last = ""
        for line in table.lines:
            rows.append((line.profile if line.profile != last else "", line.title, *line.cells))
            last = line.profile
        console.print(_table(table.title, ("CPU", "", *table.builds), rows))
        console.print()


def show_validation(validation: Validation, *, as_json: bool) -> None:
    """Print each loop with its counts, then a line for each profile."""
    if as_json:
        document = msgspec.to_builtins(validation)
        for raw, check in zip(document["checks"], validation.checks, strict=True):
            raw["verdict"] = check.verdict.value
        of_hardware = zip(document["hardware"]["counts"], validation.hardware.counts, strict=True)
        for raw, count in of_hardware:
            raw["error"] = count.error
        # Whoever publishes the model's error against a PMU has to say whose.
        document |= {"ok": validation.ok, "host": provenance.host_facts()}
        print(json.dumps(document, indent=2))
        return
    console = consoles.output()
    columns = ("profile", "pti", "pages", "edge", "expected", "counted", "")
    rows = [
        (
            check.profile,
            check.pti,
            _pages(check.pages, check.page_size, check.stride),
            check.edge,
            _counts(check.expected) + (" (reference)" if check.source == "reference" else ""),
            _counts(check.counted) if check.counted else "",
            check.verdict.value,
        )
        for check in validation.checks
    ]
    console.print(_table(f"page loops on {validation.kernel}", columns, rows))
    for profile in dict.fromkeys(check.profile for check in validation.checks):
        checks = [check for check in validation.checks if check.profile == profile]
        told = ", ".join(
            f"{sum(check.verdict is verdict for check in checks)} {verdict.value}"
            for verdict in Verdict
        )
        console.print(f"{profile}: {len(checks)} loops: {told}")
    console.print(
        "Counts are first-level hits / second-level hits / walks in the window. Expected follows "
        "from the geometry, or from the reference model where the replacement policy decides."
    )
    _show_processes(validation, console)
    console.print(f"hardware counters: {validation.hardware.note}")
    if validation.hardware.counts:
        heads = ("pages", "event", "expected", "counted", "error, share of accesses")
        counts = [
            (
                _pages(c.pages, c.page_size, c.stride),
                c.event,
                str(c.expected),
                str(c.counted),
                f"{c.error:+.4f}",
            )
            for c in validation.hardware.counts
        ]
        console.print(_table("the same loops under perf", heads, counts))


def _show_processes(validation: Validation, console: Console) -> None:
    """Loops over processes: a row for each profile and setting, a column for each kind."""
    if not validation.processes:
        console.print(f"loops over processes: not run: {validation.processes_note}")
        return
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    heads: dict[str, dict[str, None]] = {}
    for check in validation.processes:
        text = str(check.counted) if check.exact else f"{check.counted}, not {check.expected}"
        row = rows.setdefault((check.profile, check.pti), {})
        kind = check.kind if check.page == "own" else f"{check.kind}: kernel's page"
        row.setdefault(kind, []).append(text)
        heads.setdefault(kind, {})[str(check.processes)] = None
    columns = ("profile", "pti", *(f"{', '.join(n)} {kind}" for kind, n in heads.items()))
    absent = ["not compared: text on small pages"]
    cells = [(*k, *(" ".join(row.get(kind, absent)) for kind in heads)) for k, row in rows.items()]
    console.print(_table("walks of processes that take turns", columns, cells))
    exact = sum(check.exact for check in validation.processes)
    kernels = (
        "The kernel's page is that of the code that switches between them: global without "
        "isolation."
        if any(check.page == "kernel" for check in validation.processes)
        else "Not compared: the kernel's own page, for its text is on small pages."
    )
    console.print(
        f"{len(validation.processes)} counts of loops over processes: {exact} exact. Each process "
        f"calls {PAGES} pages of its own {ROUNDS} times; in each round one of them does nothing "
        f"(stay), executes another program (exec) or is replaced by its child (fork). {kernels}"
    )


def _pages(pages: int, size: str, stride: int) -> str:
    """The pages of a loop in words; of 16k each is one of four in a row."""
    of = "4k of 16k" if size == "16k" else size
    return f"{pages} x {of}" + (f", every {stride}th" if stride > 1 else "")


def _counts(counts: Counts) -> str:
    return f"{counts.l1_hits} / {counts.stlb_hits} / {counts.walks}"


def describe_kernels(kernels: Sequence[Kernel], *, as_json: bool) -> str:
    """The kernels that were built: name, release, hash, file."""
    if as_json:
        documents = [
            {"image": str(k.image), "cached": k.cached, **msgspec.to_builtins(k.identity)}
            for k in kernels
        ]
        return json.dumps(documents, indent=2)
    return "\n".join(
        f"{k.name}: {k.identity.release} {k.identity.image_sha256[:12]} {k.image}" for k in kernels
    )
