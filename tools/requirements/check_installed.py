"""Says whether every file that the installed wheels recorded is there with its recorded size.

Usage: check_installed.py SITE_PACKAGES NAME==VERSION...
Prints the first problem and exits 1, or prints nothing and exits 0.
"""

import csv
import os
import re
import sys


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def dist_infos(site_packages):
    found = {}
    for entry in os.listdir(site_packages):
        if entry.endswith(".dist-info") and "-" in entry:
            name, version = entry[: -len(".dist-info")].rsplit("-", 1)
            found[normalized(name), version] = os.path.join(site_packages, entry)
    return found


def first_problem(site_packages, requirement, infos):
    name, _, version = requirement.partition("==")
    info = infos.get((normalized(name), version))
    if info is None:
        return f"{requirement} is not installed in {site_packages}"
    with open(os.path.join(info, "RECORD"), newline="", encoding="utf-8") as record:
        for path, _, size in csv.reader(record):
            # Scripts carry the interpreter's path, and what has no size was written later.
            if not size or path.startswith("../") or os.path.isabs(path):
                continue
            full = os.path.join(site_packages, path)
            try:
                actual = os.stat(full).st_size
            except OSError as error:
                return f"{full}: {error.strerror}"
            if actual != int(size):
                return f"{full}: {actual} bytes instead of {size}"
    return None


def main(arguments):
    site_packages, requirements = arguments[0], arguments[1:]
    try:
        infos = dist_infos(site_packages)
        problems = (first_problem(site_packages, r, infos) for r in requirements)
        problem = next((p for p in problems if p), None)
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        print(problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
