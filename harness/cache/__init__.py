# SPDX-License-Identifier: GPL-2.0-only
"""The cache: everything that is built or downloaded is kept here, in one way.

An entry is a folder ``<kind>/<key>``. It is made beside its place, under the lock of its key,
and renamed to it, with a ``build.json`` that lists the hash of every file. An entry that does
not agree with its list (cut short, edited, of an older format) is removed and made again.
Whoever takes an entry holds it until the process ends, and nothing removes it meanwhile.

Names in the folder of a kind: ``<key>``, ``<key>.lock`` (empty, stays), and, only while the
lock is held, ``.<key>.<suffix>``: what is being made or removed.
"""

from harness.cache.cache_places import (
    CCACHE,
    PARTIAL,
    WORK_TREES,
    Kind,
    lock_file,
    scratch,
    write_whole,
)
from harness.cache.disk_room import REMEDIES, REMEDY_ROOM, require_room, size
from harness.cache.entry import Entry, enrol, get_or_make, take
from harness.cache.entry_record import RECORD, Facts, Record, last_used, load, read_record
from harness.cache.hashes import content_sha256, sha256_bytes, sha256_file
from harness.cache.locks import Say, held, ignore, lock, locked, release
from harness.cache.removal import remove

__all__ = [
    "CCACHE",
    "PARTIAL",
    "RECORD",
    "REMEDIES",
    "REMEDY_ROOM",
    "WORK_TREES",
    "Entry",
    "Facts",
    "Kind",
    "Record",
    "Say",
    "content_sha256",
    "enrol",
    "get_or_make",
    "held",
    "ignore",
    "last_used",
    "load",
    "lock",
    "lock_file",
    "locked",
    "read_record",
    "release",
    "remove",
    "require_room",
    "scratch",
    "sha256_bytes",
    "sha256_file",
    "size",
    "take",
    "write_whole",
]
