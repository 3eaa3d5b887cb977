#!/usr/bin/env python3
"""Holds tests/STATEMENTS.md against the tests.

Usage: statements.py [ROOT]

Every number from 1 to 107 has one row with a test or a remark; every test that a row names exists; every test
whose name carries a number is in the row of that number. Prints what is wrong and exits 1.
"""

import pathlib
import re
import sys

TEST = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|RC_GTEST_PROP)\(\s*(\w+)\s*,\s*(\w+)")
ROW = re.compile(r"^\| S(\d{3}) \| ([^|]+) \| ([^|]*) \|$")
LAST = 107


def find_tests(root):
    names = set()
    for path in (root / "tests").rglob("*.cpp"):
        names.update(f"{suite}.{test}" for suite, test in TEST.findall(path.read_text()))
    return names


def read_rows(text):
    return {int(match[1]): match[3] for match in map(ROW.match, text.splitlines()) if match}


def check(rows, tests):
    problems = []
    for number in range(1, LAST + 1):
        if not rows.get(number, "").strip():
            problems.append(f"S{number:03d}: no test and no remark")
    listed = {number: set(re.findall(r"`(\w+\.\w+)`", cell)) for number, cell in rows.items()}
    for number, names in sorted(listed.items()):
        problems += [f"S{number:03d}: there is no test {name}" for name in sorted(names - tests)]
    for name in sorted(tests):
        numbered = re.search(r"\.S(\d{2,})_", name)
        if numbered and name not in listed.get(int(numbered[1]), set()):
            problems.append(f"S{int(numbered[1]):03d}: {name} is missing in its row")
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    tests = find_tests(root)
    problems = check(read_rows((root / "tests" / "STATEMENTS.md").read_text()), tests)
    print("\n".join(problems) if problems else f"statements: {LAST} rows agree with {len(tests)} tests")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
