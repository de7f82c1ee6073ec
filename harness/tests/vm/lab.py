# SPDX-License-Identifier: GPL-2.0-only
"""Machines of a lab, as far as one machine can be several: each has a network, a name, a folder
of its own and an ssh daemon, and shares the CPUs, the program and its cache with the others."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import proc

NETWORK = "10.213.7"
"""Of the test's own: nothing outside has a way to it."""
SSHD = """\
ListenAddress 0.0.0.0
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 100
"""


@dataclass(frozen=True, kw_only=True)
class LabMachine:
    """One of them. ``folder`` is what it sees as the lab's ``work``."""

    name: str
    address: str
    namespace: str
    folder: Path

    def pids(self) -> list[int]:
        """Its processes."""
        return [int(p) for p in proc.run(["ip", "netns", "pids", self.namespace]).stdout.split()]

    def die(self) -> None:
        """As if its power was cut: every process at once."""
        while pids := self.pids():
            for pid in pids:
                proc.run(["kill", "-9", str(pid)], check=False)
            time.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The machines, the folder that each has to itself, and how to log in."""

    machines: tuple[LabMachine, ...]
    work: Path
    ssh: tuple[str, ...]  # the command


@contextmanager
def lab(names: Sequence[str], programs: Path, folder: Path) -> Iterator[Lab]:
    """Machines of these names; ``programs`` has OpenSSH as Debian's packages do. Needs root."""
    bridge = f"emb{os.getpid() % 100000}"
    work = folder / "work"
    work.mkdir(parents=True)
    for key in ("host", "user"):
        proc.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)])
    (folder / "sshd_config").write_text(SSHD.format(folder=folder))
    users = [x for x in Path("/etc/passwd").read_text().splitlines() if not x.startswith("sshd:")]
    users.append("sshd:x:65532:65534::/run/sshd:/usr/sbin/nologin")
    (folder / "passwd").write_text("\n".join(users) + "\n")
    machines = tuple(
        LabMachine(
            name=name, address=f"{NETWORK}.{number}", namespace=f"{bridge}-{number}",
            folder=folder / name,
        )
        for number, name in enumerate(names, 2)
    )  # fmt: skip
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _ip(f"link add {bridge} type bridge")
        _ip(f"addr add {NETWORK}.1/24 dev {bridge}")
        _ip(f"link set {bridge} up")
        for machine in machines:
            daemons.append(_begin(machine, bridge, programs, work, folder))
        ssh = (
            "ssh", "-F", "none", "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-l", "root",
        )  # fmt: skip
        for machine in machines:
            _wait_for(machine, ssh)
        yield Lab(machines=machines, work=work, ssh=ssh)
    finally:
        for machine in machines:
            if Path("/run/netns", machine.namespace).exists():
                machine.die()
                _ip(f"netns del {machine.namespace}")
        for daemon in daemons:
            daemon.wait()
        proc.run(["ip", "link", "del", bridge], check=False)


def _begin(
    machine: LabMachine, bridge: str, programs: Path, work: Path, folder: Path
) -> "subprocess.Popen[bytes]":
    machine.folder.mkdir()
    space = machine.namespace
    _ip(f"netns add {space}")
    _ip(f"link add {space} type veth peer name eth0 netns {space}")
    _ip(f"link set {space} master {bridge} up")
    _ip(f"-n {space} addr add {machine.address}/24 dev eth0")
    for device in ("eth0", "lo"):
        _ip(f"-n {space} link set {device} up")
    script = (
        f"hostname {machine.name} && mount --bind {machine.folder} {work} && "
        f"mount --bind {folder}/passwd /etc/passwd && mkdir -p /run/sshd && "
        f"exec {programs}/usr/sbin/sshd -D -e -f {folder}/sshd_config"
    )
    return subprocess.Popen(
        ["ip", "netns", "exec", space, "unshare", "--mount", "--uts", "sh", "-c", script],
        env={**os.environ, "LD_LIBRARY_PATH": f"{programs}/usr/lib/x86_64-linux-gnu"},
        stdin=subprocess.DEVNULL,
        stdout=(folder / f"{machine.name}.log").open("wb"),
        stderr=subprocess.STDOUT,
    )


def _wait_for(machine: LabMachine, ssh: Sequence[str], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        done = proc.run([*ssh, machine.address, "hostname"], check=False)
        if done.returncode == 0:
            assert done.stdout.strip() == machine.name
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)


def _ip(words: str) -> None:
    proc.run(["ip", *words.split()])
