# SPDX-License-Identifier: GPL-2.0-only
"""Names of trials that say all that decides them: equal keys, equal results."""

import math
from collections.abc import Sequence

from harness.analysis.history import inputs
from harness.model.records import Manifest
from harness.model.specs import TrialSpec
from harness.store import provenance

DIGITS = 16
"""Of the hash that ends a key."""
AGAIN = ".again"
"""Ends the key of a trial that is to be computed once more elsewhere, and compared."""


def key_of(manifest: Manifest, trial: TrialSpec) -> str:
    """The trial's id, and the hash of its spec and of its inputs."""
    decides = [trial, inputs(manifest, trial.variant, trial.workload)]
    return f"{trial.id}-{provenance.sha256_value(decides)[:DIGITS]}"


def trials_by_key(manifest: Manifest) -> dict[str, TrialSpec]:
    """Every trial of ``manifest`` by its key, in order."""
    return {key_of(manifest, trial): trial for trial in manifest.trials}


def once_more(keys: Sequence[str], percent: float) -> list[str]:
    """``percent`` of ``keys`` (rounded up), to be computed once more: the same ones each time."""
    chosen = sorted(keys, key=provenance.sha256_value)[: math.ceil(len(keys) * percent / 100)]
    return [f"{key}{AGAIN}" for key in keys if key in chosen]
