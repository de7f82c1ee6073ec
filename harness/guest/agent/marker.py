# SPDX-License-Identifier: GPL-2.0-only
"""The marker that the QEMU plugin recognises: two long no-ops in a row, each with a tag.

Needs no driver and no privilege, works on any kernel, and does nothing elsewhere.
Registers carry the command and its argument (System V: rdi, rsi, rdx).
"""

import ctypes
import mmap

from .address_spaces import Places

TAG = bytes.fromhex("0f1f8031424d45") + bytes.fromhex("0f1f804b52414d")
RETURN = b"\xc3"

OPEN, CLOSE, WATCH, SNAPSHOT, ARM, ADDRESS_SPACES = 1, 2, 3, 4, 5, 6


class Marker:
    """Executes the marker."""

    def __init__(self) -> None:
        self._page = mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._page.write(TAG + RETURN)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        kind = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
        self._call = kind(address)

    def open(self, window: int) -> None:
        """The measured window number ``window`` begins."""
        self._call(OPEN, window, 0)

    def close(self, window: int) -> None:
        """It ends."""
        self._call(CLOSE, window, 0)

    def watch(self, address: int) -> None:
        """Count executions of the kernel instruction at ``address``."""
        self._call(WATCH, address, 0)

    def snapshot(self, number: int) -> None:
        """Keep the watches' counts and the kernel's page tables as they are now.

        ``number`` is 1 to 255 and names the snapshot in the report; each is taken once.
        """
        self._call(SNAPSHOT, number, 0)

    def arm(self) -> None:
        """From here on every watch is exact, also of code that has run before."""
        self._call(ARM, 0, 0)

    def address_spaces(self, places: Places) -> None:
        """The kernel's record of address spaces is at ``places``; read from the next arming on."""
        words = (ctypes.c_uint64 * 3)(places.context, places.areas, places.switch)
        self._call(ADDRESS_SPACES, ctypes.addressof(words), 0)
