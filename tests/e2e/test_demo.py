#!/usr/bin/env python3
"""deploy/run as a stranger would run it, on other ports."""

import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import ROOT, Case, free_port, get, main  # noqa: E402


class Demo(Case):
    def setUp(self):
        super().setUp()
        self.ports = {flag: free_port() for flag in ("--port", "--prometheus-port", "--influxdb-port", "--backup-port")}

    def demo(self, *arguments):
        flags = [f"{flag}={port}" for flag, port in self.ports.items()]
        child = subprocess.Popen([os.path.join(ROOT, "deploy", "run"), *flags, *arguments], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(lambda: (child.kill(), child.wait(10), child.stdout.close()))
        return child

    def test_everything_happens_within_two_minutes(self):
        started = time.monotonic()
        output, _ = self.demo("--for", "120s").communicate(timeout=200)
        self.assertIn("checkpoint started (reason: warning)", output)
        self.assertNotRegex(output, r"\bNO\b")
        self.assertEqual(len(re.findall(r"^  yes ", output, re.M)), 4, output)
        self.assertLess(time.monotonic() - started, 170)
        for port in self.ports.values():
            self.assertRaises(OSError, get, f"http://127.0.0.1:{port}/")

    def test_ctrl_c_stops_what_it_started(self):
        child = self.demo()
        self.until(lambda: self.answers(self.ports["--prometheus-port"]), "the demo is up", 120)
        # A second one on the same ports is told which are taken, and what to do.
        second = self.demo()
        output, _ = second.communicate(timeout=60)
        self.assertEqual(second.returncode, 1)
        for flag, port in self.ports.items():
            self.assertIn(f"port {port}", output)
            self.assertIn(f"{flag} N", output)
        os.killpg(child.pid, signal.SIGINT)
        output, _ = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0, output)
        self.assertIn("Summary", output)
        for port in self.ports.values():
            self.assertRaises(OSError, get, f"http://127.0.0.1:{port}/")

    @staticmethod
    def answers(port):
        try:
            return get(f"http://127.0.0.1:{port}/-/ready").status == 200
        except OSError:
            return False

    def test_wrong_arguments_are_told_before_building(self):
        for arguments, word in ((["--for", "soon"], "soon"), (["--port", "x"], "'x'"), (["--what"], "--what"),
                                (["--config", "/nowhere.yml"], "/nowhere.yml")):
            child = subprocess.run([os.path.join(ROOT, "deploy", "run"), *arguments], capture_output=True, text=True,
                                   timeout=60, check=False)
            self.assertNotEqual(child.returncode, 0)
            self.assertIn(word, child.stderr)
            self.assertNotIn("building", child.stderr)


if __name__ == "__main__":
    main()
