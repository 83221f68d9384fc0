#!/usr/bin/env python3
"""Events as a page and as a stream, alerts that come back, a pause, and windows:
on a real InfluxDB."""

import http.client
import json
import os
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, PATIENCE, ROOT, Case, main, run, settings, target  # noqa: E402

import jsonschema  # noqa: E402

with open(os.path.join(ROOT, "exporter", "events", "schema", "event.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)
TOKEN = "al3rt-t0ken"


class Stream(threading.Thread):
    """Reads server-sent events until it is closed or the server ends it."""

    def __init__(self, exporter, headers=None, path="/api/v1/events/stream"):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=PATIENCE)
        self.connection.request("GET", path, headers=headers or {})
        self.socket = self.connection.sock  # the response takes it over
        self.response = self.connection.getresponse()
        self.messages, self.comments, self.ended = [], 0, threading.Event()
        self.start()

    def run(self):
        fields = {}
        try:
            for line in self.response:
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                else:
                    if "data" in fields:
                        self.messages.append(dict(fields, data=json.loads(fields["data"])))
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError):
            pass  # broken off: what came until then counts
        self.ended.set()

    def ids(self):
        return [int(message["id"]) for message in self.messages]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was first
        self.ended.wait(PATIENCE)


class Events(Case):
    def start(self, grow=5 * MIB, top=None, **sections):
        self.server = self.influxd(databases=("plant",), grow=grow)
        text = json.loads(settings(target(self.server, **sections)))
        text.update(top or {})
        return self.exporter(json.dumps(text))

    def events(self, exporter, query=""):
        answer = exporter.get("/api/v1/events" + query)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json["events"]

    def test_every_event_follows_the_schema_and_rests_on_a_sample(self):
        exporter = self.start(thresholds={"max_size": "4MiB"})
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        exporter.post("/wal-management/checkpoint")  # nothing is pending any more
        found = self.until(lambda: len(self.events(exporter)) >= 5 and self.events(exporter), "five events")
        for event in found:
            jsonschema.validate(event, SCHEMA)
            self.assertEqual(event["target"], "plant")
            self.assertIsNotNone(event["detail"]["sample"])
        self.assertEqual([e["id"] for e in found], sorted((e["id"] for e in found), reverse=True))
        told = [(e["type"], e["severity"], e["detail"].get("to") or e["detail"].get("outcome")) for e in reversed(found)]
        self.assertEqual(told[:4], [("wal.health", "warning", "warning"), ("wal.checkpoint", "info", None),
                                    ("wal.checkpoint", "info", "succeeded"), ("wal.health", "info", "healthy")])
        self.assertEqual(told[4], ("wal.checkpoint", "info", "no_op"))
        before = found[-1]["detail"]["sample"]["pending"]["bytes"]
        self.assertGreater(before, 4 * MIB)
        ended = [e for e in found if e["detail"].get("outcome") == "succeeded"][0]
        self.assertEqual(ended["detail"]["sample"]["pending"]["bytes"], 0)
        self.assertEqual(ended["detail"]["reclaimed"]["bytes"], before)
        # Filters and pages.
        self.assertEqual(len(self.events(exporter, "?type=wal.health")), 2)
        self.assertEqual(len(self.events(exporter, "?target=plant&limit=2")), 2)
        page = exporter.get("/api/v1/events?limit=2").json
        self.assertEqual([e["id"] for e in self.events(exporter, f"?before={page['next_before']}")],
                         [e["id"] for e in found[2:]])
        self.assertEqual(exporter.get("/api/v1/events?type=x").status, 400)
        self.assertEqual(exporter.get("/api/v1/events?target=x").status, 404)

    def test_a_stream_tells_at_once_and_goes_on_after_a_restart(self):
        exporter = self.start(thresholds={"max_size": "1GiB"})
        stream = Stream(exporter)
        self.assertEqual(stream.response.status, 200)
        self.assertIn("text/event-stream", stream.response.headers["Content-Type"])
        self.until(lambda: stream.comments, "the stream is open")
        self.assertEqual(exporter.post("/wal-management/checkpoint").status, 200)
        self.until(lambda: len(stream.messages) >= 2, "start and end of the checkpoint")
        self.assertEqual([m["event"] for m in stream.messages], ["wal.checkpoint"] * 2)
        self.assertEqual([m["data"]["detail"]["state"] for m in stream.messages], ["started", "ended"])
        for message in stream.messages:
            jsonschema.validate(message["data"], SCHEMA)
            self.assertEqual(int(message["id"]), message["data"]["id"])
        first, last = stream.ids()
        # A stream that is open delays neither the stop nor what comes after.
        begin = time.monotonic()
        self.assertEqual(exporter.stop(), 0)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertTrue(stream.ended.wait(PATIENCE))
        exporter.start().wait_good_sample()
        again = Stream(exporter, {"Last-Event-ID": str(first)})
        self.until(lambda: last in again.ids(), "what was missed")
        self.assertEqual(again.ids()[0], last, "nothing is told twice")
        again.close()

    def test_streams_never_keep_scrapes_out(self):
        exporter = self.start()
        streams = []
        for _ in range(12):
            stream = Stream(exporter)
            streams.append(stream)
        refused = [s.response for s in streams if s.response.status == 503]
        self.assertEqual(len(streams) - len(refused), 8)
        self.assertTrue(all(r.headers["Retry-After"] for r in refused))
        self.assertEqual(exporter.get("/metrics").status, 200)
        for stream in streams:
            stream.close()
        # Clients that are gone are noticed at the next sign of life.
        def one_more():
            stream = Stream(exporter)
            stream.close()
            return stream.response.status == 200
        self.until(one_more, "a place is free again")

    def message(self, *targets, fingerprint="f1", status="firing"):
        return json.dumps({"version": "4", "groupKey": "{}", "status": status, "receiver": "exporter", "alerts": [
            {"status": status, "labels": {"alertname": "InfluxDBWALCritical", "target": name}, "annotations": {},
             "startsAt": "2026-11-25T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": fingerprint}
            for name in targets]}).encode()

    def alert(self, exporter, body, token=TOKEN):
        return exporter.post("/api/v1/alerts", body=body, headers={"Authorization": f"Bearer {token}",
                                                                   "Content-Type": "application/json"})

    def test_an_alert_starts_one_checkpoint_and_no_second(self):
        path = os.path.join(self.folder, "alerts-token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(TOKEN + "\n")
        exporter = self.start(top={"alerts": {"token_file": path}})
        self.assertEqual(self.alert(exporter, self.message("plant"), "wrong").status, 401)
        left = self.alert(exporter, self.message("office"))
        self.assertEqual((left.status, left.json["unknown"][0]["target"], left.json["targets"]), (200, "office", ["plant"]))
        self.assertEqual(self.alert(exporter, b"{}").status, 400)
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        answer = self.alert(exporter, self.message("plant"))
        self.assertEqual((answer.status, answer.json["results"][0]["action"]), (200, "started"), answer.text)
        self.wait_checkpoint(exporter, reason="alert", outcome="succeeded")
        self.assertEqual(self.server.wal_bytes(), 0)
        self.server.grow("plant", 2 * MIB)
        self.assertEqual(self.alert(exporter, self.message("plant")).json["results"][0]["action"], "already_served")
        # Also after a restart of the exporter; another instance gets its own.
        exporter.stop()
        exporter.start().wait_good_sample()
        self.assertEqual(self.alert(exporter, self.message("plant")).json["results"][0]["action"], "already_served")
        self.assertGreater(self.server.wal_bytes(), 0)
        self.assertEqual(self.alert(exporter, self.message("plant", fingerprint="f2")).status, 200)
        self.wait_checkpoint(exporter, reason="alert", outcome="succeeded")
        self.assertEqual(self.server.wal_bytes(), 0)
        # What can't be now is said, and not asked for again and again; the history has it once.
        self.server.grow("plant", 1 * MIB)
        exporter.post("/api/v1/targets/plant/pause")
        for _ in range(3):
            answer = self.alert(exporter, self.message("plant", fingerprint="f3"))
            self.assertEqual((answer.status, answer.json["results"][0]["blockers"]), (200, ["paused"]), answer.text)
            self.assertIn("blocked by paused", answer.json["message"])
        refused = [e for e in exporter.get("/api/v1/targets/plant/history").json["entries"] if e["summary"].startswith("refused")]
        self.assertEqual(len(refused), 1, refused)
        self.assertNotIn(TOKEN, exporter.log())

    def test_an_alert_that_comes_while_influxdb_is_down_is_served_when_it_is_repeated(self):
        path = os.path.join(self.folder, "alerts-token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(TOKEN)
        exporter = self.start(top={"alerts": {"token_file": path}})
        self.server.kill()
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == 0, "InfluxDB is down")
        answer = self.alert(exporter, self.message("plant"))
        self.assertEqual((answer.status, answer.json["results"][0]["blockers"]), (200, ["server_unreachable"]))
        self.server.start()
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == 1, "InfluxDB is up")
        # InfluxDB closes the segment that it reopened at its start with the next write.
        self.server.grow("plant", 1 * MIB)
        self.assertEqual(self.alert(exporter, self.message("plant")).json["results"][0]["action"], "started")
        self.wait_checkpoint(exporter, reason="alert", outcome="succeeded")

    def test_a_pause_binds_everyone_survives_a_restart_and_ends(self):
        exporter = self.start(thresholds={"max_size": "16MiB"})
        paused = exporter.post("/api/v1/targets/plant/pause?for=10m")
        self.assertEqual((paused.status, paused.json["paused"]), (200, True))
        self.server.grow("plant", 14 * MIB)
        self.until(lambda: exporter.target()["decision"]["blockers"] == ["paused"], "warning, and paused")
        self.assertIn(paused.json["paused_until"], exporter.target()["decision"]["explanation"])
        refused = exporter.post("/wal-management/checkpoint")
        self.assertEqual(refused.status, 409)
        self.assertIn("paused", refused.json["blockers"])
        exporter.kill()
        exporter.start().wait_good_sample()
        self.assertEqual(exporter.target()["paused_until"], paused.json["paused_until"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_actions_paused"), 1)
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        # The end of a short one is enough.
        exporter.post("/api/v1/targets/plant/pause?for=1s")
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        self.assertEqual(self.counter(exporter, "influxdb_wal_actions_paused"), 0)
        self.assertIsNone(exporter.target()["paused_until"])
        kinds = [entry["kind"] for entry in exporter.history("plant")]
        self.assertEqual(kinds.count("pause"), 2)

    def test_maintenance_holds_back_what_is_not_a_planned_restart(self):
        exporter = self.start(maintenance=[{"from": "00:00", "to": "24:00"}], thresholds={"max_size": "4MiB"})
        self.until(lambda: exporter.target()["decision"]["blockers"] == ["maintenance"], "warning, in maintenance")
        self.assertEqual(exporter.post("/wal-management/checkpoint").json["blockers"], ["maintenance"])
        self.assertGreater(self.server.wal_bytes(), 0)
        refused = exporter.post("/api/v1/targets/plant/prepare-restart")
        self.assertEqual((refused.status, refused.json["blockers"]), (409, ["maintenance"]), refused.text)
        # The command line has a login: the token in the state directory.
        prepared = run("--prepare-restart", f"--config.file={exporter.config}", f"--state.directory={exporter.state}")
        self.assertEqual(prepared.returncode, 0, prepared.stdout + prepared.stderr)
        self.assertIn("Safe to restart", prepared.stdout)
        self.assertEqual(self.server.wal_bytes(), 0)

    def test_outside_the_windows_nothing_starts(self):
        exporter = self.start(checkpoint={"windows": [{"from": "2020-01-01T00:00", "to": "2020-01-02T00:00"}]},
                              thresholds={"max_size": "1MiB"})
        self.until(lambda: exporter.target()["decision"]["blockers"] == ["outside_window"], "critical, and outside")
        self.assertIn("none is to come", exporter.target()["decision"]["explanation"])
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        self.assertGreater(self.server.wal_bytes(), 0)


if __name__ == "__main__":
    main()
