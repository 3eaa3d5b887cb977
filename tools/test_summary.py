#!/usr/bin/env python3
"""Adds up what a ctest run did, test by test, and says why tests were skipped.

Usage: test_summary.py --junit FILE --plan FILE [--require-data] [--json OUT] [--label WORD]
       test_summary.py --add JSON...

--junit is what ctest --output-junit wrote, --plan what ctest --show-only=json-v1 printed. A test
whose command has --gtest_output=xml:PATH counts with the cases in PATH; every other one counts as one.
A test binary that crashed, ran out of time, wrote no results or ran no case counts as failed.
With --require-data a case skipped because something is missing counts as failed.
Exits 1 if anything failed or nothing ran. --add sums the --json files of several runs.
"""

import argparse
import collections
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

GTEST_OUTPUT = "--gtest_output=xml:"


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)
    skips: list = field(default_factory=list)  # (reason, test)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips

    def fail(self, test, why):
        self.failed += 1
        self.failures.append(f"{test}: {why}")

    def skip(self, test, reason):
        self.skipped += 1
        self.skips.append((reason, test))


def result_files(plan):
    """ctest name -> gtest result file, from the plan."""
    files = {}
    for test in plan.get("tests", []):
        for argument in test.get("command", []):
            if argument.startswith(GTEST_OUTPUT):
                files[test["name"]] = argument[len(GTEST_OUTPUT):]
    return files


def first_line(text):
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[0] if lines else ""


def skip_reason(message):
    """gtest writes the place of the skip on the first line and the reason after it."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    if lines and re.match(r"^\S+:\d+$", lines[0]):
        lines = lines[1:]
    return " ".join(lines) or "no reason given"


def is_for_want_of_data(reason):
    return reason.lower().startswith(("missing", "no reason given"))


def count_cases(name, path, tally):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        test = f"{name}: {case.get('classname')}.{case.get('name')}"
        failure = case.find("failure")
        skipped = case.find("skipped")
        if failure is not None:
            message = re.sub(r"^\S+:\d+\n", "", failure.get("message") or "")
            tally.fail(test, first_line(message) or "failed")
        elif skipped is not None:
            tally.skip(test, skip_reason(skipped.get("message")))
        elif case.get("status") == "run":
            tally.passed += 1


def count_gtest(name, ctest_passed, path, tally, why):
    before = (tally.passed, tally.failed, tally.skipped)
    if os.path.exists(path):
        try:
            count_cases(name, path, tally)
        except ElementTree.ParseError as error:
            tally.fail(name, f"its results cannot be read: {error}")
            return
        if not ctest_passed and tally.failed == before[1]:
            tally.fail(name, f"no case failed, but {why}")
        elif ctest_passed and before == (tally.passed, tally.failed, tally.skipped):
            tally.fail(name, "ran no case")
    else:
        tally.fail(name, "wrote no results" if ctest_passed else why)


def count_ctest_case(case, results):
    """The tally of one ctest entry."""
    tally = Tally()
    name = case.get("name")
    status = case.get("status")
    failure, skipped = case.find("failure"), case.find("skipped")
    reason = skipped.get("message", "") if skipped is not None else ""
    if status == "disabled":
        tally.skip(name, "disabled")
    elif status == "notrun" and reason.startswith("SKIP_"):
        tally.skip(name, first_line(case.findtext("system-out")) or "no reason given")
    elif status == "notrun":
        tally.fail(name, f"did not run: {reason or 'unknown reason'}")
    else:
        passed = status == "run" and failure is None
        why = (failure.get("message") if failure is not None else "") or "failed"
        if name in results:
            count_gtest(name, passed, results[name], tally, why)
        elif passed:
            tally.passed += 1
        else:
            tally.fail(name, why)
    return tally


def require_data(tally):
    """Turns skips for want of data into failures."""
    kept = []
    for reason, test in tally.skips:
        if is_for_want_of_data(reason):
            tally.skipped -= 1
            tally.fail(test, f"skipped, and data is required here: {reason}")
        else:
            kept.append((reason, test))
    tally.skips = kept


def print_failures_and_skips(tally):
    if tally.failures:
        print("failed:")
        for failure in tally.failures:
            print(f"  {failure}")
    if tally.skips:
        print("skipped:")
        by_reason = collections.defaultdict(list)
        for reason, test in tally.skips:
            by_reason[reason].append(test)
        for reason, tests in sorted(by_reason.items()):
            print(f"  {len(tests)} × {reason} ({tests[0]}{', …' if len(tests) > 1 else ''})")


def plain_line(tally):
    return f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped"


def summarize(options):
    with open(options.plan, encoding="utf-8") as file:
        results = result_files(json.load(file))
    total = Tally()
    print(f"--- tests{' of ' + options.label if options.label else ''}")
    for case in ElementTree.parse(options.junit).getroot().iter("testcase"):
        tally = count_ctest_case(case, results)
        if options.require_data:
            require_data(tally)
        print(f"  {case.get('name'):<34} {plain_line(tally)}  {float(case.get('time') or 0):.1f} s")
        total.add(tally)
    if total.passed + total.failed == 0:
        total.fail("ctest", "no test ran")
    return total


def add_up(paths):
    total = Tally()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        print(f"  {saved['label']:<34} {plain_line(Tally(**saved['tally']))}")
        total.add(Tally(**saved["tally"]))
    return total


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--junit")
    parser.add_argument("--plan")
    parser.add_argument("--require-data", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--label", default="")
    parser.add_argument("--add", nargs="+")
    options = parser.parse_args(arguments)
    total = add_up(options.add) if options.add else summarize(options)
    print_failures_and_skips(total)
    print(plain_line(total))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"label": options.label, "tally": vars(total)}, file)
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
