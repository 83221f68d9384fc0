#!/usr/bin/env python3
"""Memory, scrape latency and start time of the release build, printed and held to
what the README promises. WAL_EXPORTER_PROGRAM names the program."""

import os
import socket
import ssl
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from certificates import Authority  # noqa: E402
from harness import MIB, Case, main, settings, target  # noqa: E402

RESIDENT = 20 * MIB
ANONYMOUS = 6 * MIB
SCRAPE_SECONDS = 0.001
FIRST_SAMPLE_SECONDS = 0.2
TLS_MORE = 3 * MIB
IDLE_CLIENTS = 10


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

    def memory_with_clients(self, name, context=None, **arguments):
        """Of an exporter that clients scraped and hold connections to, with TLS where there is a context."""
        wal = os.path.join(self.folder, name, "wal")
        os.makedirs(os.path.join(wal, "plant", "autogen", "1"))
        exporter = self.exporter(settings({"name": "plant", "wal": {"directory": wal}, "influxdb": {"version": 1}}),
                                 start=False, name=name, **arguments)
        exporter.asking = {"context": context}
        exporter.base = "https://127.0.0.1" if context else "http://127.0.0.1"
        exporter.start().wait_good_sample()
        for _ in range(IDLE_CLIENTS):
            connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
            if context:
                connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
            self.addCleanup(connection.close)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))
        for _ in range(50):
            exporter.get("/metrics")
        return exporter.memory()[0]

    def test_tls_costs_little(self):
        authority = Authority(self.folder)
        certificate, key = authority.sign("server")
        client = authority.sign("client", "DNS:client")
        web = os.path.join(self.folder, "web.yml")
        with open(web, "w", encoding="utf-8") as file:
            file.write(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}, "
                       f"client_ca_file: {authority.file}, client_auth_type: RequireAndVerifyClientCert}}\n")
        context = ssl.create_default_context(cafile=authority.file)
        context.load_cert_chain(*client)
        more = (self.memory_with_clients("tls", context, arguments=[f"--web.config.file={web}"]) -
                self.memory_with_clients("plain"))
        print(f"{IDLE_CLIENTS} clients with TLS {more / MIB:6.1f} MiB more (under {TLS_MORE / MIB:.0f})", flush=True)
        self.assertLess(more, TLS_MORE)


if __name__ == "__main__":
    main()
