# SPDX-License-Identifier: GPL-2.0-only
"""Modules whose text is executed all the time, by several processes that take turns."""

import re

from agent.workload_api import Context, WorkloadFailed

MODULES = (
    "algif_hash", "algif_skcipher", "ctr", "md4", "md5", "rmd160", "sha512_generic", "sha3_generic",
    "wp512", "xxhash_generic", "aes_generic", "blowfish_generic", "camellia_generic",
    "cast5_generic", "cast6_generic", "serpent_generic", "twofish_generic", "des_generic",
    "chacha_generic",
)  # fmt: skip
PRINTED = re.compile(r"^algorithms (\d+) nanoseconds (\d+)$")


def parse(text: str) -> tuple[int, int]:
    """Algorithms and nanoseconds that ``hot`` printed. Raises WorkloadFailed for anything else."""
    found = PRINTED.match(text.strip())
    if not found or not int(found[1]) or not int(found[2]):
        raise WorkloadFailed(f"hot printed {text[:200]!r}")
    return int(found[1]), int(found[2])


class Workload:
    def setup(self, ctx: Context) -> None:
        if not 1 <= ctx.params["processes"] <= 256 or ctx.params["rounds"] < 1:
            raise WorkloadFailed("processes is 1 to 256, rounds 1 or more")
        for name in MODULES:
            ctx.run(["modprobe", name])

    def warm(self, ctx: Context) -> None:
        """One round of each process."""
        parse(ctx.run(self._argv(ctx, 1)))

    def measure(self, ctx: Context) -> None:
        self._text = ctx.run_measured(self._argv(ctx, ctx.params["rounds"]))

    def teardown(self, ctx: Context) -> None:
        algorithms, nanoseconds = parse(self._text)
        done = algorithms * ctx.params["processes"] * ctx.params["rounds"]
        ctx.emit("hot.algorithms", algorithms, "algorithm")
        ctx.emit("hot.rate", round(done * 1e9 / nanoseconds), "operation/s")

    def _argv(self, ctx: Context, rounds: int) -> list[str]:
        return ["hot", str(ctx.params["processes"]), str(rounds), str(ctx.seed)]
