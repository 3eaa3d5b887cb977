#!/usr/bin/env python3
"""Runs tools/deploy/systemd/promptcache-watch against services that hang, live or are not there."""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools/deploy/systemd/promptcache-watch"


class Service(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


class WatchTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "state").mkdir()
        systemctl = self.folder / "systemctl"
        systemctl.write_text(f"#!/bin/sh\necho \"$*\" >>{self.folder}/asked\n")
        systemctl.chmod(0o755)
        self.handler = type("Handler", (Service,), {})
        self.server = self.enterContext(http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler))
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.watch_list(f"# the store\npromptcache-cachestore {self.server.server_port}\n")

    def watch_list(self, text):
        (self.folder / "watch").write_text(text)

    def look(self):
        """What systemctl has been asked since the beginning, after one more look."""
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}",
                       "RUNTIME_DIRECTORY": str(self.folder / "state")}
        subprocess.run([SCRIPT, self.folder / "watch"], env=environment, check=True, stdout=subprocess.DEVNULL)
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []

    def test_restarts_what_hangs_twice_in_a_row(self):
        self.handler.status = 503
        self.assertEqual(self.look(), [])
        self.assertEqual(self.look(), ["restart --no-block promptcache-cachestore"])
        self.assertEqual(len(self.look()), 1)
        self.assertEqual(len(self.look()), 2)

    def test_one_bad_answer_is_forgotten(self):
        self.handler.status = 503
        self.look()
        self.handler.status = 200
        self.look()
        self.handler.status = 503
        self.assertEqual(self.look(), [])

    def test_what_does_not_listen_is_left_to_systemd(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.watch_list(f"promptcache-worker-gpu@0 {free.getsockname()[1]}\n")
        self.look()
        self.assertEqual(self.look(), [])


if __name__ == "__main__":
    if not shutil.which("curl"):
        print("missing curl")
        sys.exit(77)
    unittest.main()
