# SPDX-License-Identifier: GPL-2.0-only
"""A run that was written can always be loaded, whatever its records hold."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError
from harness.model.reading import Reading, Source
from harness.model.records import Failure, Site, TrialRecord, TrialStatus
from harness.pipeline.keeping import keep_record
from harness.store import create_run, load_run
from harness.store.run_folder import readable
from harness.tests.unit import synthetic_runs as made

TEXT = st.text(st.characters(), max_size=4)  # with halves of surrogate pairs
NUMBER = st.integers() | st.integers(2**63 - 2, 2**64 + 2) | st.floats()
READING = st.builds(
    Reading,
    name=TEXT,
    value=NUMBER,
    unit=TEXT,
    source=st.sampled_from(Source),
    labels=st.dictionaries(TEXT, TEXT, max_size=2),
    reason=TEXT,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "readings": st.lists(READING, max_size=3).map(tuple),
        "windows": st.dictionaries(TEXT, TEXT, max_size=2),
        "sites": st.lists(
            st.builds(
                Site, name=TEXT, origin=TEXT, stlb_hits=st.integers(), walks_4k=st.integers(),
                walks_2m_4m=st.integers(), walks_1g=st.integers(),
            ),
            max_size=1,
        ).map(tuple),
        "failure": st.builds(Failure, kind=TEXT, message=TEXT),
        "notes": st.lists(TEXT, max_size=2).map(tuple),
        "verdicts": st.dictionaries(TEXT, TEXT, max_size=2),
        "started": TEXT,
        # The host's own clock: a refused record keeps it.
        "wall_seconds": st.floats(allow_nan=False, allow_infinity=False),
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=3))
def test_what_was_appended_loads_as_it_was(changes: list[dict[str, Any]]) -> None:
    given_run = made.run(seeds=(1,), pti=("on",))
    with (
        tempfile.TemporaryDirectory() as folder,
        create_run(given_run.manifest, Path(folder)) as run,
    ):
        kept: list[TrialRecord] = []
        for record, change in zip(given_run.records, changes, strict=False):
            asked = replace(record, **{"readings": (), **change})
            started = asked.started.encode(errors="ignore").decode()
            kept.append(keep_record(run, replace(asked, started=started)))
        assert load_run(run.path).records == tuple(kept)
    for one in kept:
        assert one.status is TrialStatus.OK or one.failure is not None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_a_manifest_that_could_not_be_read_back_is_never_written(
    tmp_path: Path, value: Any
) -> None:
    manifest = made.manifest([made.spec(params={"x": value})])
    with pytest.raises(DataError, match=r"manifest of .*could not be read back"):
        create_run(manifest, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_would_change_is_named() -> None:
    record = replace(made.record(made.spec()), notes=["a list"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="record: notes: it would be read back changed"):
        readable(record, "record")
