# SPDX-License-Identifier: GPL-2.0-only
"""Saved page traces through other CPU profiles: their answers without booting again."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.config import settings
from harness.counters import readings as counted
from harness.errors import DataError, UserError
from harness.guest.agent.wire import WireError
from harness.guest.decoded import Decoded, decode
from harness.itlb import plugin as itlb
from harness.itlb.replay import replay as replay_trace
from harness.model.reading import Source
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.model.trial_settings import SUITE_SETTINGS
from harness.paths import PROJECT, RESULTS
from harness.pipeline.progress import Progress
from harness.scratch import scratch
from harness.store import create_run, find_run, folder_errors, load_run, provenance
from harness.store.loading import LoadedRun
from harness.targets import trial_files

REPLAYABLE = tuple(name for name, setting in SUITE_SETTINGS.items() if setting.replay)
"""Settings that a replay may change, beside the profile."""


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What to replay; what ``settings`` does not name is as it was when the trace was recorded."""

    run: str  # a folder, an id, the start of one, or "latest"
    profiles: tuple[str, ...]
    settings: Mapping[str, object] = field(default_factory=dict)  # changed, by name
    out: Path = RESULTS


def replay(request: ReplayRequest, progress: Progress) -> tuple[Path, ...]:
    """Replay every trace of a saved run; a new run for each profile, and their folders.

    All readings but the model's are the recorded trial's own. Raises UserError for a run
    without traces or a profile that is not there, DataError for a trace that is damaged.
    """
    for name in request.settings:
        if name not in REPLAYABLE:
            raise UserError(
                f"settings: {name}: a replay cannot change it",
                f"it can change: {', '.join(REPLAYABLE)}",
            )
    source = find_run(request.run, request.out)
    loaded = load_run(source)
    traced = [record for record in loaded.records if _trace(source, record).is_file()]
    if not traced:
        raise UserError(f"{source.name} has no page traces", "make it again with `run --trace`")
    made = []
    for profile in request.profiles:
        path = itlb.profile_path(profile)
        with progress.step(f"{source.name} on {profile}"):
            made.append(_of_profile(request, source, loaded, traced, profile, path, progress))
    return tuple(made)


def _trace(source: Path, record: TrialRecord) -> Path:
    return source / "raw" / record.trial / trial_files.TRACE


def _of_profile(
    request: ReplayRequest,
    source: Path,
    loaded: LoadedRun,
    traced: Sequence[TrialRecord],
    profile: str,
    path: Path,
    progress: Progress,
) -> Path:
    specs = tuple(_spec(request, record.spec, profile) for record in traced)
    manifest = _manifest(loaded.manifest, specs, profile, provenance.sha256_file(path))
    with create_run(manifest, request.out) as writer, _removed_on_error(writer.path):
        for spec, record in zip(specs, traced, strict=True):
            progress.detail(f"{profile}: {spec.id}")
            raw, kept = source / "raw" / record.trial, writer.path / "raw" / spec.id
            writer.append(_record(spec, record, raw, path, kept, source.name))
    return writer.path


@contextmanager
def _removed_on_error(run: Path) -> Iterator[None]:
    """A replay is whole or not there: it cannot be resumed, and its traces are still there."""
    try:
        yield
    except BaseException:
        shutil.rmtree(run)
        raise


def _spec(request: ReplayRequest, recorded: TrialSpec, profile: str) -> TrialSpec:
    (changed,) = settings.override([recorded], request.settings, "settings")
    values = {name: getattr(changed, name) for name in SUITE_SETTINGS}
    return replace(recorded, **values | {"profile": profile})


def _manifest(
    recorded: Manifest, specs: tuple[TrialSpec, ...], profile: str, profile_sha256: str
) -> Manifest:
    created = provenance.now()
    suite = f"{recorded.suite}-{profile}"
    return replace(
        recorded,
        run=provenance.run_id(created, suite, specs),
        created=provenance.iso(created),
        suite=suite,
        program_version=provenance.program_version(),
        program_commit=provenance.git_describe(PROJECT),
        trials=specs,
        plugin_sha256=itlb.sources_sha256(),
        profile_sha256=profile_sha256,
        counters_reason=f"replayed from the traces of {recorded.run}",
        counters_detail="",
        command=tuple(sys.argv),
        resume=None,
    )


def _record(
    spec: TrialSpec, recorded: TrialRecord, raw: Path, profile: Path, kept: Path, run: str
) -> TrialRecord:
    """The recorded trial with the model's readings made anew. Raises DataError."""
    with scratch() as folder:
        options = itlb.replay_options(spec)
        out = folder / trial_files.REPORT
        report = replay_trace(raw / trial_files.TRACE, profile, options, out).read_bytes()
    ended = replace(trial_files.read(raw), report=report, trace=None)
    with folder_errors(kept):
        trial_files.keep(ended, kept)
    try:
        decoded = decode(ended.channel)
    except WireError as error:
        raise DataError(f"{raw / trial_files.CHANNEL}: {error}") from error
    return replayed(spec, recorded, decoded, report, run)


AS_RECORDED = (Source.HOST, Source.PERF)
"""Readings taken over as they are: which events perf was asked for depends on the CPU of the
machine that recorded them, and is in no file of the trial."""


def replayed(
    spec: TrialSpec, recorded: TrialRecord, decoded: Decoded, report: bytes, run: str
) -> TrialRecord:
    """``recorded`` with the readings of ``report`` in place of its model's. Raises DataError,
    TrialError."""
    raw = counted.RawTrial(decoded=decoded, report=report, perf_events=())
    trial = counted.of_trial(spec, raw)
    kept = tuple(reading for reading in recorded.readings if reading.source in AS_RECORDED)
    return replace(
        recorded,
        spec=spec,
        status=TrialStatus.OK,
        readings=(*trial.readings, *kept),
        windows=dict(trial.windows),
        sites=trial.sites,
        notes=(*recorded.notes, f"model replayed from the trace of {run}"),
    )
