# SPDX-License-Identifier: GPL-2.0-only
"""The model's test driver: compiled, run on a trace; and random traces for it."""

import random
from collections.abc import Iterator
from pathlib import Path

from harness import proc
from harness.itlb import plugin
from harness.itlb.reference import Model, answers, load_profile
from harness.tests.unit.compiled_once import compiled

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
LIBRARY = ("tlb.c", "hierarchy.c", "profile.c")
PROFILES = [plugin.profile_path(name) for name in plugin.profiles()]

TAGS = 16
"""Tags below this are those that writes of CR3 select."""

Counts = dict[str, int]


def compile_driver(folder: Path, *flags: str) -> Path:
    """The driver as a program below ``folder``."""
    files = [str(plugin.HERE / "driver.c"), *(str(plugin.SOURCES / name) for name in LIBRARY)]
    words = ["gcc", *plugin.CFLAGS, *flags, f"-I{plugin.SOURCES}", *files]
    return compiled(folder, lambda out: [*words, "-o", str(out)])


def run_driver(driver: Path, profile: Path, trace: str) -> tuple[str, Counts, Counts]:
    """The C model's answers, its counts of fetches, and those of loads and stores."""
    done = proc.run([str(driver), str(profile)], input=trace)
    letters, *counts = done.stdout.splitlines()
    code, data = (
        dict(zip(words[::2], map(int, words[1::2]), strict=True))
        for words in (line.split() for line in counts)
    )
    return letters, code, data


def run_reference(profile: Path, trace: str) -> str:
    """The reference model's answers."""
    return answers(Model(load_profile(profile)), iter(trace.splitlines()))


def has_data(profile: Path) -> bool:
    """Whether the profile's data side shares the second level."""
    return bool(load_profile(profile)["second_level"] == "shared")


def random_trace(seed: int, accesses: int, *, data: bool = False, selects: bool = True) -> str:
    """A trace with locality, all page sizes, tags, global pages, and flushes of every kind.

    Addresses are drawn from a working set that drifts; it is larger than the first level and,
    in some stretches, than the second. In every other trace page sizes and global bits also
    change under the model without a flush, which page tables may do. With ``selects`` most
    changes of the tag are writes of CR3.
    """
    rng = random.Random(seed)
    return "".join(_operations(rng, accesses, data, selects, unstable=seed % 2 == 1))


def _operations(
    rng: random.Random, accesses: int, data: bool, selects: bool, *, unstable: bool
) -> Iterator[str]:
    tags = (0, 1, 2, 11, 15, 16, 300)
    pages: list[str] = []
    kinds = "fffds" if data else "f"
    for n in range(accesses):
        if n % 2000 == 0:  # another stretch: another working set, tag and rate of flushes
            spread = rng.choice((4, 40, 700))
            size = rng.choice((12, 80, 200, 450, 2500))
            pages = [_page(rng, spread) for _ in range(size)]
            tag = rng.choice(tags)
            flushes = rng.choice((0, 0, 0.02))
            ahead = rng.randrange(size)
        if rng.random() < flushes:
            yield rng.choice(
                ("n\n", f"t {rng.choice(tags):x}\n", f"t {tag:x}\n")
                + ("a\n",) * (rng.random() < 0.2)
                + (f"p {rng.choice(pages).split()[0]} {tag:x}\n",) * 4
            )
        if rng.random() < 0.01:
            tag = rng.choice(tags)
            if selects and tag < TAGS and rng.random() < 0.7:
                yield f"c {tag:x}\n"
        near = rng.random() < 0.7  # some are walked through in order, some come at random
        ahead = (ahead + 1) % len(pages)
        page = pages[ahead if near else rng.randrange(len(pages))]
        if unstable and rng.random() < 0.01:
            page = (
                f"{page.split()[0]} {rng.choice(('4k', '4k', '16k', '2m', '-'))} {rng.randrange(2)}"
            )
        address, attributes = page.split(" ", 1)
        yield f"{rng.choice(kinds)} {address} {tag:x} {attributes}\n"


def _page(rng: random.Random, spread: int) -> str:
    """A page; size and global bit follow from the address, as in page tables at rest."""
    high = rng.random() < 0.4
    big = rng.randrange(spread)
    small = rng.randrange(512) if rng.random() < 0.8 else rng.choice((0, 1, 16, 128, 256))
    size = ("4k", "2m", "4k", "16k", "4k", "1g" if small < 40 else "4k", "4k", "-")[big % 8]
    apart = 1 << 40 | big << 30 if size == "1g" else big << 21  # it would cover all the others
    address = (0xFFFF << 48 if high else 0) | apart | small << 12
    return f"{address:x} {size} {int(high and big % 3 > 0)}"
