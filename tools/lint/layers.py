#!/usr/bin/env python3
"""Checks who includes whom, where third-party code may appear, and a few rules for tests.

Usage: layers.py [ROOT]

Prints one line for each finding (file:line: what) and exits 1 if there is one. Files that have grown
past 400 lines are only mentioned.
"""

import os
import re
import sys
from dataclasses import dataclass

TOP_FOLDERS = ("common", "schemas", "cluster", "cachestore", "coordinator", "worker", "tools", "tests")
SUFFIXES = (".h", ".hpp", ".inc", ".cpp", ".cc", ".cu", ".cuh")
LONG_FILE = 400

# Folder (or file) -> what it may include besides itself. The longest match of a file's path counts,
# together with all shorter ones.
MAY_INCLUDE = {
    "common": (),
    "schemas": (),
    "cluster": ("common", "schemas"),
    "cachestore": ("common", "schemas"),
    "cachestore/service": ("cluster",),
    "coordinator": ("cluster", "common", "schemas"),
    "worker": ("cachestore/store.h", "cachestore/format", "cluster", "common", "schemas"),
    "worker/service": ("cachestore/service/remote_store.h",),
    "tools": TOP_FOLDERS,
    "tests": TOP_FOLDERS,
}


@dataclass(frozen=True)
class Fence:
    """A third-party library: how it shows in includes and in code, and where it may."""

    name: str
    include: str
    code: str
    inside: tuple
    outside: tuple = ()
    file_suffix: str = ""


FENCES = (
    Fence("zmq", r"^zmq(_addon|_utils)?\.h(pp)?$", r"\bzmq::|\bzmq_\w+\s*\(", ("cluster/transport",)),
    Fence("xercesc", r"xercesc/", r"\bxercesc(_\w+)?::|\bXERCES_CPP_NAMESPACE\w*", ("coordinator/pml",)),
    Fence("rocksdb", r"rocksdb/", r"\brocksdb::|\bnamespace\s+rocksdb\b", ("cachestore/disk",)),
    Fence("sodium", r"sodium(/\w+)?\.h$", r"\b(crypto|randombytes|sodium)_\w+\s*\(", ("common",)),
    Fence("prometheus", r"prometheus/", r"\bprometheus::", ("common/metrics",)),
    Fence("boost", r"boost/", r"\bboost::", ("common/metrics",)),
    Fence("zstd", r"zstd\w*\.h$", r"\bZSTD_\w+\s*\(", ("cachestore/format",)),
    Fence("torch", r"(torch|ATen|c10|caffe2)/", r"\b(torch|at|c10)::|\bnamespace\s+(torch|at|c10)\b",
          ("worker",), outside=("worker/service",)),
    Fence("cuda", r"(cuda|cuda_\w+|cub[lf]\w+|cooperative_groups|nvrtc|nvml)\.h$|(ATen|c10)/cuda/|cub/|thrust/",
          r"\bcuda[A-Z]\w+\s*\(|<<<", ("worker/device", "worker/attention")),
    Fence("flatbuffers", r"flatbuffers/|\w+_generated\.h$", r"\bflatbuffers::", ("schemas",),
          file_suffix="_codec.cpp"),
)

# (rule, pattern in code without comments and strings, applies to this path?)
CODE_RULES = (
    ("getenv outside a main.cpp", re.compile(r"\b(secure_)?getenv\s*\("),
     lambda path: os.path.basename(path) != "main.cpp" and path != "tests/fakes/test_env.cpp"),
    ("a test sleeps", re.compile(r"\bsleep_(for|until)\b|\b(u|nano)?sleep\s*\("),
     lambda path: path.startswith("tests/")),
    ("a skip without a reason", re.compile(r"\bGTEST_SKIP\(\)\s*;"), lambda path: True),
    ("a friend made for tests", re.compile(r"\bFRIEND_TEST\b|\bfriend\b[^;]*\w*(Test|Peer|Fake|testing)\b"),
     lambda path: True),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>|(\S.*))')
TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'", re.DOTALL)


def blank(text, keep_strings):
    """The text with comments (and, unless kept, strings) blanked; line numbers stay."""

    def replacement(match):
        token = match.group(0)
        if keep_strings and not token.startswith("/"):
            return token
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(replacement, text)


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def allowed_targets(path):
    """What the file may include. A main.cpp puts a process together from every part of its folder."""
    top = path.split("/")[0]
    is_main = path == f"{top}/main.cpp"
    allowed = [top]
    for folder, targets in MAY_INCLUDE.items():
        if within(path, folder) or (is_main and within(folder, top)):
            allowed.extend(targets)
    return allowed


def check_own_include(path, target):
    parts = target.split("/")
    if ".." in parts or "." in parts:
        return f"includes {target}: name headers from the repository root"
    if any(within(target, allowed) for allowed in allowed_targets(path)):
        return None
    return f"includes {target}: {path.split('/')[0]} must not depend on it"


def check_include(path, quoted, angled, computed):
    if computed is not None:
        return f"includes {computed.strip()}: a computed include cannot be checked"
    target = quoted if quoted is not None else angled
    if target.split("/")[0] in TOP_FOLDERS:
        problem = check_own_include(path, target)
        if problem:
            return problem
    elif quoted is not None:
        return f"includes \"{target}\": own headers are named from the repository root, others in <>"
    if re.match(r"(gtest|gmock)/", target) and not path.startswith("tests/"):
        return f"includes {target}: only tests may"
    for fence in FENCES:
        if re.search(r"^(.*/)?(" + fence.include + ")", target) and not inside(path, fence):
            return f"includes {target}: {fence.name} is fenced in {', '.join(fence.inside)}"
    return None


def inside(path, fence):
    if path.startswith("tests/"):
        return True
    if fence.file_suffix and path.endswith(fence.file_suffix):
        return True
    return any(within(path, f) for f in fence.inside) and not any(within(path, f) for f in fence.outside)


def check_code_line(path, line):
    for rule, pattern, applies in CODE_RULES:
        if applies(path) and pattern.search(line):
            yield rule
    for fence in FENCES:
        if re.search(fence.code, line) and not inside(path, fence):
            yield f"names {fence.name}, which is fenced in {', '.join(fence.inside)}"


def check_text(path, text):
    """Findings in one file, as (line number, message)."""
    findings = []
    with_strings = blank(text, keep_strings=True).splitlines()
    code = blank(text, keep_strings=False).splitlines()
    for number, line in enumerate(with_strings, 1):
        match = INCLUDE.match(line)
        if match:
            problem = check_include(path, *match.groups())
            if problem:
                findings.append((number, problem))
    for number, line in enumerate(code, 1):
        if not re.match(r"\s*#\s*include", line):
            findings.extend((number, message) for message in check_code_line(path, line))
    return findings


def source_files(root):
    for top in TOP_FOLDERS:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders.sort()
            for name in sorted(names):
                if name.endswith(SUFFIXES):
                    yield os.path.relpath(os.path.join(folder, name), root)


def check_tree(root):
    """(findings, notes, number of files), findings and notes as lines."""
    findings, notes, count = [], [], 0
    for path in source_files(root):
        count += 1
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        findings.extend(f"{path}:{n}: {message}" for n, message in check_text(path, text))
        lines = text.count("\n")
        if lines > LONG_FILE:
            notes.append(f"{path}: {lines} lines, more than {LONG_FILE}")
    return findings, notes, count


def main(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[0] if arguments else os.path.join(here, "..", "..")
    findings, notes, count = check_tree(root)
    for note in notes:
        print(f"note: {note}")
    for finding in findings:
        print(finding)
    print(f"layers: {count} files checked, {len(findings)} findings")
    if count == 0:
        print(f"layers: no source files under {root}")
    return 1 if findings or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
