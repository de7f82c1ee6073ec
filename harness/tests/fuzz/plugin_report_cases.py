# SPDX-License-Identifier: GPL-2.0-only
"""Damaged reports of the model's plugin."""

import json
import random

from harness.counters import itlb
from harness.errors import DataError, TrialError
from harness.tests.fuzz import small_trials
from harness.tests.fuzz.guest_output_cases import check_readings
from harness.tests.fuzz.mutations import damaged_text, damaged_value
from harness.tests.fuzz.outcome import Outcome, count, one_line

WINDOWS, SNAPSHOTS = 2, 2
"""Of a report, that it is short."""


def reports(seed: int, cases: int) -> Outcome:
    """Short reports, with other values or with damaged text; what is read gives readings."""
    documents = [small_trials.report(name) for name in small_trials.NAMES]
    documents = [
        one | {"windows": one["windows"][:WINDOWS], "snapshots": one["snapshots"][:SNAPSHOTS]}
        for one in documents
    ]
    texts = [json.dumps(one) for one in documents]
    for text in texts:
        itlb.decode(text.encode())

    def case(rng: random.Random) -> bool:
        if rng.random() < 0.8:
            text = json.dumps(damaged_value(rng, rng.choice(documents)))
        else:
            text = damaged_text(rng, rng.choice(texts), texts)
        try:
            report = itlb.decode(text.encode(errors="surrogatepass"))
            for window in report.windows:
                check_readings(tuple(itlb.readings(window, "w", None, "no text is known")[0]))
        except (DataError, TrialError) as error:
            one_line(error)
            return False
        return True

    return count(seed, cases, case)
