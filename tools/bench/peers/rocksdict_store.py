#!/usr/bin/env python3
"""Whole blobs in RocksDB through the rocksdict package, beside `promptcache bench store`.

    promptcache bench store --json > store.json
    tools/bench/peers/rocksdict_store.py --against store.json --directory DIR

Blobs of the same sizes and numbers are put and got one by one, each durable when its put returns: with a
synced log, and with none but a flush after each. Prints JSON: medians, and ours over theirs.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import rocksdict


def rate(size, work):
    start = time.perf_counter()
    work()
    return size / (time.perf_counter() - start)


def open_db(path):
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_compression_type(rocksdict.DBCompressionType.none())
    options.set_write_buffer_size(256 << 20)
    return rocksdict.Rdict(path, options)


def measure(directory, size, count, rounds, durable):
    path = tempfile.mkdtemp(prefix="rocksdict-", dir=directory)
    try:
        db = open_db(path)
        write = rocksdict.WriteOptions()
        if durable == "synced log":
            write.sync = True
        else:
            write.disable_wal = True
        puts = []
        for number in range(count):
            blob = os.urandom(size)

            def put():
                db.put(number.to_bytes(8, "big"), blob, write_opt=write)
                if durable != "synced log":
                    db.flush(wait=True)

            puts.append(rate(size, put))
        db.flush(wait=True)
        gets = []
        for turn in range(rounds + 1):
            for number in range(count):
                got = rate(size, lambda: db.get(number.to_bytes(8, "big")))
                if turn > 0:
                    gets.append(got)
        db.close()
        return statistics.median(puts), statistics.median(gets)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, help="JSON of promptcache bench store")
    parser.add_argument("--directory", default=tempfile.gettempdir(), help="on the same disk")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    with open(flags.against) as file:
        ours = json.load(file)
    report = {"peer": "rocksdict " + importlib.metadata.version("rocksdict"), "sizes": []}
    for size in ours["sizes"]:
        measured = {
            durable: measure(flags.directory, size["blob_bytes"], size["blobs"], flags.rounds, durable)
            for durable in ("synced log", "flush")
        }
        get = max(gets for _, gets in measured.values())
        report["sizes"].append({
            "blob_bytes": size["blob_bytes"],
            "put_bytes_per_s": {durable: puts for durable, (puts, _) in measured.items()},
            "get_bytes_per_s": get,
            "promptcache_put_over_put": {
                durable: size["put_bytes_per_s"] / puts for durable, (puts, _) in measured.items()
            },
            "promptcache_read_over_get": size["read_bytes_per_s"] / get,
        })
        print(f"{size['blob_bytes']} bytes done", file=sys.stderr)
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
