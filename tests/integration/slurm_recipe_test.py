#!/usr/bin/env python3
"""Runs the Slurm recipe as it is, with a stand-in for srun, on this machine: it serves, brings a dead worker
back and ends cleanly when the job's time is over."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PROMPTCACHE_BIN_DIR", SOURCE / "build/release/bin"))
DEPS = Path(os.environ.get("PROMPTCACHE_DEPS") or Path.home() / ".cache/promptcache")
MODEL = DEPS / "models/smollm2-135m-instruct-q4_1.gguf"
EXAMPLES = SOURCE / "schemas/pml/examples"
PATIENCE_S = 120

# Tasks in process groups of their own, to which signals go on, as Slurm does it.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
set -m
for ((task = 0; task < SLURM_NTASKS; ++task)); do
  SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
  tasks+=($!)
done
trap 'for task in "${tasks[@]}"; do kill -TERM -- "-$task"; done' TERM
for task in "${tasks[@]}"; do
  while kill -0 "$task" 2>/dev/null; do wait "$task"; done
done
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class SlurmRecipe(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site = Path(folder.name)
        shutil.copy(SOURCE / "tools/deploy/keys", self.site)
        recipe = shutil.copytree(SOURCE / "tools/deploy/slurm", self.site / "slurm")
        config = (recipe / "cluster.toml").read_text().replace(
            "/opt/promptcache/deps/models/smollm2-135m-instruct-q4_1.gguf", str(MODEL))
        for old, new in zip(("7420", "7421", "7422"), free_ports(3)):
            config = config.replace(f":{old}", f":{new}")
        (recipe / "cluster.toml").write_text(config)
        srun = self.site / "srun"
        srun.write_text(SRUN)
        srun.chmod(0o755)
        self.job_folder = recipe / "promptcache-7"
        self.job_log = self.site / "job.log"
        environment = {
            **os.environ, "PATH": f"{self.site}:{os.environ['PATH']}", "PROMPTCACHE_ADDRESS": "127.0.0.1",
            "PROMPTCACHE_PREFIX": str(PROGRAMS.parent), "SLURM_SUBMIT_DIR": str(recipe), "SLURM_JOB_ID": "7",
            "SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "1"}
        with self.job_log.open("w") as log:
            self.job = subprocess.Popen(["bash", recipe / "promptcache.sbatch"], cwd=recipe, env=environment,
                                        stdout=log, start_new_session=True)
        self.addCleanup(self.end)

    def end(self):
        if self.job.poll() is None:
            self.job.send_signal(signal.SIGTERM)
        return self.job.wait(PATIENCE_S)

    def promptcache(self, *words):
        return subprocess.run([PROGRAMS / "promptcache", "--config", "cluster.toml", *words], cwd=self.job_folder,
                              capture_output=True, text=True, check=False)

    def live_workers(self, but=None):
        """Waits for both workers, none of them the process `but`; their process ids by name."""
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up and self.job.poll() is None:
            if not (self.job_folder / "cluster.toml").exists():
                continue
            done = self.promptcache("status", "--json")
            workers = json.loads(done.stdout)["workers"] if done.returncode == 0 else []
            live = {w["name"]: w["pid"] for w in workers if w["live"]}
            if len(live) == 2 and but not in live.values():
                return live
        logs = "\n".join(log.read_text()[-1000:] for log in self.job_folder.glob("*.log"))
        return self.fail(f"the workers do not come: {logs}")

    def test_serves_until_its_time_is_over(self):
        workers = self.live_workers()
        answer = self.promptcache("submit", "--schema", EXAMPLES / "support-desk.xml", "--prompt",
                                  EXAMPLES / "prompts/support-desk-refund.xml", "--max-new-tokens", "4", "--quiet")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        os.kill(workers["worker-0"], signal.SIGKILL)
        workers = self.live_workers(but=workers["worker-0"])
        self.assertEqual(self.end(), 0)
        for worker in workers:
            self.assertIn(f"'{worker}' takes no new requests", self.job_log.read_text())
        for pid in workers.values():
            self.assertFalse(Path(f"/proc/{pid}").exists())
        for service in ("store", "coordinator", "worker-1"):
            log = (self.job_folder / f"{service}.log").read_text()
            self.assertNotIn("Terminated", log)  # what bash says of a service that did not end by itself
        self.assertEqual((self.job_folder / "keys/store.key").stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    if not MODEL.exists():
        print(f"missing {MODEL}: run tools/bootstrap")
        sys.exit(77)
    unittest.main()
