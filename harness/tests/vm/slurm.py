# SPDX-License-Identifier: GPL-2.0-only
"""Slurm's own daemons on the loopback, from Debian's packages, in a folder."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import proc

PACKAGES = (
    "slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "libmunge2", "libhwloc15",
    "libnuma1",
)  # fmt: skip
CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=26817
SlurmdPort=26818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=lab Nodes={host} Default=YES State=UP
"""


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A cluster of this machine. ``programs`` are its commands."""

    programs: Path
    environment: Mapping[str, str]

    def run(self, program: str, *words: str, cwd: Path, timeout: float = 60) -> str:
        """The output of a command, which must end well."""
        return proc.run(
            [str(self.programs / program), *words], env=self.environment, cwd=cwd, timeout=timeout
        ).stdout


@contextmanager
def cluster(root: Path, folder: Path) -> Iterator[Slurm]:
    """slurmctld and slurmd of the packages unpacked in ``root``, until the end of the block."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    plugins = libraries / "slurm-wlm"
    for name in ("state", "spool"):
        (folder / name).mkdir()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=os.uname().nodename.partition(".")[0], folder=folder, plugins=plugins,
            cpus=os.cpu_count(),
        )
    )  # fmt: skip
    environment = {
        "SLURM_CONF": str(configuration),
        "LD_LIBRARY_PATH": f"{libraries}:{plugins}",
    }
    stepd = root / "usr/sbin/slurmstepd-wlm"
    daemons = []
    slurm = Slurm(programs=root / "usr/bin", environment=environment)
    try:
        for name, words in (("slurmctld", ()), ("slurmd", ("-d", str(stepd)))):
            daemons.append(
                subprocess.Popen(
                    [str(root / f"usr/sbin/{name}-wlm"), "-D", "-f", str(configuration), *words],
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=(folder / f"{name}.log").open("wb"),
                    stderr=subprocess.STDOUT,
                )
            )
        deadline = time.monotonic() + 60
        while "idle" not in slurm.run("sinfo", cwd=folder):
            assert time.monotonic() < deadline, (folder / "slurmd.log").read_text()
            time.sleep(0.5)
        yield slurm
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()
