# SPDX-License-Identifier: GPL-2.0-only
"""The command line: options to a call of the pipeline; errors to one line and an exit code."""

import errno
import json
import sys
from pathlib import Path
from typing import Any

import click

from harness import pipeline
from harness.cli_options import (
    BASELINE_HELP,
    BISECT_SUITE,
    NIGHTLY_SUITE,
    common,
    comparing,
    out_folder,
    selection,
    side_by_side,
)
from harness.cli_settings import setting_option, setting_options, take_settings
from harness.config import options
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_PREREQUISITE,
    EXIT_REGRESSION,
    EXIT_TRIAL_FAILED,
    BenchError,
    UserError,
)
from harness.model.trial_settings import Counters, Mode
from harness.printable import one_line, printable

EPILOG = """
\b
Exit codes:
  0    done
  1    history --fail-on-regression: the last night is worse, or changed without a cause;
       reproduce: some reading is not what it was
  2    bad input: an option, a configuration, a kernel or a result file
  3    a prerequisite is missing, or a step outside the measurement broke
  4    some trial failed (the others are kept)
  130  interrupted (everything measured before is kept)
"""


class _Commands(click.Group):
    """The top-level group; gives every command the same epilogue."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        cmd.epilog = cmd.epilog or EPILOG
        super().add_command(cmd, name)


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="execmem-bench")
def cli() -> None:
    """Compare kernels by how they allocate executable memory for BPF programs.

    Builds kernels that differ only in that allocator, boots each in QEMU, runs real BPF
    workloads, counts iTLB misses and page walks, and compares the builds.
    """


def _run_request(
    chosen: dict[str, Any], suite: str | None = None, **settings: object
) -> pipeline.RunRequest:
    """What the options of ``selection`` ask for; ``suite`` and ``settings`` where they do not."""
    changed = {**settings, **take_settings(chosen)}
    if chosen["seeds"] is not None:
        chosen["seeds"] = options.seeds(chosen["seeds"])
    chosen["params"] = options.params(chosen["params"])
    chosen["suite"] = chosen["suite"] or suite
    return pipeline.RunRequest(settings=changed, **chosen)


@cli.command()
@common
@click.option("--json", "as_json", is_flag=True, help="Print the kernels as JSON.")
def build(kernels: str | None, quiet: bool, as_json: bool) -> None:
    """Build the kernels, the guest image and the plugin, and say where they are."""
    built = pipeline.build(kernels, progress=pipeline.Progress(quiet=quiet))
    click.echo(pipeline.describe_kernels(built, as_json=as_json))


@cli.command()
@common
@selection(pipeline.DEFAULT_SUITE)
@side_by_side
@out_folder("Folder that gets the run's folder.")
@click.option(
    "--resume",
    metavar="RUN",
    help="Resume a run (a folder, an id, the start of one, or `latest`): its missing and failed "
    "trials. Needs no other option. The program that began it ends "
    "it: an earlier commit is set up.",
)
@click.option("--baseline", metavar="KERNEL", help=BASELINE_HELP)
@click.option("--trace", is_flag=True, help="Keep each trial's page trace, which `replay` takes.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def run(**chosen: Any) -> None:
    """Run a suite on the kernels and print the comparison."""
    progress = pipeline.Progress(quiet=chosen.pop("quiet"))
    as_json = chosen.pop("as_json")
    outcome = pipeline.run(_run_request(chosen), progress)
    pipeline.show([str(outcome.path)], form="json" if as_json else "table")
    progress.say(f"kept in {outcome.path}")
    if outcome.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if outcome.failed:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@common
@selection(NIGHTLY_SUITE)
@side_by_side
@out_folder("Folder that gets the runs, and has those of the nights before.")
@click.option("--baseline", metavar="KERNEL", help=BASELINE_HELP)
@click.option(
    "--site",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the site is. Default: site below the folder of the runs.",
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Choice(pipeline.EXPORT_FORMATS),
    help="Also write the run in this format, beside its records; may be repeated.",
)
@click.option(
    "--textfile",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of node_exporter's textfile collector: gets the run as execmem_bench.prom.",
)
@click.option(
    "--prune-days",
    type=click.IntRange(1),
    default=pipeline.PRUNE_DAYS,
    show_default=True,
    help="Take out of the cache what was not used for so many days.",
)
@click.option(
    "--fail-on-regression", is_flag=True, help="As of `history`: end with 1 on a bad night."
)
def nightly(**chosen: Any) -> None:
    """Run a suite once more, and say what changed since the night before. Default suite: nightly.

    Builds what changed, goes on with a run that was interrupted, updates the site, prunes the
    cache, and prints one line that says how the night went. Two nights in one folder never meet.
    """
    progress = pipeline.Progress(quiet=chosen.pop("quiet"))
    own = {name: chosen.pop(name) for name in ("site", "exports", "textfile", "prune_days")}
    fail = chosen.pop("fail_on_regression")
    request = pipeline.NightRequest(run=_run_request(chosen, suite=NIGHTLY_SUITE), **own)
    night = pipeline.nightly(request, progress)
    click.echo(printable(night.line))
    if night.outcome.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if fail and night.shown.bad:
        sys.exit(EXIT_REGRESSION)
    if night.outcome.failed:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@common
@selection(pipeline.DEFAULT_SUITE)
@out_folder("Folder that gets the run's folder.")
@click.option("--baseline", metavar="KERNEL", help=BASELINE_HELP)
@click.option("--trace", is_flag=True, help="Keep each trial's page trace, which `replay` takes.")
@click.option(
    "--verify",
    metavar="PERCENT",
    default="0%",
    show_default=True,
    help="Also print the keys of so many trials with .again: to be computed by another machine "
    "as well, and compared by `collect`.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def plan(**chosen: Any) -> None:
    """Make a run without its trials, and print a key for each, one a line.

    For runs on many machines: `trial KEY` computes one, wherever this program is set up and the
    run's manifest.json is, and `collect` puts the results together. Exact mode only.
    """
    progress = pipeline.Progress(quiet=chosen.pop("quiet"))
    as_json = chosen.pop("as_json")
    verify = options.percentage(chosen.pop("verify"), "--verify")
    made = pipeline.plan_trials(_run_request(chosen), progress, verify=verify)
    progress.say(f"planned in {made.path}")
    if as_json:
        document = {"run": str(made.path), "keys": made.keys, "again": made.again}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join([*made.keys, *made.again]))


@cli.command()
@click.argument("key")
@click.option(
    "--plan", metavar="RUN", help="The run that was planned. Default: the latest with KEY."
)
@out_folder("Folder that has the planned run.")
@click.option("--quiet", is_flag=True, help="Say nothing but results and errors.")
def trial(key: str, plan: str | None, out: Path, quiet: bool) -> None:
    """Compute the trial that KEY names, as `plan` printed it; nothing where it is there.

    The result appears at once, as the folder trials/KEY of the run. A failed one is computed
    again.
    """
    try:
        done = pipeline.compute(key, out, pipeline.Progress(quiet=quiet), plan=plan)
    except pipeline.Interrupted:
        sys.exit(EXIT_INTERRUPTED)
    failure = done.record.failure
    click.echo(printable(done.line))
    if failure is not None:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@click.argument("run_name", metavar="RUN")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@out_folder("Folder that has the planned run.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def collect(run_name: str, folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Put the trials of a planned run together, from its folder and from FOLDERS.

    Two results of one key that are not equal are an error that names both machines. Ends with 4
    where a trial is missing or failed.
    """
    done = pipeline.collect(run_name, folders, out)
    click.echo(json.dumps(done.document, indent=2) if as_json else printable("\n".join(done.lines)))
    if not done.whole:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@click.argument("runs", nargs=-1, required=True)
@comparing
@click.option("--full", is_flag=True, help="Every reading, not the main ones only.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@out_folder("Folder that holds the runs.")
def compare(
    runs: tuple[str, ...],
    baseline: str | None,
    allow: tuple[str, ...],
    full: bool,
    form: str,
    out: Path,
) -> None:
    """Compare saved runs (a folder, an id, the start of one, or `latest`).

    Refuses runs whose provenance differs in what must agree.
    """
    pipeline.show(runs, root=out, baseline=baseline, allow=allow, form=form, full=full)


@cli.command()
@click.argument("runs", nargs=-1, required=True)
@comparing
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "mail", "commit", "folded"]),
    default="html",
    show_default=True,
    help="html: a page with pictures, one file without network; mail: plain text of 72 columns; "
    "commit: its tables only; folded: walks as stacks, for speedscope and flame graphs.",
)
@click.option(
    "--to",
    metavar="FILE",
    help="File to write, - for standard output. Default: report.html (.txt, .commit, .folded) in "
    "the run's folder.",
)
@out_folder("Folder that holds the runs.")
def report(
    runs: tuple[str, ...],
    baseline: str | None,
    allow: tuple[str, ...],
    form: str,
    to: str | None,
    out: Path,
) -> None:
    """Write a page on saved runs (a folder, an id, the start of one, or `latest`).

    The answers first, then pictures with their figures, all readings, and where they come from.
    """
    path = pipeline.report(runs, form=form, root=out, baseline=baseline, allow=allow, to=to)
    if path is not None:
        click.echo(path)


@cli.command()
@click.argument("run_name", metavar="RUN")
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(pipeline.EXPORT_FORMATS),
)
@out_folder("Folder that holds the runs.")
def export(run_name: str, form: str, out: Path) -> None:
    """Write a saved run to standard output in a format that other tools read."""
    click.echo(pipeline.export(run_name, form, out), nl=False)
    for note in pipeline.export_notes(run_name, form, out):
        click.echo(f"not in it: {note}", err=True)


@cli.command()
@out_folder("Folder that holds the runs.")
@click.option("--suite", "-s", help="Runs of this suite only. Default: all.")
@click.option("--full", is_flag=True, help="Every night and every changed reading.")
@click.option(
    "--site",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Also write a site there: a front page with trends, and a page for each night.",
)
@click.option(
    "--otava",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Also write the readings that decide for apache-otava: CSV files and otava.yaml.",
)
@click.option(
    "--fail-on-regression",
    is_flag=True,
    help="End with 1 where the last night has a reading that became worse, a change without a "
    "changed input, or a failed trial.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def history(
    out: Path,
    suite: str | None,
    full: bool,
    site: Path | None,
    otava: Path | None,
    fail_on_regression: bool,
    as_json: bool,
) -> None:
    """Say what changed from night to night, with which input, and since when.

    In exact mode equal inputs give equal values: any changed value is a change, and one without a
    changed input is a fault of the lab. With a new kernel a change is real where the seeds agree on
    it, and layout where they do not, since text lies elsewhere.
    """
    shown = pipeline.folder_history(out, suite)
    pipeline.refuse_empty(shown)
    pipeline.show_history(shown, full=full, as_json=as_json)
    if site is not None:
        click.echo(pipeline.write_site(shown, out, site), err=as_json)
    if otava is not None:
        click.echo(pipeline.write_otava(shown, otava), err=as_json)
    if fail_on_regression and shown.bad:
        sys.exit(EXIT_REGRESSION)


@cli.command("replay")
@click.argument("run_name", metavar="RUN")
@click.option(
    "--profile",
    "profiles",
    default="all",
    show_default=True,
    metavar="CPU[,CPU...]|all",
    help="CPUs the model stands for.",
)
@setting_options(pipeline.REPLAYABLE, absent="as recorded")
@out_folder("Folder that holds the run and gets the new ones.")
@click.option("--quiet", is_flag=True, help="Say nothing but results and errors.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def replay_(run_name: str, profiles: str, quiet: bool, as_json: bool, **chosen: Any) -> None:
    """Other CPUs' answers from the page traces of a run (made with `run --trace`).

    Keeps a run for each CPU, which `compare` takes, and prints where the walks come from.
    """
    progress = pipeline.Progress(quiet=quiet)
    names = pipeline.profile_names(profiles)
    changed = take_settings(chosen)
    request = pipeline.ReplayRequest(run=run_name, profiles=names, settings=changed, **chosen)
    made = pipeline.replay(request, progress)
    pipeline.show_profiles([str(path) for path in made], as_json=as_json)
    for path in made:
        progress.say(f"kept in {path}")


@cli.command()
@click.argument("run_name", metavar="RUN")
@side_by_side
@out_folder("Folder that holds the run and gets the new one.")
@click.option("--quiet", is_flag=True, help="Say nothing but results and errors.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def reproduce(run_name: str, jobs: int | None, out: Path, quiet: bool, as_json: bool) -> None:
    """Run a saved run again and compare it reading by reading.

    Says that every reading is equal, or which are not and which inputs differ.
    """
    progress = pipeline.Progress(quiet=quiet)
    again = pipeline.reproduce(run_name, out, progress, jobs=jobs)
    click.echo(pipeline.reproduction_json(again) if as_json else printable("\n".join(again.lines)))
    if again.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if not again.equal:
        sys.exit(EXIT_REGRESSION)


@cli.command()
@common
@click.option(
    "--profile",
    "profiles",
    default="all",
    show_default=True,
    metavar="CPU[,CPU...]|all",
    help="CPUs the model stands for.",
)
@setting_option("pti", default="off")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def validate(
    kernels: str | None, quiet: bool, profiles: str, pti: tuple[str, ...], as_json: bool
) -> None:
    """Run loops with known counts in a guest and compare the model's with them.

    Loops over pages, and over processes that take turns. Ends with 0 when all agree to the
    last event, with 4 when one differs or was always disturbed. The kernel, one, is
    bpf_prog_pack unless named.
    """
    progress = pipeline.Progress(quiet=quiet)
    validation = pipeline.validate(kernels, profiles, pti, progress)
    pipeline.show_validation(validation, as_json=as_json)
    if not validation.ok:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@click.argument("kernels", nargs=-1, required=True)
@click.option(
    "--metric",
    "-m",
    required=True,
    metavar="NAME{label=value,...}",
    help="The reading that moved, as `compare --full` and exports name it.",
)
@click.option("--quiet", is_flag=True, help="Say nothing but results and errors.")
@selection(BISECT_SUITE)
@side_by_side
@out_folder("Folder that gets the runs.")
def bisect(kernels: tuple[str, ...], metric: str, quiet: bool, **chosen: Any) -> None:
    """Say which patch, or which kernel, moved a reading.

    GOOD BAD: two variants, BAD with further patches; or three kernels and more, in order. Tests as
    few as it takes and goes on where it was interrupted. In exact mode one seed a kernel tells,
    unless the ends differ by less than layout can do; then it says so. Default suite: smoke.
    """
    progress = pipeline.Progress(quiet=quiet)
    request = pipeline.BisectRequest(
        kernels=kernels,
        metric=metric,
        run=_run_request(chosen, suite=BISECT_SUITE, counters="model"),
    )
    done = pipeline.bisect(request, progress)
    click.echo(printable("\n".join(done.lines)))
    if done.found is None:
        sys.exit(EXIT_TRIAL_FAILED)


@cli.command()
@common
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def anatomy(kernels: str | None, quiet: bool, as_json: bool) -> None:
    """Say what all modules of a kernel are made of, in bytes and pages.

    Reads the module files of one kernel, of a distribution's package for example, and lays them
    out as the kernel does: how many page-table entries of 4 kB they take, and how many of 2 MB
    would do. Nothing is loaded.
    """
    found = pipeline.module_anatomy(kernels, pipeline.Progress(quiet=quiet))
    pipeline.show_anatomy(*found, as_json=as_json)


@cli.command("list")
@click.option("--workloads", is_flag=True, help="Only the workloads.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(workloads: bool, as_json: bool) -> None:
    """List variants, suites, workloads and CPU profiles."""
    click.echo(pipeline.listing(workloads_only=workloads, as_json=as_json), nl=False)


@cli.command()
@click.option("--prune", is_flag=True, help="Remove what was not used for --days days.")
@click.option(
    "--days",
    type=click.IntRange(0),
    metavar="N",
    help=f"With --prune; 0: everything that no process uses now. Default: {pipeline.PRUNE_DAYS}.",
)
@click.option("--dry-run", is_flag=True, help="With --prune: say what it would remove.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def cache(prune: bool, days: int | None, dry_run: bool, as_json: bool) -> None:
    """List what was built and is kept: sizes, last use, and whether this checkout uses it.

    Output trees of kernel builds and unpacked sources are the largest. What --prune removes is
    made again when it is needed; what a running process uses is never removed.
    """
    if not prune and (dry_run or days is not None):
        raise UserError("--days and --dry-run are about --prune", "add --prune")
    chosen = (pipeline.PRUNE_DAYS if days is None else days) if prune else None
    click.echo(pipeline.cache(days=chosen, dry_run=dry_run, as_json=as_json))


@cli.command()
@setting_option("counters", default="auto", one=True)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="What has to work. Default: exact.",
)
@click.option("--facts", is_flag=True, help="Print what was read of the machine, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(counters: str, mode: str | None, facts: bool, as_json: bool) -> None:
    """Say what this machine can measure, what stands against it, and what mends it.

    Each prerequisite and each source of noise: found, wanted, why it matters, the command that
    mends it. Ends with 3 when what --counters or --mode asks for cannot run.
    """
    asked = Mode(mode) if mode else None
    pipeline.doctor(Counters(counters), asked, as_json=as_json, facts=facts)


@cli.command()
@click.option("--undo", is_flag=True, help="Put back what was there, also after a crash.")
@click.option("--dry-run", is_flag=True, help="Say what would be set.")
def tune(undo: bool, dry_run: bool) -> None:
    """Set the machine for measuring under KVM: what `doctor` can mend and put back. Needs root.

    Governor, turbo, NMI watchdog, merging of pages, large pages. What was there is kept until the
    next boot. Exact mode needs none of it.
    """
    pipeline.tuning(back=undo, dry_run=dry_run)


@cli.command()
@common
@setting_option("pti", default="off", one=True)
@setting_option("smp", default=2)
@click.option("--bcc/--no-bcc", default=True, show_default=True, help="With the bcc image layer.")
def shell(kernels: str | None, quiet: bool, pti: str, smp: int, bcc: bool) -> None:
    """Boot a variant and give an interactive shell in it. Ctrl-A X leaves."""
    sys.exit(pipeline.shell(kernels, pti, smp, bcc, pipeline.Progress(quiet=quiet)))


def main() -> None:
    """Entry point: every error for the user becomes one line and its exit code, here only."""
    try:
        cli(standalone_mode=False)
    except BenchError as error:
        click.echo(f"execmem-bench: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        ctx = getattr(error, "ctx", None)
        see = f" (see {ctx.command_path} --help)" if ctx else ""
        click.echo(f"execmem-bench: {error.format_message()}{see}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a path that the system does not take: nobody asked it before
        path = one_line(str(error.filename), 150)
        click.echo(f"execmem-bench: {path}: {error.strerror or error}", err=True)
        sys.exit(EXIT_BAD_INPUT if error.errno == errno.ENAMETOOLONG else EXIT_PREREQUISITE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("execmem-bench: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
