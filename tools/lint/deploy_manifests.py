#!/usr/bin/env python3
"""Checks tools/deploy/kubernetes: yamllint, Kubernetes' schemas, and what its files say of each other.

Usage: deploy_manifests.py DEPLOY, with the Python of $PROMPTCACHE_DEPS/lint

Prints one line for each finding and exits 1 if there is one.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml
from kubernetes_validate.utils import all_versions

YAMLLINT = "{extends: default, rules: {document-start: disable, line-length: {max: 110}}}"
RESTRICTED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


class Base:
    """What kubernetes/base holds."""

    def __init__(self, folder):
        self.folder = folder
        self.kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        self.settings = tomllib.loads((folder / "cluster.toml").read_text())
        self.objects = [o for name in self.kustomization["resources"]
                        for o in yaml.safe_load_all((folder / name).read_text())]
        self.generated = {
            kind: {g["name"]: [file.rpartition("=")[2] for file in g["files"]]
                   for g in self.kustomization[f"{kind}Generator"]}
            for kind in ("configMap", "secret")}

    def of_kind(self, kind):
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}


def schema_findings(base):
    for version in (all_versions()[0], all_versions()[-1]):
        for o in base.objects:
            try:
                kubernetes_validate.validate(o, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                yield f"{o['kind']} {o['metadata']['name']}, Kubernetes {version}: {error.message}"


def labels_of(workload):
    return workload["spec"]["template"]["metadata"]["labels"].items()


def container_ports(workload):
    return {p["name"]: p["containerPort"] for c in workload["spec"]["template"]["spec"]["containers"]
            for p in c.get("ports", [])}


def selector_findings(base):
    """Every selector means exactly the workload of its name; every port is one of that workload's."""
    workloads = base.of_kind("StatefulSet")
    selectors = [(kind, name, o["spec"]["selector"].get("matchLabels", o["spec"]["selector"]))
                 for kind in ("Service", "PodDisruptionBudget", "StatefulSet")
                 for name, o in base.of_kind(kind).items()]
    for kind, name, selector in selectors:
        meant = [w for w, o in workloads.items() if selector.items() <= labels_of(o)]
        if meant != [name]:
            yield f"{kind} {name}: its selector means {meant}"
    services = base.of_kind("Service")
    for name, workload in workloads.items():
        if workload["spec"]["serviceName"] not in services:
            yield f"StatefulSet {name}: no Service {workload['spec']['serviceName']}"
        for port in services.get(name, {"spec": {}})["spec"].get("ports", []):
            if container_ports(workload).get(port["targetPort"]) != port["port"]:
                yield f"Service {name}: the pods have no port {port['targetPort']} of number {port['port']}"


def volume_findings(base):
    for name, workload in base.of_kind("StatefulSet").items():
        pod, replicas = workload["spec"]["template"]["spec"], workload["spec"]["replicas"]
        volumes = {v["name"]: v for v in pod["volumes"]}
        known = set(volumes) | {c["metadata"]["name"] for c in workload["spec"].get("volumeClaimTemplates", [])}
        for container in pod["initContainers"] + pod["containers"]:
            for mount in container["volumeMounts"]:
                if mount["name"] not in known:
                    yield f"StatefulSet {name}: no volume {mount['name']}"
        for volume in volumes.values():
            for kind, field in (("configMap", "name"), ("secret", "secretName")):
                if kind in volume and volume[kind][field] not in base.generated[kind]:
                    yield f"StatefulSet {name}: nobody makes the {kind} {volume[kind][field]}"
        secret = base.generated["secret"].get(volumes["secret"]["secret"]["secretName"], [])
        for source in (word for word in pod["initContainers"][0]["command"] if word.startswith("/secret/")):
            for i in range(replicas):
                key = "keys/" + source.removeprefix("/secret/").replace("$(POD)", f"{name}-{i}")
                if key not in secret:
                    yield f"StatefulSet {name}: pod {i} finds no {key} in its secret"


def endpoint_findings(base):
    """The addresses of cluster.toml are those of services and pods."""
    settings, workloads = base.settings, base.of_kind("StatefulSet")
    for workload, port, endpoint in (
            ("store", "store", settings["store"]["endpoint"]),
            ("coordinator", "client", settings["coordinator"]["client_endpoint"]),
            ("coordinator", "worker", settings["coordinator"]["worker_endpoint"]),
            *((table, "metrics", settings[table]["metrics_endpoint"]) for table in workloads)):
        if not endpoint.endswith(f":{container_ports(workloads[workload]).get(port)}"):
            yield f"cluster.toml: {endpoint} is not port {port} of {workload}"
    named = [e.removeprefix("tcp://").partition(":")[0] for e in settings["worker"]["coordinator_endpoints"]]
    spec = workloads["coordinator"]["spec"]
    pods = [f"coordinator-{i}.{spec['serviceName']}" for i in range(spec["replicas"])]
    if named != pods:
        yield f"cluster.toml: workers know the coordinators {named}, and there are {pods}"
    for table in ("coordinator", "worker"):
        host = settings[table]["store_endpoint"].removeprefix("tcp://").partition(":")[0]
        if host not in base.of_kind("Service"):
            yield f"cluster.toml: {table}.store_endpoint: no Service {host}"


def hardening_findings(base):
    for name, workload in base.of_kind("StatefulSet").items():
        pod = workload["spec"]["template"]["spec"]
        if not pod["securityContext"].get("runAsNonRoot"):
            yield f"StatefulSet {name}: may run as root"
        for container in pod["initContainers"] + pod["containers"]:
            if container.get("securityContext") != RESTRICTED:
                yield f"StatefulSet {name}, {container['name']}: not restricted"
            if not {"requests", "limits"} <= container.get("resources", {}).keys():
                yield f"StatefulSet {name}, {container['name']}: no requests or no limits"
        for container in pod["containers"]:
            for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                asked = container.get(probe, {}).get("httpGet", {})
                if asked != {"path": path, "port": "metrics"}:
                    yield f"StatefulSet {name}, {container['name']}: its {probe} does not ask {path} of port metrics"
        scraped = workload["spec"]["template"]["metadata"].get("annotations", {}).get("prometheus.io/port")
        if scraped != str(container_ports(workload).get("metrics")):
            yield f"StatefulSet {name}: Prometheus is sent to port {scraped}"


def at(value, pointer):
    for step in pointer.strip("/").split("/"):
        step = step.replace("~1", "/")
        value = value[int(step) if isinstance(value, list) else step]
    return value


def overlay_findings(base):
    """What the overlay changes is there, and stays what it is: a flag the same flag."""
    overlay = yaml.safe_load((base.folder / "../cpu/kustomization.yaml").read_text())
    for patch in overlay["patches"]:
        target = base.of_kind(patch["target"]["kind"]).get(patch["target"]["name"])
        for change in yaml.safe_load(patch["patch"]):
            try:
                old = at(target, change["path"])
            except (KeyError, IndexError, TypeError):
                yield f"cpu: nothing is at {change['path']}"
                continue
            if change["op"] == "replace" and old.partition("=")[0] != change["value"].partition("=")[0]:
                yield f"cpu: {change['value']} would replace {old}"


def lint_findings(folder):
    yamllint = Path(sys.executable).with_name("yamllint")
    done = subprocess.run([yamllint, "--format=parsable", "-d", YAMLLINT, folder], capture_output=True, text=True,
                          check=False)
    return done.stdout.splitlines()


def main(deploy):
    findings = lint_findings(deploy / "kubernetes")
    if not findings:
        base = Base(deploy / "kubernetes/base")
        findings = list(schema_findings(base))
    if not findings:
        unlisted = {p.name for p in base.folder.glob("*.yaml")} - {
            "kustomization.yaml", *base.kustomization["resources"]}
        findings = [f"kustomization.yaml: {name} is not among the resources" for name in unlisted]
        for check in (selector_findings, volume_findings, endpoint_findings, hardening_findings, overlay_findings):
            findings += check(base)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
