#!/usr/bin/env python3
"""How long scrapes take beside a thousand clients that misbehave, printed and held to what exporter/web/README.md
promises. WAL_EXPORTER_PROGRAM names the program; another one, or one without that promise, is measured with --only-print."""

import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, main  # noqa: E402

CROWD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "crowd.py")
ONLY_PRINT = "--only-print" in sys.argv
# 99 of 100 scrapes, in seconds: from another address than the crowd, and from the same.
OTHER, SAME = 0.05, 0.5
SECONDS = 8


def scrape(port):
    """Its seconds; None: it failed."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=12)
    try:
        connection.request("GET", "/metrics")
        if connection.getresponse().read() and time.monotonic() - began < 10:
            return time.monotonic() - began
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return None


class Front(Case):
    def test_figures(self):
        wal = os.path.join(self.folder, "influxdb", "wal")
        os.makedirs(wal)
        os.makedirs(os.path.join(self.folder, "influxdb", "data"))
        exporter = self.exporter(json.dumps({"targets": [{
            "name": "plant", "influxdb": {"url": "http://127.0.0.1:1"}, "wal": {"directory": wal},
            "checkpoint": {"method": "none"}}]}), start=False)
        exporter.start()
        slow = []
        for kind, source, limit in (("idle", "127.0.0.2", OTHER), ("idle", "127.0.0.1", SAME), ("trickle", "127.0.0.2", OTHER),
                                    ("greedy", "127.0.0.2", OTHER)):
            crowd = subprocess.Popen([sys.executable, "-B", CROWD, kind, source, str(exporter.port), "1000", str(SECONDS)],
                                     stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            end, took, failed = time.monotonic() + SECONDS - 1.5, [], 0
            while time.monotonic() < end:
                seconds = scrape(exporter.port)
                failed += seconds is None
                took.append(12 if seconds is None else seconds)
                time.sleep(0.05)
            said = crowd.communicate(timeout=60)[0].strip()
            took.sort()
            most = took[int(len(took) * 0.99) - 1] if len(took) >= 100 else took[-1]
            print(f"{kind} from {'the same' if source == '127.0.0.1' else 'another'} address ({said}): {len(took)} scrapes, "
                  f"{failed} failed, median {statistics.median(took) * 1000:.1f} ms, 99 % within {most * 1000:.1f} ms",
                  file=sys.stderr)
            if failed or most > limit:
                slow.append(kind)
        self.assertTrue(ONLY_PRINT or not slow, slow)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.argv = [argument for argument in sys.argv if argument != "--only-print"]
    main()
