# SPDX-License-Identifier: GPL-2.0-only
"""The BPF programs that the kernel holds, asked with bpf(2)."""

import ctypes
import os

NR_BPF = 321  # x86_64
PROG_LOAD = 5
PROG_TEST_RUN = 10
PROG_GET_NEXT_ID = 11
PROG_GET_FD_BY_ID = 13
OBJ_GET_INFO_BY_FD = 15
MAX_FUNCS = 256

_libc = ctypes.CDLL(None, use_errno=True)


class ProgInfo(ctypes.Structure):
    """struct bpf_prog_info of include/uapi/linux/bpf.h; the kernel fills what it knows."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_prog_len", ctypes.c_uint32),
        ("xlated_prog_len", ctypes.c_uint32),
        ("jited_prog_insns", ctypes.c_uint64),
        ("xlated_prog_insns", ctypes.c_uint64),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("ifindex", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("netns_dev", ctypes.c_uint64),
        ("netns_ino", ctypes.c_uint64),
        ("nr_jited_ksyms", ctypes.c_uint32),
        ("nr_jited_func_lens", ctypes.c_uint32),
        ("jited_ksyms", ctypes.c_uint64),
        ("jited_func_lens", ctypes.c_uint64),
    ]


def _bpf(command: int, attr: "ctypes.Array[ctypes.c_uint32]", size: int) -> int:
    result: int = _libc.syscall(NR_BPF, command, attr, size)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _words(*values: int) -> "ctypes.Array[ctypes.c_uint32]":
    return (ctypes.c_uint32 * 32)(*values)


def load(program_type: int, instructions: bytes) -> int:
    """Load a program of 8-byte ``instructions``; returns its file descriptor.

    ``program_type`` as in enum bpf_prog_type. Raises OSError when the kernel refuses it.
    """
    text, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
    pointers = [ctypes.addressof(text), ctypes.addressof(licence)]
    low_and_high = [half for p in pointers for half in (p & 0xFFFFFFFF, p >> 32)]
    return _bpf(PROG_LOAD, _words(program_type, len(instructions) // 8, *low_and_high), 48)


def run(program_fd: int) -> int:
    """Run a program once on an empty packet; what it returned. Raises OSError."""
    packet = ctypes.create_string_buffer(64)
    pointer = ctypes.addressof(packet)
    attr = _words(program_fd, 0, len(packet), 0, pointer & 0xFFFFFFFF, pointer >> 32)
    _bpf(PROG_TEST_RUN, attr, 48)
    return int(attr[1])


def programs() -> list[dict[str, object]]:
    """Every loaded program: id, name, tag, type, lengths in bytes, addresses of its text.

    Raises OSError when the kernel has no bpf(2) or refuses it.
    """
    infos: list[dict[str, object]] = []
    current = 0
    while True:
        attr = _words(current)
        try:
            _bpf(PROG_GET_NEXT_ID, attr, 12)
        except FileNotFoundError:
            return infos
        current = attr[1]
        try:
            fd = _bpf(PROG_GET_FD_BY_ID, _words(current), 12)
        except FileNotFoundError:
            continue  # unloaded meanwhile
        try:
            infos.append(_info(fd))
        finally:
            os.close(fd)


def _info(fd: int) -> dict[str, object]:
    ksyms = (ctypes.c_uint64 * MAX_FUNCS)()
    lengths = (ctypes.c_uint32 * MAX_FUNCS)()
    info = ProgInfo(
        nr_jited_ksyms=MAX_FUNCS,
        nr_jited_func_lens=MAX_FUNCS,
        jited_ksyms=ctypes.addressof(ksyms),
        jited_func_lens=ctypes.addressof(lengths),
    )
    attr = _words(fd, ctypes.sizeof(info))
    pointer = ctypes.addressof(info)
    attr[2], attr[3] = pointer & 0xFFFFFFFF, pointer >> 32
    _bpf(OBJ_GET_INFO_BY_FD, attr, 16)
    return {
        "id": info.id,
        "name": info.name.decode(errors="replace"),
        "tag": bytes(info.tag).hex(),
        "type": info.type,
        "jited_len": info.jited_prog_len,
        "xlated_len": info.xlated_prog_len,
        "ksyms": [f"{ksyms[i]:#x}" for i in range(min(info.nr_jited_ksyms, MAX_FUNCS))],
        "func_lens": [lengths[i] for i in range(min(info.nr_jited_func_lens, MAX_FUNCS))],
    }
