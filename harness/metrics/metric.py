# SPDX-License-Identifier: GPL-2.0-only
"""A metric: what a reading's name stands for, and how it is read."""

from dataclasses import dataclass

from harness.metrics.readers import Reader
from harness.model.reading import Source
from harness.model.reading_spec import ReadingSpec


@dataclass(frozen=True, kw_only=True)
class Metric(ReadingSpec):
    """One reading name of the program's own. With several readers there is a reading of each
    source, and they are never compared with each other."""

    readers: tuple[Reader, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Sources of its readings."""
        return tuple(dict.fromkeys(reader.source for reader in self.readers))
