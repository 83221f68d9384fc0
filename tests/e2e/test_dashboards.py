#!/usr/bin/env python3
"""Every query of the dashboards, with its variables filled in as Grafana does, against a
real Prometheus that scraped a real run: an InfluxDB 1.6 with a checkpoint in it, an
InfluxDB 3 node with snapshots in it (our test server), a target far over its limit and
one that never gave a sample."""

import json
import math
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, PATIENCE, ROOT, FakeServer, Prometheus, main, target  # noqa: E402
from nodes import SECOND, NodeCase  # noqa: E402

SCRAPE = 1  # seconds
FOLDER = os.path.join(ROOT, "dashboards")
LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")
# How the health is told to Grafana's value mappings.
HEALTHY, WARNING, UNKNOWN, CRITICAL = range(4)


def accept(connection):
    """A hook's receiver that takes everything."""
    connection.settimeout(10)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def dashboards():
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".json"):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
                yield json.load(file)


def one_label(value):
    return value.replace("\\", "\\\\").replace('"', '\\"')


def any_label(values):
    """Several values as Grafana puts them into a =~ matcher."""
    escaped = [one_label(re.sub(r"([$^*{}\[\]+?.()|\\])", r"\\\1", value)) for value in values]
    return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"


class Dashboards(NodeCase):
    def start_everything(self):
        self.server = self.influxd(databases=("plant",), grow=5 * MIB)
        self.three = self.node(kept_files=3)
        self.three.write(29, time.time_ns() - 2 * self.three.gen1 * SECOND)
        self.three.write()
        self.until(lambda: self.three.covered() == 29 and len(self.three.files()) == 4, "the node's own snapshot")
        self.three.write(5)
        receiver = FakeServer(accept)
        self.addCleanup(receiver.close)
        full = os.path.join(self.folder, "full")
        os.makedirs(os.path.join(full, "plant", "autogen", "1"))
        for number in range(1, 6):
            with open(os.path.join(full, "plant", "autogen", "1", f"_{number:05d}.wal"), "wb") as file:
                file.write(b"\x01" * 1000)
        without_server = {"influxdb": {"version": 1}, "sampling": {"interval": "300ms"}}
        self.exporter_process = self.exporter(json.dumps({
            "targets": [
                target(self.server, thresholds={"max_size": "8MiB"}, checkpoint={"cooldown": "10m"}),
                self.node_target(self.three, {"enabled": False}, name="node"),
                {"name": "full", "wal": {"directory": full}, "thresholds": {"max_files": 2}, **without_server},
                {"name": "gone", "wal": {"directory": os.path.join(self.folder, "gone")}, **without_server},
            ],
            "hooks": [{"name": "ops", "type": "webhook", "url": f"http://{receiver.address}/"}],
        }))
        self.prometheus = Prometheus(os.path.join(self.folder, "prometheus"), interval=f"{SCRAPE}s")
        self.addCleanup(self.prometheus.stop)
        self.began = time.time()
        self.prometheus.start(self.exporter_process.port)

    def wait_value(self, expression, what):
        return self.until(lambda: self.prometheus.value(expression),
                          lambda: f"{what}; the exporter's log:\n{self.exporter_process.tail()}", 2 * PATIENCE)

    def let_things_happen(self):
        self.wait_value('sum_over_time(influxdb_wal_health{target="plant",status="healthy"}[5m]) > 2', "a healthy target scraped")
        self.server.grow("plant", 5 * MIB)
        self.wait_value('influxdb_wal_checkpoints_total{target="plant",reason="warning",outcome="succeeded"} == 1',
                        "a checkpoint by warning in Prometheus")
        self.three.write(60)
        self.wait_value('changes(influxdb_wal_last_snapshot_timestamp_seconds{target="node"}[5m]) > 0', "a second snapshot")
        self.three.write(3)
        self.server.grow("plant", 10 * MIB)
        self.wait_value('sum_over_time(influxdb_wal_checkpoint_blocked{target="plant",blocker="cooldown"}[5m]) > 2', "a blocker")
        left = len(self.three.pending())
        self.wait_value(f'influxdb_wal_files{{target="node",state="pending"}} == {left}', f"{left} files of the node pending")
        for name in ("plant", "node"):
            self.wait_value(f'influxdb_wal_growth_bytes_per_second{{target="{name}"}}', f"the growth of {name}")
            self.wait_value(f'influxdb_wal_threshold_eta_seconds{{target="{name}"}}', f"the forecast of {name}")
        self.wait_value('influxdb_wal_exporter_hook_deliveries_total > 0', "a hook delivered to")

    def values_of(self, variable, chosen):
        """What Grafana would offer for it, given the variables before it."""
        selector, label = LABEL_VALUES.fullmatch(self.filled(variable["definition"], chosen)).groups()
        found = self.prometheus.api("series", **{"match[]": selector, "start": self.began, "end": time.time()})
        return sorted({series[label] for series in found})

    def choose(self, dashboard, target_name):
        """The text of each variable in a query: all values where several can be chosen."""
        chosen = {}
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            offered = self.values_of(variable, chosen)
            with self.subTest(dashboard=dashboard["uid"], variable=variable["name"]):
                self.assertEqual(offered, {"job": ["influxdb_wal"], "instance": [f"127.0.0.1:{self.exporter_process.port}"],
                                           "target": ["full", "gone", "node", "plant"]}[variable["name"]])
            one = target_name if variable["name"] == "target" else offered[0]
            chosen[variable["name"]] = any_label(offered) if variable["multi"] else one_label(one)
        return chosen

    def filled(self, expr, chosen, interval=None):
        step = {"1m": 60, "5m": 300, "30s": 30, None: SCRAPE}[interval]
        built_in = {"__rate_interval": f"{max(step + SCRAPE, 4 * SCRAPE)}s", "__range": f"{math.ceil(time.time() - self.began)}s"}
        text = re.sub(r"\$(\w+)", lambda match: {**chosen, **built_in}[match[1]], expr)
        self.assertNotIn("$", text)
        return text

    def ask(self, expr, instant):
        """The series with their finite values."""
        now = time.time()
        if instant:
            result = self.prometheus.api("query", query=expr, time=now)["result"]
            found = [(one["metric"], [one["value"]]) for one in result]
        else:
            result = self.prometheus.api("query_range", query=expr, start=self.began, end=now, step=1)["result"]
            found = [(one["metric"], one["values"]) for one in result]
        series = [(labels, [float(value) for _, value in values if math.isfinite(float(value))]) for labels, values in found]
        return [(labels, values) for labels, values in series if values]

    def targets_for(self, uid, node_only):
        if uid != "influxdb-wal-target":
            return ("plant",)
        return ("node",) if node_only else ("plant",)

    def panel(self, uid, title):
        dashboard = next(one for one in dashboards() if one["uid"] == uid)
        return next(panel for panel in dashboard["panels"] if panel["title"] == title)

    def shown(self, uid, title, target_name="plant", query=0):
        """What a panel's query gives, for the dashboard's variables."""
        dashboard = next(one for one in dashboards() if one["uid"] == uid)
        panel = self.panel(uid, title)
        wanted = panel["targets"][query]
        chosen = self.choose(dashboard, target_name)
        return self.ask(self.filled(wanted["expr"], chosen, panel.get("interval")), wanted["instant"])

    def test_every_query_returns_data_and_states_are_told_right(self):
        self.start_everything()
        self.let_things_happen()
        asked = 0
        for dashboard in dashboards():
            uid = dashboard["uid"]
            for name in ("plant", "node"):
                chosen = self.choose(dashboard, name)
                for panel in dashboard["panels"]:
                    for wanted in panel.get("targets", ()):
                        if name not in self.targets_for(uid, "InfluxDB 3 only." in panel["description"]):
                            continue
                        asked += 1
                        with self.subTest(dashboard=uid, panel=panel["title"], query=wanted["refId"]):
                            expr = self.filled(wanted["expr"], chosen, panel.get("interval"))
                            self.assertTrue(self.ask(expr, wanted["instant"]), f"no data: {expr}")
                for annotation in dashboard["annotations"]["list"]:
                    if "builtIn" in annotation or name not in self.targets_for(uid, annotation.get("textFormat") == "InfluxDB 3 only."):
                        continue
                    asked += 1
                    with self.subTest(dashboard=uid, annotation=annotation["name"]):
                        expr = self.filled(annotation["expr"], chosen, annotation["step"])
                        self.assertTrue(self.ask(expr, False), f"no data: {expr}")
        self.assertGreater(asked, 100)
        self.assert_states()
        self.assert_marks()

    def assert_states(self):
        health = {labels["target"]: values[0] for labels, values in self.shown("influxdb-wal-overview", "Which target needs me")}
        self.assertEqual(health, {"plant": WARNING, "node": HEALTHY, "full": CRITICAL, "gone": UNKNOWN})
        mapping = self.panel("influxdb-wal-target", "Health")["fieldConfig"]["defaults"]["mappings"][0]["options"]
        self.assertEqual({int(code): word["text"] for code, word in mapping.items()},
                         {HEALTHY: "healthy", WARNING: "warning", UNKNOWN: "unknown", CRITICAL: "critical"})
        for title, number in (("Critical", 1), ("Warning", 1), ("Unknown", 1), ("Healthy", 1), ("Exporters down", 0)):
            self.assertEqual(self.shown("influxdb-wal-overview", title)[0][1], [number], title)
        for name, code in health.items():
            self.assertEqual(self.shown("influxdb-wal-target", "Health", name)[0][1], [code], name)
        mapping = self.panel("influxdb-wal-target", "Not shrinking because of")["fieldConfig"]["defaults"]["mappings"][0]["options"]
        code = self.shown("influxdb-wal-target", "Not shrinking because of", "node")[0][1][0]
        self.assertEqual(mapping[str(int(code))]["text"], "too_few_files")
        # It snapshots by itself, so that is no complaint.
        self.assertIsNone(self.exporter_process.target("node")["not_shrinking"])

        self.assertEqual(self.shown("influxdb-wal-target", "Last checkpoint")[0][1], [1])
        blockers = {labels["blocker"] for labels, _ in self.shown("influxdb-wal-target", "Blockers")}
        self.assertTrue({"cooldown"} <= blockers <= {"cooldown", "min_interval"}, blockers)
        self.assertEqual([labels["blocker"] for labels, _ in self.shown("influxdb-wal-target", "Blockers", "node")], ["none"])
        done = {(labels["reason"], labels["outcome"]): values[0]
                for labels, values in self.shown("influxdb-wal-target", "Checkpoints in this time range")}
        self.assertEqual({pair: count for pair, count in done.items() if count}, {("warning", "succeeded"): 1})
        self.assertEqual(len(done), 30)

    def assert_marks(self):
        """Annotations stand where something happened, and nowhere else."""
        dashboard = next(one for one in dashboards() if one["uid"] == "influxdb-wal-target")
        for name, target_name, happened in (("Checkpoints", "plant", True), ("Health changes", "plant", True),
                                            ("Checkpoints that did not succeed", "plant", False), ("Restarts", "plant", False),
                                            ("Snapshots by the server", "node", True)):
            annotation = next(one for one in dashboard["annotations"]["list"] if one["name"] == name)
            expr = self.filled(annotation["expr"], self.choose(dashboard, target_name), annotation["step"])
            marked = any(value > 0 for _, values in self.ask(expr, False) for value in values)
            self.assertEqual(marked, happened, name)


if __name__ == "__main__":
    main()
