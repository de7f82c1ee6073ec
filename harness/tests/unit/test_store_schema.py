# SPDX-License-Identifier: GPL-2.0-only
"""The published schema is the generated one, and records of ours hold to it."""

import json

import jsonschema
import msgspec
import pytest

from harness.errors import DataError
from harness.model.records import SCHEMA_VERSION
from harness.store import schema
from harness.tests.unit import synthetic_runs as made


def test_file_is_generated() -> None:
    text = schema.SCHEMA_FILE.read_text(encoding="utf-8")
    assert text == schema.rendered(), "run `python -m harness.store` after a change of the model"


def test_history_ends_at_the_version() -> None:
    versions = [change.version for change in schema.HISTORY]
    assert versions == sorted(set(versions))
    assert versions[-1] == SCHEMA_VERSION


def test_schema_is_valid_and_accepts_ours() -> None:
    published = schema.published()
    jsonschema.Draft202012Validator.check_schema(published)
    validator = jsonschema.Draft202012Validator(published)
    run = made.run(seeds=(1,), fail=("trig-kprobe-execmem-ption-s1",))
    for document in (run.manifest, *run.records):
        validator.validate(json.loads(msgspec.json.encode(document)))


@pytest.mark.parametrize("field", ["status", "spec", "trial"])
def test_schema_refuses_a_record_without(field: str) -> None:
    document = json.loads(msgspec.json.encode(made.record(made.spec())))
    del document[field]
    validator = jsonschema.Draft202012Validator(schema.published())
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"schema": SCHEMA_VERSION + 1}, f"version {SCHEMA_VERSION + 1}, this reads"),
        ({"schema": "1"}, "'1' is not a schema version"),
        ({"schema": True}, "version True"),
        ({}, "None is not a schema version"),
        ([], "None is not a schema version"),
    ],
)
def test_other_versions_are_refused(raw: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        schema.check_version(raw, "here:3")
    assert caught.value.message.startswith("here:3: schema: ")
    assert said in caught.value.message
    assert caught.value.remedy
