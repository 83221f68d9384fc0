#!/usr/bin/env python3
"""The HTTP side seen from outside: seed endpoints, metrics, two targets, logins, the
guard on POST behind a real nginx, and a real Prometheus."""

import base64
import http.client
import os
import subprocess
import sys
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, ROOT, Case, Prometheus, free_port, get, main, request, servers, settings, target  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


class Api(Case):
    def start(self, *arguments, **sections):
        self.server = self.influxd(databases=("plant", "office"), grow=3 * MIB)
        return self.exporter(settings(target(self.server, **sections)), arguments=arguments)

    def smoke(self, exporter, *arguments):
        return subprocess.run([os.path.join(ROOT, "tests", "smoke"), exporter.url, *arguments], capture_output=True,
                              text=True, timeout=60, check=False)

    def test_smoke(self):
        exporter = self.start()
        before = self.outcomes(exporter)
        result = self.smoke(exporter)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(self.outcomes(exporter), before, "smoke changed something without --post")
        result = self.smoke(exporter, "--post")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", outcome="succeeded"), 1)

    def test_promtool_finds_nothing_to_say(self):
        exporter = self.start()
        for _ in range(2):
            exporter.get("/wal-management/stats")
            exporter.get("/nowhere")
        text = exporter.get("/metrics").text
        result = subprocess.run([servers.program("promtool"), "check", "metrics"], input=text, capture_output=True,
                                text=True, timeout=30, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))
        exporter.post("/wal-management/checkpoint")
        result = subprocess.run([servers.program("promtool"), "check", "metrics"], input=exporter.get("/metrics").text,
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_unknown_is_absent_and_counters_are_there_from_the_first_scrape(self):
        exporter = self.start()
        metrics = exporter.metrics()
        names = {series.partition("{")[0] for series in metrics}
        self.assertNotIn("influxdb_wal_last_checkpoint_timestamp_seconds", names)
        self.assertNotIn("influxdb_wal_last_successful_checkpoint_timestamp_seconds", names)
        for reason in ("warning", "critical", "scheduled", "manual", "alert", "pre_restart"):
            for outcome in ("succeeded", "no_op", "busy", "failed", "unverified"):
                self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason=reason,
                                              outcome=outcome), 0)
        self.assertGreater(self.counter(exporter, "influxdb_wal_filesystem_avail_bytes"), 0)

    def test_prometheus_scrapes_it(self):
        exporter = self.start()
        prometheus = Prometheus(os.path.join(self.folder, "prometheus"), interval="1s")
        self.addCleanup(prometheus.stop)
        prometheus.start(exporter.port)
        pending = self.until(lambda: prometheus.value('influxdb_wal_bytes{state="pending",target="plant"}'),
                             "pending bytes in Prometheus")
        self.assertEqual(pending, self.server.wal_bytes())
        self.assertEqual(prometheus.value('influxdb_wal_health{status="healthy"}'), 1)
        rules = self.until(prometheus.alert_rules, "our alert rules")
        self.assertTrue({"InfluxDBWALCritical", "InfluxDBWALCheckpointFailing", "InfluxDBWALExporterDown"} <= set(rules))
        self.until(lambda: all(rule["health"] == "ok" for rule in prometheus.alert_rules().values()),
                   "each rule evaluated without error")

    def test_two_targets(self):
        one = self.influxd("one", databases=("plant",), grow=2 * MIB)
        two = self.influxd("two", databases=("office",), grow=5 * MIB)
        exporter = self.exporter(settings(target(one, "one"), target(two, "two", thresholds={"max_size": "4MiB"},
                                                                     checkpoint={"method": "none"})))
        self.assertEqual([t["name"] for t in exporter.get("/api/v1/targets").json["targets"]], ["one", "two"])
        self.assertEqual(exporter.get("/wal-management/health").json["healthStatus"], "healthy")
        body = exporter.get("/wal-management/health?target=two").json
        self.assertEqual(body["healthStatus"], "warning")
        self.assertEqual(round(body["totalSizeGB"] * (1 << 30)), two.wal_bytes())
        unknown = exporter.get("/wal-management/health?target=three")
        self.assertEqual(unknown.status, 404)
        self.assertIn("one", unknown.text)
        self.assertIn("two", unknown.text)
        answer = exporter.post("/wal-management/checkpoint?target=one")
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(one.wal_bytes(), 0)
        self.assertGreater(two.wal_bytes(), 0)
        refused = exporter.post("/wal-management/checkpoint?target=two")
        self.assertEqual(refused.status, 409, refused.text)
        self.assertIn("method_disabled", refused.text)
        # One server gone: the other target goes on.
        one.kill()
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up", target="one") == 0, "one is down")
        self.assertEqual(self.counter(exporter, "influxdb_wal_server_up", target="two"), 1)

    def test_the_guard_without_users(self):
        exporter = self.start()
        path = "/wal-management/checkpoint"
        own = f"http://127.0.0.1:{exporter.port}"
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": own + "1"},
                        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                        {"Host": "wal.example"}, {"Host": "evil.example:3002"},
                        {"Forwarded": "for=1.2.3.4"}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-Host": "x"},
                        {"X-Forwarded-Proto": "https"}, {"X-Real-IP": "127.0.0.1"}, {"Via": "1.1 proxy"}):
            answer = exporter.post(path, headers=headers)
            self.assertEqual(answer.status, 403, f"{headers}: {answer.status} {answer.text}")
            self.assertFalse(answer.json["success"])
        self.assertIn("web.config.file", exporter.post(path, headers={"Via": "1.1 proxy"}).text)
        self.assertEqual(exporter.post("/-/reload", headers={"Origin": "http://evil.example"}).status, 403)
        connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
        self.addCleanup(connection.close)
        connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
        connection.request("POST", path)
        self.assertEqual(connection.getresponse().status, 403)
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        self.assertGreater(self.server.wal_bytes(), 0)
        for method in ("GET", "PUT", "DELETE"):
            self.assertIn(request(method, exporter.url + path).status, (404, 405))
        # `?override=true` needs a login.
        self.assertEqual(exporter.post(path + "?override=true").status, 403)
        for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}, {"Host": f"localhost:{exporter.port}"}):
            self.assertEqual(exporter.post(path, headers=headers).status, 200, headers)

    def nginx(self, port):
        listen = free_port()
        self.start_nginx(f"server {{ listen 127.0.0.1:{listen}; location / {{ proxy_pass http://127.0.0.1:{port}; }} }}",
                         lambda: get(f"http://127.0.0.1:{listen}/-/healthy").status == 200)
        return f"http://127.0.0.1:{listen}"

    def test_the_guard_behind_nginx(self):
        exporter = self.start()
        url = self.nginx(exporter.port)
        self.assertEqual(get(url + "/wal-management/health").status, 200)
        answer = request("POST", url + "/wal-management/checkpoint")
        self.assertEqual(answer.status, 403, answer.text)
        self.assertGreater(self.server.wal_bytes(), 0)

    def users(self, text=None):
        path = os.path.join(self.folder, "web.yml")
        if text is None:
            hashed = crypt.crypt("s3cret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 5))
            text = f'basic_auth_users:\n  alice: "{hashed}"\n'
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return f"--web.config.file={path}"

    @staticmethod
    def login(name, password):
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}

    def test_logins(self):
        self.server = self.influxd(databases=("plant",), grow=2 * MIB)
        exporter = self.exporter(settings(target(self.server)), arguments=[self.users()])
        path = "/wal-management/checkpoint"
        for open_path in ("/-/healthy", "/-/ready"):
            self.assertEqual(exporter.get(open_path).status, 200)
        for closed_path in ("/metrics", "/", "/wal-management/health", "/api/v1/targets"):
            self.assertEqual(exporter.get(closed_path).status, 401)
        for headers in ({}, self.login("alice", "wrong"), self.login("bob", "s3cret"), {"Authorization": "Basic !"}):
            answer = exporter.post(path, headers=headers)
            self.assertEqual(answer.status, 401, f"{headers}: {answer.text}")
            self.assertIn("Basic", answer.headers["WWW-Authenticate"])
        good = self.login("alice", "s3cret")
        self.assertEqual(exporter.post(path, headers=dict(good, Origin="http://evil.example")).status, 403)
        self.assertGreater(self.server.wal_bytes(), 0)
        # With a login it may come from anywhere, a proxy too.
        url = self.nginx(exporter.port)
        answer = request("POST", url + path, headers=good)
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.assertEqual(self.server.wal_bytes(), 0)
        self.assertEqual(exporter.post(path + "?override=true", headers=good).status, 200)
        self.assertEqual(self.smoke(exporter, "--user", "alice:s3cret").returncode, 0)
        self.assertNotIn("s3cret", exporter.log())


if __name__ == "__main__":
    main()
