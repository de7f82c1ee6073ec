# SPDX-License-Identifier: GPL-2.0-only
"""A setting is defined once: everything that has settings has all of them."""

import csv
import io
import json
from dataclasses import replace
from enum import EnumMeta
from typing import Any

import msgspec
import pytest

from harness import cli
from harness.analysis.comparability import Settings, setting_mismatches
from harness.config import definitions, matrix, settings
from harness.errors import DataError, UserError
from harness.itlb import plugin as itlb
from harness.model.records import Manifest, TrialRecord
from harness.model.specs import SuiteSpec, TrialSpec, WorkloadSpec
from harness.model.trial_settings import SETTINGS, SUITE_SETTINGS, Counters, Pcid, Pti, setting_text
from harness.pipeline import REPLAYABLE, ReplayRequest, replay
from harness.pipeline.planning import RunRequest, plan
from harness.pipeline.progress import Progress
from harness.report import exports, openmetrics, wording
from harness.store import LoadedRun, load_run
from harness.store.loading import MANIFEST, RECORDS
from harness.tests.unit import synthetic_runs as made

WORKLOAD = WorkloadSpec(name="w", question="q?", module="w.py", memory_mib=512)
SUITE = 'name = "s"\ntitle = "t"\nworkloads = ["w"]\nseeds = [1, 2]\n'
NAMES = list(SUITE_SETTINGS)


def suite(more: str = "") -> SuiteSpec:
    return definitions.parse(SUITE + more, SuiteSpec, "s.toml")


def other(name: str) -> Any:
    """A value of the setting that is not its default."""
    kind, default = settings.TYPES[name], SUITE_SETTINGS[name].default
    if isinstance(kind, EnumMeta):
        return list(kind)[-1]
    if isinstance(default, bool):
        return not default
    return default + 1 if isinstance(default, int) else "zen4"


def changed(name: str) -> TrialSpec:
    value = 1024 if name == "memory_mib" else other(name)
    change: Any = {name: value}
    return replace(made.spec(pti="on"), **change)


@pytest.mark.parametrize("name", NAMES)
def test_a_suites_key_reaches_every_trial(name: str) -> None:
    word = json.dumps(setting_text(other(name)))
    if not isinstance(other(name), str):
        word = json.dumps(other(name))
    chosen = suite(f"{name} = [{word}]" if SUITE_SETTINGS[name].swept else f"{name} = {word}")
    counters = chosen.shared.counters
    trials = matrix.trials(chosen, ["a"], [WORKLOAD], counters, {})
    assert {getattr(trial, name) for trial in trials} == {other(name)}
    memory = other(name) if name == "memory_mib" else WORKLOAD.memory_mib
    assert {trial.memory_mib for trial in trials} == {memory}


@pytest.mark.parametrize("name", NAMES)
def test_the_users_setting_overrides_the_suites(name: str) -> None:
    given = {name: str(other(name)) if isinstance(other(name), str) else other(name)}
    overridden = settings.override(suite().settings, given, "settings")
    assert {getattr(one, name) for one in overridden} == {other(name)}
    kept = [n for n in NAMES if n != name]
    before, after = settings.values(suite().settings), settings.values(overridden)
    assert [before[n] for n in kept] == [after[n] for n in kept]


def test_a_suite_without_settings_has_the_defaults() -> None:
    assert settings.values(suite().settings) == {n: s.default for n, s in SUITE_SETTINGS.items()}
    assert [one.pti for one in suite().settings] == [Pti.ON, Pti.OFF]


@pytest.mark.parametrize("name", sorted(definitions.suites()))
def test_a_suite_is_written_as_it_is_read(name: str) -> None:
    shipped = definitions.suite(name)
    assert settings.suite(settings.document(shipped), "again") == shipped


@pytest.mark.parametrize("name", list(SETTINGS))
def test_trials_of_other_settings_share_no_table(name: str) -> None:
    left, right = made.manifest([made.spec()], "a"), made.manifest([changed(name)], "b")
    assert Settings.of(left.trials[0]) != Settings.of(right.trials[0])
    (mismatch,) = setting_mismatches(left, right)
    assert mismatch.key == f"trials.{name}"


@pytest.mark.parametrize("name", list(SETTINGS))
def test_tables_and_columns_show_a_changed_setting(name: str) -> None:
    spec, setting = changed(name), SETTINGS[name]
    shown = setting_text(getattr(spec, name))
    assert f"{setting.title}={shown}{setting.unit}" in wording.settings_line(spec).split("  ")
    record = replace(made.record(spec), trial=spec.id)
    run = LoadedRun(made.manifest([spec]), (record,), ())
    row = next(csv.DictReader(io.StringIO(exports.export(run, "csv"))))
    assert row[name] == shown
    labels = openmetrics.trial_labels(run.manifest, record)
    assert labels.get(name) == (shown if setting.label else None)


def test_a_table_leaves_out_what_nobody_changed() -> None:
    assert wording.settings_line(made.spec()) == (
        "pti=on  pcid=tagged  host_page=2m  profile=skylake-sp  mode=exact  smp=1  counters=model  "
        "memory=2048 MiB"
    )


def test_the_model_is_told_every_setting_of_its_own() -> None:
    told = itlb.model_options(replace(made.spec(pti="off"), data_side=True))
    expected = {"pti": "off", "pcid": "tagged", "host_page": "2m", "data": "on"}
    assert told.items() >= expected.items()
    assert len(told) == sum(bool(setting.model) for setting in SETTINGS.values())
    assert not {"smp", "kaslr", "memory_mib", ""} & told.keys()
    assert itlb.replay_options(made.spec()) == {
        name: word for name, word in itlb.model_options(made.spec()).items() if name != "pti"
    }


@pytest.mark.parametrize(
    ("command", "names"), [("run", NAMES), ("replay", list(REPLAYABLE)), ("shell", ["pti", "smp"])]
)
def test_options_of_the_command_line(command: str, names: list[str]) -> None:
    params = {param.name: param for param in cli.cli.commands[command].params}
    assert [name for name in SUITE_SETTINGS if name in params] == names
    for name in names:
        assert SUITE_SETTINGS[name].help in (getattr(params[name], "help", "") or "")


def test_a_replay_changes_only_what_is_not_the_guests() -> None:
    assert {"pcid", "host_page", "data_side"} <= set(REPLAYABLE)
    assert not {"pti", "kaslr", "mode", "smp", "counters"} & set(REPLAYABLE)
    request = ReplayRequest(run="x", profiles=("zen3",), settings={"smp": 2})
    with pytest.raises(UserError, match="smp: a replay cannot change it"):
        replay(request, Progress(quiet=True))


def test_the_plan_has_the_users_settings() -> None:
    request = RunRequest(settings={"pti": "off", "counters": "none", "pcid": Pcid.FLUSH})
    planned = plan(request)
    assert [(s.pti, s.pcid) for s in planned.suite.settings] == [(Pti.OFF, Pcid.FLUSH)]
    assert planned.choice.counters is Counters.NONE


def spec_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return raw["trials"] if "trials" in raw else [raw["spec"]]


def saved(tmp_path: Any, without: tuple[str, ...]) -> Any:
    """A saved run whose trials lack some fields."""
    spec = made.spec()
    documents: dict[str, Manifest | TrialRecord] = {
        MANIFEST: made.manifest([spec]),
        RECORDS: made.record(spec),
    }
    for name, document in documents.items():
        raw = msgspec.to_builtins(document)
        for one in spec_of(raw):
            for field in without:
                del one[field]
        (tmp_path / name).write_text(json.dumps(raw) + "\n")
    return tmp_path


def test_a_run_from_before_a_setting_has_its_default(tmp_path: Any) -> None:
    loaded = load_run(saved(tmp_path, ("host_page", "data_side", "kaslr")))
    assert loaded.records[0].spec == made.spec()


@pytest.mark.parametrize(
    "name", ["pti", "pcid", "profile", "mode", "smp", "counters", "memory_mib"]
)
def test_a_trial_without_a_setting_that_was_always_kept_is_refused(
    tmp_path: Any, name: str
) -> None:
    with pytest.raises(DataError, match=f"`{name}`"):
        load_run(saved(tmp_path, (name,)))
