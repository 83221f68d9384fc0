#!/usr/bin/env python3
"""Memory, scrape latency and start time of the release build, printed and held to
what the README promises. WAL_EXPORTER_PROGRAM names the program."""

import os
import socket
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, Case, main, settings, target  # noqa: E402

RESIDENT = 20 * MIB
ANONYMOUS = 6 * MIB
SCRAPE_SECONDS = 0.001
FIRST_SAMPLE_SECONDS = 0.2


def scrape_seconds(port, count=500):
    """The time of each of `count` scrapes, each with a connection of its own."""
    request = f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    times = []
    for _ in range(count):
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            received = b""
            while data := connection.recv(1 << 16):
                received += data
        times.append(time.perf_counter() - started)
        if not received.startswith(b"HTTP/1.1 200 ") or b"influxdb_wal_samples_total" not in received:
            raise ValueError(f"not a scrape: {received[:200]}")
    return times


class Footprint(Case):
    def test_figures(self):
        server = self.influxd(databases=("plant", "office"))
        exporter = self.exporter(settings(target(server, thresholds={"max_size": "16MiB"},
                                                 sampling={"interval": "4s"})), start=False)
        starts = []
        for _ in range(5):
            began = time.time()
            exporter.start().wait_good_sample()
            starts.append(self.counter(exporter, "influxdb_wal_sample_timestamp_seconds") - began)
            if len(starts) == 1:
                self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
            if len(starts) < 5:
                self.assertEqual(exporter.stop(), 0)
        times = scrape_seconds(exporter.port)
        for path in ("/wal-management/stats", "/api/v1/targets", "/metrics") * 50:
            exporter.get(path)
        self.assertEqual(exporter.post("/wal-management/checkpoint").status, 200)
        resident, anonymous = exporter.memory()
        median = statistics.median(times)
        print(f"resident            {resident / MIB:6.1f} MiB  (under {RESIDENT / MIB:.0f})")
        print(f"anonymous           {anonymous / MIB:6.1f} MiB  (under {ANONYMOUS / MIB:.0f})")
        print(f"scrape, median      {median * 1000:6.3f} ms   (under {SCRAPE_SECONDS * 1000:.0f})")
        print(f"scrape, 99th of 100 {sorted(times)[int(len(times) * 0.99)] * 1000:6.3f} ms")
        print(f"start to sample     {statistics.median(starts) * 1000:6.0f} ms   (under {FIRST_SAMPLE_SECONDS * 1000:.0f})",
              flush=True)
        self.assertLess(resident, RESIDENT)
        self.assertLess(anonymous, ANONYMOUS)
        self.assertLess(median, SCRAPE_SECONDS)
        self.assertLess(statistics.median(starts), FIRST_SAMPLE_SECONDS)


if __name__ == "__main__":
    main()
