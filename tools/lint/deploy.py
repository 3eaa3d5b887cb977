#!/usr/bin/env python3
"""Checks one part of the recipes in tools/deploy.

Usage: deploy.py settings|units|shell|manifests|container|monitoring [DEPLOY]

settings   TOML files: by promptcache itself, their endpoints against each other, flags of programs
units      systemd-analyze: verify, and how exposed each service is
shell      bash -n and shellcheck
manifests  yamllint, Kubernetes' own schemas, names and ports against each other
container  hadolint
monitoring the dashboard and the scrape configuration against cluster/METRICS.md and the TOML files

Prints one line for each finding and exits 1 if there is one; 77 where the program that checks is missing,
with what is missing on the first line. Programs of this project are looked for in $PROMPTCACHE_BIN_DIR,
linters in $PROMPTCACHE_DEPS/lint, where tools/bootstrap --lint puts them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

SKIPPED = 77
PREFIX = "/opt/promptcache/bin"
INSTANCES = {"promptcache-coordinator@": "1", "promptcache-worker-gpu@": "0", "promptcache-worker-cpu@": "0-15"}
MOST_EXPOSED = 20  # tenths, as systemd-analyze security counts
# A program with its flags, in a unit, a script or a list of arguments.
CALL = re.compile(r"(promptcache-[a-z]+)\"?((?:\s+(?:- )?--[a-z-]+(?:[= ]\S+)?)+)")


class Missing(Exception):
    """A program that checks is not here."""


def run(command, **options):
    """Output and errors of a command that fails, by line; nothing when it succeeds."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          **options)
    if done.returncode == 0:
        return []
    return done.stdout.splitlines() or [f"{command[0]}: exit {done.returncode}"]


def need(program, hint):
    found = shutil.which(program)
    if not found:
        raise Missing(f"missing {program}: {hint}")
    return found


def linter(name):
    folder = Path(os.environ.get("PROMPTCACHE_DEPS") or Path.home() / ".cache/promptcache") / "lint/bin"
    return need(str(folder / name), "run tools/bootstrap --lint")


# --- Settings -------------------------------------------------------------------------------------


def port_of(endpoint):
    return re.sub(r"#.*", "", endpoint).rpartition(":")[2]


def endpoint_findings(settings):
    """Whoever connects must name a port that is listened on, and a key where links have keys."""
    coordinator, store, worker = (settings.get(table, {}) for table in ("coordinator", "store", "worker"))
    if not worker:  # of the command line
        return
    default = "tcp://127.0.0.1:{}"
    pairs = [
        ("worker.coordinator_endpoints", endpoint, coordinator.get("worker_endpoint", default.format(7421)))
        for endpoint in worker.get("coordinator_endpoints", [default.format(7421)])
    ] + [
        (f"{name}.store_endpoint", table["store_endpoint"], store.get("endpoint", default.format(7422)))
        for name, table in (("coordinator", coordinator), ("worker", worker))
    ]
    secure = "security" in settings
    for name, endpoint, listened in pairs:
        if port_of(endpoint) != port_of(listened):
            yield f"{name}: nobody listens on the port of {endpoint}"
        if ("#" in endpoint) != secure:
            yield f"{name}: {endpoint} {'lacks the key' if secure else 'has a key, and links have none'}"


def unknown_flags(deploy, programs):
    for path in sorted(p for p in deploy.rglob("*") if p.suffix in (".service", ".sbatch", ".yaml")):
        for program, flags in CALL.findall(path.read_text()):
            told = subprocess.run([programs / program, "--help"], capture_output=True, text=True, check=True)
            for flag in re.findall(r"--[a-z-]+", flags):
                if not re.search(rf"{flag}\b", told.stdout):
                    yield f"{path.relative_to(deploy)}: {program} has no {flag}"


def filled(deploy, template, keys, environment):
    """The template with keys in it; made by tools/deploy/keys, as users do."""
    text = template.read_text().replace("ADDRESS", "127.0.0.1")
    names = set(re.findall(r"#@([a-z0-9-]+)@", text))
    (keys / "template").write_text(text)
    if not names:
        return text
    script = [deploy / "keys"]
    subprocess.run(script + ["make", keys, *names], env=environment, stdout=subprocess.PIPE, check=True)
    return subprocess.run(script + ["fill", keys, keys / "template"], env=environment, stdout=subprocess.PIPE,
                          text=True, check=True).stdout


def settings(deploy):
    files = sorted(deploy.rglob("*.toml"))
    for path in files:
        for finding in endpoint_findings(tomllib.loads(path.read_text())):
            yield f"{path.relative_to(deploy)}: {finding}"
    programs = Path(os.environ.get("PROMPTCACHE_BIN_DIR", "build/release/bin"))
    promptcache, _ = (need(str(programs / name), "build it, or set PROMPTCACHE_BIN_DIR")
                      for name in ("promptcache", "promptcache-worker"))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as keys:
        for path in files:
            complete = Path(keys) / path.name
            complete.write_text(filled(deploy, path, Path(keys), environment))
            for line in run([promptcache, "config", "--check", complete]):
                yield f"{path.relative_to(deploy)}: {line}"
    yield from unknown_flags(deploy, programs)


# --- systemd --------------------------------------------------------------------------------------


def units(deploy):
    if not shutil.which("systemd-analyze"):
        raise Missing("this machine has no systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(deploy / "systemd", folder, dirs_exist_ok=True)
        names = []
        for unit in sorted(Path(folder).glob("*.service")):
            unit.write_text(unit.read_text().replace(PREFIX, folder))
            for program in re.findall(rf"{folder}/(promptcache-[a-z]+)", unit.read_text()):
                stand_in = Path(folder, program)
                stand_in.write_text("#!/bin/sh\n")
                stand_in.chmod(0o755)
            names.append(unit.stem + INSTANCES.get(unit.stem, "") + unit.suffix)
        environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
        done = subprocess.run(["systemd-analyze", "verify", *names], env=environment, capture_output=True, text=True,
                              check=False)
        # It also speaks of units that are not ours.
        yield from (line.replace(folder, "systemd") for line in done.stderr.splitlines()
                    if folder in line or "promptcache" in line)
        for name in names:
            if run(["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", name],
                   env=environment):
                yield f"systemd/{name}: more exposed than {MOST_EXPOSED / 10}; see systemd-analyze security"


# --- Shell and container --------------------------------------------------------------------------


def shell(deploy):
    scripts = [p for p in sorted(deploy.rglob("*")) if p.is_file() and p.read_bytes().startswith(b"#!/bin/bash")]
    for script in scripts:
        yield from run(["bash", "-n", script])
    yield from run([need("shellcheck", "run tools/bootstrap"), "--format=gcc", *scripts])


def container(deploy):
    return run([linter("hadolint"), "--no-color", deploy / "Containerfile"])


def manifests(deploy):
    python = linter("python")
    return run([python, Path(__file__).with_name("deploy_manifests.py"), deploy])


# --- Monitoring -----------------------------------------------------------------------------------

# Of a family in cluster/METRICS.md, which a test compares with what processes expose.
FAMILY = re.compile(r"^\| `(promptcache_\w+)` \| (\w+) \| (?:`(\w+)`)? *\|", re.MULTILINE)
SCRAPED_LABELS = {"job", "instance"}
SERIES = re.compile(r"(promptcache_\w+)(?:\{([^}]*)\})?")


def exposed_series():
    """Every name that a scrape gives, with its labels."""
    series = {}
    document = Path(__file__).parent.parent.parent / "cluster/METRICS.md"
    for name, kind, label in FAMILY.findall(document.read_text()):
        labels = {label} - {""} | SCRAPED_LABELS
        series[name] = (kind, labels)
        if kind == "histogram":
            del series[name]
            series[name + "_bucket"] = ("counter", labels | {"le"})
            series.update({name + suffix: ("counter", labels) for suffix in ("_sum", "_count")})
    return series


def query_findings(query, legend, series):
    known = set(SCRAPED_LABELS)
    for name, selectors in SERIES.findall(query):
        if name not in series:
            yield f"no process exposes {name}"
            continue
        kind, labels = series[name]
        known |= labels
        for label in re.findall(r"(\w+)\s*[=!]", selectors):
            if label not in labels:
                yield f"{name} has no label {label}"
        if kind == "counter" and not re.search(rf"(rate|increase)\({name}\b", query):
            yield f"{name} is a counter: show its rate"
    grouped = re.findall(r"by \(([^)]*)\)", query)
    for label in [word.strip() for group in grouped for word in group.split(",")] + re.findall(r"{{(\w+)}}", legend):
        if label not in known:
            yield f"no label {label} in {query}"


def dashboard_findings(dashboard, series):
    places, ids = set(), set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        if cells & places or panel["id"] in ids or place["x"] + place["w"] > 24:
            yield f"panel {panel['title']}: lies on another one, beyond the edge, or has the id of another one"
        places |= cells
        ids.add(panel["id"])
        for target in panel.get("targets", []):
            for finding in query_findings(target["expr"], target["legendFormat"], series):
                yield f"panel {panel['title']}: {finding}"
    shown = {name for panel in dashboard["panels"] for target in panel.get("targets", [])
             for name, _ in SERIES.findall(target["expr"])}
    if not shown:
        yield "shows nothing"


def scrape_findings(deploy):
    """Each process of one-machine.toml is scraped where it serves; workers from 9430 on, as their units say."""
    scraped = set(re.findall(r'"127\.0\.0\.1:(\d+)"', (deploy / "monitoring/prometheus.yml").read_text()))
    tables = tomllib.loads((deploy / "systemd/one-machine.toml").read_text())
    served = {name: port_of(table["metrics_endpoint"]) for name, table in tables.items() if "metrics_endpoint" in table}
    gpu = (deploy / "systemd/promptcache-worker-gpu@.service").read_text()
    served["worker-gpu@0"] = (re.findall(r"--metrics-endpoint 127\.0\.0\.1:(\d+)%i", gpu) or ["?"])[0] + "0"
    for name, port in served.items():
        if port not in scraped:
            yield f"monitoring/prometheus.yml: nobody scrapes {name}, on port {port}"


def monitoring(deploy):
    try:
        dashboard = json.loads((deploy / "monitoring/dashboard.json").read_text())
    except json.JSONDecodeError as error:
        return [f"monitoring/dashboard.json: {error}"]
    return [f"monitoring/dashboard.json: {finding}" for finding in dashboard_findings(dashboard, exposed_series())] + [
        *scrape_findings(deploy)]


def main(arguments):
    parts = {part.__name__: part for part in (settings, units, shell, manifests, container, monitoring)}
    if not arguments or arguments[0] not in parts or len(arguments) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    deploy = Path(arguments[1] if len(arguments) == 2 else Path(__file__).parent.parent / "deploy").resolve()
    try:
        findings = list(parts[arguments[0]](deploy))
    except Missing as missing:
        print(missing)
        return SKIPPED
    for finding in findings:
        print(finding)
    print(f"deploy, {arguments[0]}: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
