# SPDX-License-Identifier: GPL-2.0-only
"""Damaged results, as a disk, an editor or somebody else may give them."""

import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from harness.analysis import compare
from harness.errors import BenchError
from harness.model.records import Manifest, TrialRecord
from harness.report import consoles, exports, markdown, terminal
from harness.report.page import render
from harness.store.loading import MANIFEST, RECORDS, decode, load_run
from harness.tests.fuzz.mutations import damaged_text, damaged_value
from harness.tests.fuzz.outcome import Outcome, count, one_line
from harness.tests.unit import synthetic_runs as made

READINGS = 6
"""Of a record, that it is short."""
MARK = "<script>alert('&')</script>"
"""What must not come through to a page."""


def documents(seed: int, cases: int) -> Outcome:
    """Manifests and lines of records, each by itself."""
    run = made.run(seeds=(1,), pti=("on",), fail=("trig-kprobe-execmem-ption-s1",))
    given: list[tuple[Callable[[bytes], object], Any]] = [
        (_manifest, msgspec.to_builtins(run.manifest)),
        *((_record, _short(msgspec.to_builtins(one))) for one in run.records[1:]),
    ]
    texts = [json.dumps(document) for _, document in given]

    def case(rng: random.Random) -> bool:
        place = rng.randrange(len(given))
        read, document = given[place]
        if rng.random() < 0.7:
            text = json.dumps(damaged_value(rng, document))
        else:
            text = damaged_text(rng, texts[place], texts)
        try:
            read(text.encode(errors="surrogatepass"))
        except BenchError as error:
            one_line(error)
            return False
        return True

    return count(seed, cases, case)


def whole_runs(folder: Path) -> Callable[[int, int], Outcome]:
    """Runs in ``folder`` of which a file is damaged, read, compared, and put out in each form."""
    run = made.run(seeds=(1, 2), pti=("on",), fail=("trig-kprobe-execmem-ption-s1",))
    manifest = msgspec.to_builtins(run.manifest)
    records = [msgspec.to_builtins(one) for one in run.records]

    def case(rng: random.Random) -> bool:
        place = rng.randrange(len(records) + 1)
        lines = [json.dumps(one) for one in (manifest, *records)]
        lines[place] = json.dumps(_marked(rng, (manifest, *records)[place]))
        if rng.random() < 0.3:
            lines[place] = damaged_text(rng, lines[place], lines)
        head, *rest = (line.encode(errors="surrogatepass") for line in lines)
        (folder / MANIFEST).write_bytes(head)
        (folder / RECORDS).write_bytes(b"".join(line + b"\n" for line in rest))
        try:
            put_out(folder)
        except BenchError as error:
            one_line(error)
            return False
        return True

    return lambda seed, cases: count(seed, cases, case)


def put_out(folder: Path) -> None:
    """Everything that is made of the run in ``folder``; its marks are words on the page."""
    run = load_run(folder)
    comparison = compare([run])
    out = io.StringIO()
    terminal.render(comparison, consoles.only_printable(Console(file=out, width=100)), full=True)
    assert "\x1b" not in out.getvalue()
    markdown.render(comparison)
    page = render(comparison, dict(run.manifest.questions))
    assert MARK not in page
    for form in exports.FORMATS:
        exports.export(run, form)


def _manifest(data: bytes) -> Manifest:
    return decode(data, Manifest, "manifest.json")


def _record(data: bytes) -> TrialRecord:
    return decode(data, TrialRecord, "records.jsonl:1")


def _short(record: Any) -> Any:
    return record | {"readings": record["readings"][:READINGS]}


def _marked(rng: random.Random, document: Any) -> Any:
    """``document`` damaged, or with a text that is markup."""
    if rng.random() < 0.5:
        return damaged_value(rng, document)
    copy = json.loads(json.dumps(document))
    texts = list(_texts(copy))
    if texts:
        holder, key = rng.choice(texts)
        holder[key] = MARK
    return copy


def _texts(value: Any) -> Sequence[tuple[Any, Any]]:
    """Where the texts in ``value`` are: their holder, and their key in it."""
    if not isinstance(value, dict | list):
        return []
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys if isinstance(value[key], str)]
    return [*found, *(one for key in keys for one in _texts(value[key]))]
