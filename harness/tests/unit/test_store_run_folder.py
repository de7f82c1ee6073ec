# SPDX-License-Identifier: GPL-2.0-only
"""Writing runs: nothing measured is lost, whatever happens."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DataError, PrerequisiteError, UserError
from harness.model.reading import Reading, Source
from harness.store import create_run, done_trials, load_run, remaining, resume_run
from harness.store.run_folder import folder_errors, write_atomically
from harness.tests.unit import synthetic_runs as made


def test_round_trip(tmp_path: Path) -> None:
    given = made.run(seeds=(1, 2), fail=("trig-kprobe-execmem-ption-s1",))
    with create_run(given.manifest, tmp_path / "deep" / "results") as run:
        for record in given.records:
            run.append(record)
        assert run.path == tmp_path / "deep" / "results" / given.manifest.run
    loaded = load_run(run.path)
    assert loaded == given
    assert load_run(run.path / "records.jsonl") == given


def test_manifest_is_there_before_the_first_record(tmp_path: Path) -> None:
    given = made.run(seeds=(1,))
    with create_run(given.manifest, tmp_path) as run:
        loaded = load_run(run.path)
    assert loaded.manifest == given.manifest
    assert loaded.records == ()
    assert "6 of 6 trials have no record" in loaded.problems[0]


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    """Two runs of the same trials, started in the same second, have a folder each."""
    given = made.run(seeds=(1,))
    runs = [create_run(given.manifest, tmp_path) for _ in range(3)]
    names = [given.manifest.run, f"{given.manifest.run}-2", f"{given.manifest.run}-3"]
    assert [run.path.name for run in runs] == names
    assert [load_run(run.path).manifest.run for run in runs] == names


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    given = made.run(seeds=(1,))
    with (
        create_run(given.manifest, tmp_path) as run,
        pytest.raises(UserError, match="another process"),
    ):
        resume_run(run.path)


@pytest.mark.parametrize("written", [0, 1, 500])
def test_full_disk_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    given = made.run(seeds=(1,))
    real = os.write
    with create_run(given.manifest, tmp_path) as run:
        run.append(given.records[0])

        def full(fd: int, data: bytes) -> int:
            if written and len(data) > written:
                calls.append(written)
                if len(calls) == 1:
                    return real(fd, data[:written])
            raise OSError(errno.ENOSPC, "No space left on device")

        calls: list[int] = []
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(PrerequisiteError) as caught:
            run.append(given.records[1])
        monkeypatch.setattr(os, "write", real)
        message = str(caught.value)
        assert str(run.path) in message
        assert "the disk is full" in message
        assert "1 of 6 trials are kept" in message
        assert "\n" not in message
        assert load_run(run.path).records == given.records[:1]
        run.append(given.records[1])  # space was freed
    loaded = load_run(run.path)
    assert loaded.records == given.records[:2]
    assert not any("torn" in problem for problem in loaded.problems)


def test_interrupt_in_the_middle_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = made.run(seeds=(1,))
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        real(fd, data[:100])
        raise KeyboardInterrupt

    with create_run(given.manifest, tmp_path) as run:
        run.append(given.records[0])
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.append(given.records[1])
        monkeypatch.setattr(os, "write", real)
        run.append(given.records[2])
    loaded = load_run(run.path)
    assert loaded.records == (given.records[0], given.records[2])


def test_interrupt_after_the_whole_line_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = made.run(seeds=(1,))

    def interrupted(fd: int) -> None:
        raise KeyboardInterrupt

    with create_run(given.manifest, tmp_path) as run:
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.append(given.records[0])
    assert load_run(run.path).records == given.records[:1]


def test_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PrerequisiteError, match="the disk is full"):
        create_run(made.run(seeds=(1,)).manifest, tmp_path)


@pytest.mark.parametrize(
    ("number", "error", "said"),
    [
        (errno.ENOSPC, PrerequisiteError, "the disk is full"),
        (errno.EDQUOT, PrerequisiteError, "quota"),
        (errno.EROFS, PrerequisiteError, "read-only"),
        (errno.EACCES, UserError, "cannot be written"),
    ],
)
def test_folder_errors(number: int, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said), folder_errors(Path("results")):
        raise OSError(number, os.strerror(number))


def test_results_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text("")
    with pytest.raises(UserError, match="not a folder"):
        create_run(made.run(seeds=(1,)).manifest, file)


def test_write_atomically_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "manifest.json"
    write_atomically(path, b"old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    given = made.run(seeds=(1,))
    odd = Reading(name="itlb.walks", value=value, unit="event", source=Source.MODEL)
    with create_run(given.manifest, tmp_path) as run:
        with pytest.raises(DataError, match=r"readings\[0\].value: itlb.walks is (nan|inf)"):
            run.append(replace(given.records[0], readings=(odd,)))
        run.append(given.records[0])
    assert load_run(run.path).records == given.records[:1]


def test_records_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    given = made.run(seeds=(1,))
    record = given.records[0]
    with create_run(given.manifest, tmp_path) as run:
        with pytest.raises(DataError, match="not a trial of run"):
            run.append(made.record(made.spec(seed=9)))
        with pytest.raises(DataError, match="not a trial of run"):
            run.append(replace(record, spec=replace(record.spec, profile="zen3")))
        with pytest.raises(DataError, match="twice"):
            run.append(replace(record, readings=(record.readings[0],) * 2))
        with pytest.raises(DataError, match="schema"):
            run.append(replace(record, schema=99))
    assert load_run(run.path).records == ()


def test_resume_after_a_crash(tmp_path: Path) -> None:
    given = made.run(seeds=(1,), fail=("trig-kprobe-execmem-ption-s1",))
    with create_run(given.manifest, tmp_path) as run:
        for record in given.records[:4]:
            run.append(record)
    path = run.path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-50])
    again, records, problems = resume_run(run.path)
    with again:
        assert records == given.records[:3]
        assert "records.jsonl:4: the last line is torn" in problems[0]
        left = remaining(again.manifest, records)
        failed = [r.trial for r in records if r.trial not in done_trials(records)]
        assert failed == ["trig-kprobe-execmem-ption-s1"]
        assert [t.id for t in left] == failed + [r.trial for r in given.records[3:]]
        for spec in left:
            again.append(made.record(spec))
    loaded = load_run(run.path)
    assert loaded.problems == ()
    assert remaining(loaded.manifest, loaded.records) == ()
    assert len(path.read_text().splitlines()) == 7  # the failed one is still there


def test_resume_ends_a_whole_line_without_its_line_break(tmp_path: Path) -> None:
    given = made.run(seeds=(1,))
    with create_run(given.manifest, tmp_path) as run:
        run.append(given.records[0])
    path = run.path / "records.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert load_run(run.path).records == given.records[:1]
    again, _, _ = resume_run(run.path)
    with again:
        again.append(given.records[1])
    assert load_run(run.path).records == given.records[:2]


def test_every_cut_keeps_the_records_before_it(tmp_path: Path) -> None:
    given = made.run(seeds=(1,), pti=("on",))
    short = [replace(r, readings=r.readings[:2]) for r in given.records]
    with create_run(given.manifest, tmp_path) as run:
        for record in short:
            run.append(record)
    path = run.path / "records.jsonl"
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        loaded = load_run(run.path)
        whole = data[:cut].count(b"\n")
        assert len(loaded.records) - whole in (0, 1)
        if len(loaded.records) == whole + 1:  # whole but for the line break
            json.loads(data[:cut].splitlines()[-1])
        assert list(loaded.records) == short[: len(loaded.records)]
