#!/usr/bin/env python3
"""What a scrape gets: the text format and OpenMetrics as strict parsers and a real Prometheus
read them, gzip as curl reads it, how many at once, where."""

import gzip
import http.client
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import ROOT, Case, Prometheus, main, request, run, servers  # noqa: E402

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families as parse_text  # noqa: E402

# Of "secret".
BCRYPT = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
TYPES = {"text": "text/plain; version=0.0.4; charset=utf-8",
         "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8"}


def series(families):
    return {(sample.name, tuple(sorted(sample.labels.items()))) for family in families for sample in family.samples}


class Exposition(Case):
    def wal(self, name):
        directory = os.path.join(self.folder, name)
        shard = os.path.join(directory, "db", "autogen", "1")
        os.makedirs(shard)
        with open(os.path.join(shard, "_00001.wal"), "wb") as file:
            file.write(bytes(4096))
        return {"name": name, "wal": {"directory": directory}, "sampling": {"interval": "1h", "watch": False}}

    def start(self, *arguments, targets=("plant", "office \"1\""), **sections):
        text = json.dumps({"targets": [self.wal(name) for name in targets], **sections})
        return self.exporter(text, arguments=arguments)

    def test_both_formats_are_strictly_right_and_name_the_same_series(self):
        exporter = self.start()
        for path in ("/nowhere", "/metrics"):  # counted by then, in both
            exporter.get(path)
        text, openmetrics = exporter.get("/metrics"), exporter.get("/metrics", headers=OPENMETRICS)
        self.assertEqual(text.headers["Content-Type"], TYPES["text"])
        self.assertEqual(openmetrics.headers["Content-Type"], TYPES["openmetrics"])
        self.assertEqual(openmetrics.headers["Vary"], "Accept, Accept-Encoding")
        families = list(parse_openmetrics(openmetrics.text))
        self.assertEqual(series(families), series(parse_text(text.text)))
        types = {family.name: (family.type, family.unit) for family in families}
        self.assertEqual(types["influxdb_wal_samples"], ("counter", ""))
        self.assertEqual(types["influxdb_wal_written_bytes"], ("counter", "bytes"))
        self.assertEqual(types["influxdb_wal_sample_duration_seconds"], ("histogram", "seconds"))
        self.assertEqual(types["influxdb_wal_exporter_build"], ("info", ""))
        self.assertEqual(types["influxdb_wal_health"], ("gauge", ""))
        self.assertNotIn("_created", openmetrics.text)
        lint = subprocess.run([servers.program("promtool"), "check", "metrics"], input=text.text, capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))

    def test_prometheus_asks_for_openmetrics_and_probes_targets_as_the_readme_says(self):
        exporter = self.start(targets=("plant", "office"))
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            example = next(block for block in file.read().split("```") if "metrics_path: /probe" in block)
        example = example.removeprefix("yaml\nscrape_configs:").replace("127.0.0.1:3002", f"127.0.0.1:{exporter.port}")
        prometheus = Prometheus(os.path.join(self.folder, "prometheus"), interval="1s")
        self.addCleanup(prometheus.stop)
        prometheus.start(scrape=example + f"""
  - job_name: influxdb_wal
    static_configs: [{{targets: ["127.0.0.1:{exporter.port}"]}}]
""")
        self.until(lambda: prometheus.value('up{job="influxdb_wal"}') == 1, "a scrape that went well")
        # Only OpenMetrics has units and infos.
        metadata = prometheus.api("metadata")
        self.assertEqual(metadata["influxdb_wal_sample_duration_seconds"][0]["unit"], "seconds")
        self.assertEqual(metadata["influxdb_wal_exporter_build"][0]["type"], "info")
        self.assertEqual(metadata["influxdb_wal_samples"][0]["type"], "counter")
        # Each of them, once every route that is asked here has been counted.
        self.until(lambda: prometheus.value('scrape_samples_scraped{job="influxdb_wal"}') ==
                   len(series(parse_openmetrics(exporter.get("/metrics", headers=OPENMETRICS).text))),
                   "as many samples as there are series")
        self.assertEqual(prometheus.value('influxdb_wal_files{job="influxdb_wal",state="pending",target="plant"}'), 1)
        probed = 'probe_success{job="influxdb_wal_probe"}'
        self.until(lambda: prometheus.value(f"sum({probed})") == 2, "both probes")
        for name in ("plant", "office"):
            self.assertEqual(prometheus.value(f'influxdb_wal_files{{state="pending",instance="{name}",target="{name}"}}'), 1)
        self.assertIsNone(prometheus.value('influxdb_wal_health{instance="plant",target="office"}'))
        self.assertIsNone(prometheus.value('{__name__=~"process_.+|influxdb_wal_exporter_.+",job="influxdb_wal_probe"}'))
        own = self.until(lambda: prometheus.value('count(process_start_time_seconds{job="influxdb_wal_exporter"})'), "the exporter's own series")
        self.assertEqual((own, prometheus.value('count({target=~".+",job="influxdb_wal_exporter"})')),
                         (1, None))
        # A file that came since is seen by the next probe, hours before a sample is due.
        with open(os.path.join(self.folder, "plant", "db", "autogen", "1", "_00002.wal"), "wb") as file:
            file.write(bytes(4096))
        self.until(lambda: prometheus.value('influxdb_wal_files{state="pending",instance="plant"}') == 2, "the new file")
        self.assertEqual(prometheus.value('influxdb_wal_files{state="pending",instance="office"}'), 1)

    def test_a_probe_is_of_a_target_of_the_settings(self):
        exporter = self.start()
        answer = exporter.get("/probe?target=plant", headers={**OPENMETRICS, "Accept-Encoding": "gzip"})
        self.assertEqual(answer.headers["Content-Type"], TYPES["openmetrics"])
        families = {family.name for family in parse_openmetrics(gzip.decompress(answer.body).decode())}
        self.assertTrue({"probe_success", "probe_duration_seconds", "influxdb_wal_health"} <= families)
        everything = {family.name for family in parse_text(exporter.get("/metrics").text)}
        self.assertEqual({family for family in families if family.startswith("influxdb_wal_")},
                         {family for family in everything if family.startswith("influxdb_wal_") and
                          not family.startswith("influxdb_wal_exporter_")})
        self.assertEqual(exporter.get("/probe").status, 400)
        self.assertEqual(exporter.get("/probe?target=plant&target=plant").status, 400)
        unknown = exporter.get(f"/probe?target={self.folder}/plant")
        self.assertEqual((unknown.status, unknown.json["targets"]), (404, ["plant", "office \"1\""]))
        os.rename(os.path.join(self.folder, "plant"), os.path.join(self.folder, "gone"))
        self.until(lambda: "\nprobe_success 0\n" in exporter.get("/probe?target=plant").text, "a probe that fails", 10)
        self.assertIn('influxdb_wal_files{target="plant",state="pending"} 1\n', exporter.get("/probe?target=plant").text)

    def test_gzip_is_read_by_curl_and_has_the_right_length(self):
        exporter = self.start()
        for path in ("/metrics", "/api/v1/targets", "/"):
            packed = exporter.get(path, headers={"Accept-Encoding": "gzip;q=0.5, br"})
            self.assertEqual(packed.headers["Content-Encoding"], "gzip", path)
            self.assertEqual(int(packed.headers["Content-Length"]), len(packed.body))
            plain = exporter.get(path, headers={"Accept-Encoding": "gzip;q=0"})
            self.assertIsNone(plain.headers["Content-Encoding"], path)
            self.assertLess(len(packed.body), len(plain.body) / 2)
            head = request("HEAD", exporter.url + path, headers={"Accept-Encoding": "gzip"})
            self.assertEqual((head.status, head.body, head.headers["Content-Encoding"]), (200, b"", "gzip"))
            curl = subprocess.run(["curl", "--silent", "--fail", "--compressed", exporter.url + path],
                                  capture_output=True, timeout=30, check=True)
            self.assertEqual(curl.stdout[:50], plain.body[:50])
            self.assertEqual(curl.stdout[-50:], plain.body[-50:])
        # No second member, which many clients would not read.
        self.assertTrue(gzip.decompress(exporter.get("/metrics", headers={"Accept-Encoding": "gzip", **OPENMETRICS}).body)
                        .endswith(b"# EOF\n"))

    def test_every_page_answers_head_as_get(self):
        exporter = self.start()
        routes = [route.split()[1] for route in exporter.get("/nowhere").json["routes"] if route.startswith("GET ")]
        for path in routes:
            path = path.replace("{name}", "plant").replace("/probe", "/probe?target=plant").replace("{id}", "1").replace("{file}", "x")
            if path.endswith("/stream"):
                continue
            head, whole = request("HEAD", exporter.url + path), exporter.get(path)
            self.assertEqual((head.status, head.body), (whole.status, b""), path)
            self.assertEqual(head.headers["Content-Type"], whole.headers["Content-Type"], path)
            if path.partition("?")[0] not in ("/metrics", "/probe", "/api/v1/status"):  # what counts and tells the time
                self.assertEqual(head.headers["Content-Length"], whole.headers["Content-Length"], path)

    def test_settings_in_use_are_shown_without_secrets(self):
        token = os.path.join(self.folder, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write("Geheim\n")
        hooks = [{"name": "ops", "type": "webhook", "url": "http://127.0.0.1:9/Geheim", "headers": {"X-Key": "Geheim"},
                  "bearer_token_file": token, "template": '{"key": "Geheim"}'}]
        exporter = self.start(targets=("plant",), hooks=hooks, alerts={"token_file": token})
        shown = exporter.get("/config").text
        self.assertIn("\n  - name: plant\n", shown)
        self.assertIn("\n      interval: 1h\n", shown)
        self.assertIn("\n      cooldown: 5m\n", shown)
        self.assertNotIn("Geheim", shown)
        self.assertNotIn(self.folder, shown)
        # After a reload those of then; with a login their places, too.
        users = os.path.join(self.folder, "web.yml")
        with open(users, "w", encoding="utf-8") as file:
            file.write("basic_auth_users: {alice: %s}\n" % json.dumps(BCRYPT))
        exporter.stop()
        exporter.arguments.append(f"--web.config.file={users}")
        exporter.start()
        login = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
        self.assertEqual(exporter.get("/config").status, 401)
        shown = exporter.get("/config", headers=login).text
        self.assertIn(f"\n      directory: {self.folder}/plant\n", shown)
        self.assertNotIn("Geheim", shown)
        exporter.configure(json.dumps({"history_limit": 55, "targets": [{"name": "plant", "wal": {
            "directory": os.path.join(self.folder, "plant")}}]}))
        self.assertEqual(exporter.post("/-/reload", headers=login).status, 200)
        self.assertIn("\nhistory_limit: 55\n", exporter.get("/config", headers=login).text)

    def test_the_path_is_ours_to_choose_and_the_exporters_own_metrics_may_be_left_out(self):
        exporter = self.start("--web.telemetry-path=/wal", "--web.disable-exporter-metrics")
        self.assertEqual(exporter.get("/metrics").status, 404)
        names = {name for name, _ in series(parse_text(exporter.get("/wal").text))}
        self.assertEqual({name for name in names if name.startswith("process_")}, {"process_start_time_seconds"})
        self.assertNotIn("influxdb_wal_exporter_http_requests_total", names)
        self.assertIn("influxdb_wal_exporter_build_info", names)
        self.assertIn('href="/wal"', exporter.get("/").text)
        address = f"--web.listen-address=127.0.0.1:{exporter.port}"
        self.assertEqual(run("--healthcheck", address).returncode, 0)
        refused = run(f"--config.file={exporter.config}", "--web.telemetry-path=/api/v1/status", "--config.check")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("/api/v1/status is the address of GET /api/v1/status", refused.stderr)

    def test_compressing_costs_little_beside_the_scrape(self):
        exporter = self.start()

        def cost(**headers):
            best = float("inf")
            for _ in range(100):
                connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
                begin = time.perf_counter()
                connection.request("GET", "/metrics", headers=headers)
                connection.getresponse().read()
                best = min(best, time.perf_counter() - begin)
                connection.close()
            return best
        plain, packed = cost(), cost(**{"Accept-Encoding": "gzip"})
        print(f"scrape: {plain * 1e6:.0f} us, with gzip {packed * 1e6:.0f} us, ratio {packed / plain:.2f}")
        self.assertLess(packed, 3 * plain + 0.001)


if __name__ == "__main__":
    main()
