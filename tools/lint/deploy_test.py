#!/usr/bin/env python3
"""Shows that deploy.py finds mistakes of each kind in the recipes."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LINT = Path(__file__).resolve().parent
SKIPPED = 77

# part, file, what to replace, by what, what the finding says
CASES = (
    ("settings", "systemd/one-machine.toml", "quota_bytes", "quota_byte", "unknown setting store.quota_byte"),
    ("settings", "systemd/one-machine.toml", "68719476736", '"64 GiB"', "is not an integer"),
    ("settings", "systemd/one-machine.toml", '127.0.0.1:7422"', '127.0.0.1:7423"', "nobody listens on the port"),
    ("settings", "systemd/three-machines.toml", "7421#@coordinator-2@", "7420#@coordinator-2@",
     "nobody listens on the port"),
    ("settings", "systemd/three-machines.toml", "7421#@coordinator-2@", "7421", "lacks the key"),
    ("settings", "slurm/cluster.toml", "[security]", "[security]\nkey = 1", "unknown setting security.key"),
    ("settings", "systemd/promptcache-worker-gpu@.service", "--device", "--gpu", "has no --gpu"),
    ("settings", "slurm/promptcache.sbatch", "promptcache-worker --name", "promptcache-worker --id", "has no --id"),
    ("settings", "kubernetes/base/worker.yaml", "- --device", "- --gpu", "has no --gpu"),
    ("units", "systemd/promptcache-cachestore.service", "StateDirectory=", "StateDir=", "Unknown key 'StateDir'"),
    ("units", "systemd/promptcache-cachestore.service", "ExecStart=", "ExecStop=", "Service has no ExecStart="),
    ("units", "systemd/promptcache-.service.d/hardening.conf", "NoNewPrivileges=yes", "", "more exposed"),
    ("units", "systemd/promptcache-.service.d/hardening.conf", "SystemCallFilter=@system-service", "", "more exposed"),
    ("shell", "keys", "esac", "done", "syntax error"),
    ("shell", "slurm/promptcache.sbatch", '"$1"', "$1", "SC2086"),
    ("container", "Containerfile", "COPY worker worker", "COPPY worker worker", "unexpected"),
    ("container", "Containerfile", "USER 10001:10001", "USER root", "DL3002"),
    ("manifests", "kubernetes/base/worker.yaml", "replicas: 2", "replica: 2", "'replica' was unexpected"),
    ("manifests", "kubernetes/base/worker.yaml", "replicas: 2", "replicas: 3", "pod 2 finds no keys/worker-2.key"),
    ("manifests", "kubernetes/base/worker.yaml", "replicas: 2", "replicas: 2\n  replicas: 2", "duplication of key"),
    ("manifests", "kubernetes/base/worker.yaml", "selector: {app: promptcache-worker}",
     "selector: {app: promptcache-store}", "Service worker: its selector means ['store']"),
    ("manifests", "kubernetes/base/worker.yaml", "secretName: worker-keys", "secretName: worker-key",
     "nobody makes the secret worker-key"),
    ("manifests", "kubernetes/base/worker.yaml", "name: keys, mountPath", "name: kees, mountPath", "no volume kees"),
    ("manifests", "kubernetes/base/worker.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
    ("manifests", "kubernetes/base/worker.yaml", "drop: [ALL]", "drop: [KILL]", "not restricted"),
    ("manifests", "kubernetes/base/cachestore.yaml", "containerPort: 7422", "containerPort: 7423",
     "is not port store of store"),
    ("manifests", "kubernetes/base/cachestore.yaml", "targetPort: store", "targetPort: data", "no port data"),
    ("manifests", "kubernetes/base/worker.yaml", "containerPort: 9430", "containerPort: 9431",
     "is not port metrics of worker"),
    ("manifests", "kubernetes/base/worker.yaml", "path: /readyz", "path: /ready", "does not ask /readyz"),
    ("manifests", "kubernetes/base/cachestore.yaml", "livenessProbe", "lifenessProbe", "was unexpected"),
    ("manifests", "kubernetes/base/cachestore.yaml", 'port: "9422"', 'port: "9420"', "Prometheus is sent to port 9420"),
    ("manifests", "kubernetes/base/coordinator.yaml", "replicas: 2", "replicas: 1", "workers know the coordinators"),
    ("manifests", "kubernetes/base/cluster.toml", "tcp://store:", "tcp://cachestore:", "no Service cachestore"),
    ("manifests", "kubernetes/base/kustomization.yaml", "  - worker.yaml\n", "", "worker.yaml is not among"),
    ("manifests", "kubernetes/cpu/kustomization.yaml", "args/3", "args/2", "would replace --name"),
    ("manifests", "kubernetes/cpu/kustomization.yaml", "gpu\n", "gpus\n", "nothing is at"),
    ("units", "systemd/prompt-cache-watch.service", "SystemCallFilter=@system-service", "", "more exposed"),
    ("shell", "systemd/promptcache-watch", '"$state/$unit"', "$state/$unit", "SC2086"),
    ("monitoring", "monitoring/dashboard.json", "requests_ended_total", "requests_end_total",
     "no process exposes promptcache_requests_end_total"),
    ("monitoring", "monitoring/dashboard.json", 'tier=\\"encoded', 'tear=\\"encoded', "has no label tear"),
    ("monitoring", "monitoring/dashboard.json", "{{why}}", "{{reason}}", "no label reason"),
    ("monitoring", "monitoring/dashboard.json", "sum by (fault)", "sum by (kind)", "no label kind"),
    ("monitoring", "monitoring/dashboard.json", "sum(rate(promptcache_store_puts_total[$__rate_interval]))",
     "sum(promptcache_store_puts_total)", "is a counter: show its rate"),
    ("monitoring", "monitoring/dashboard.json", '"x": 8', '"x": 7', "lies on another one"),
    ("monitoring", "monitoring/dashboard.json", '"panels": [', '"panels": {[', "Expecting property name"),
    ("monitoring", "monitoring/prometheus.yml", "9422", "9423", "nobody scrapes store, on port 9422"),
    ("monitoring", "systemd/promptcache-worker-gpu@.service", ":943%i", ":944%i", "nobody scrapes worker-gpu@0"),
)


class DeployTest(unittest.TestCase):
    def findings(self, part, deploy):
        done = subprocess.run([sys.executable, LINT / "deploy.py", part, deploy], capture_output=True, text=True,
                              check=False)
        if done.returncode == SKIPPED:
            self.skipTest(done.stdout)
        return done.returncode, done.stdout + done.stderr

    def test_finds_each_mistake(self):
        for part, file, good, bad, finding in CASES:
            with self.subTest(part=part, file=file, bad=bad), tempfile.TemporaryDirectory() as folder:
                deploy = Path(folder, "deploy")
                shutil.copytree(LINT.parent / "deploy", deploy)
                text = (deploy / file).read_text()
                self.assertIn(good, text)
                (deploy / file).write_text(text.replace(good, bad))
                code, output = self.findings(part, deploy)
                self.assertEqual(code, 1, output)
                self.assertIn(finding, output)


if __name__ == "__main__":
    unittest.main()
