#!/usr/bin/env python3
"""Events reach a real Alertmanager, a webhook and Slack: late where the receiver
was down, in their order, signed, without a secret in anything that can be read;
and the WAL is looked at on time all the while."""

import datetime
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PATIENCE, Case, free_port, get, main, run, target  # noqa: E402
from servers import SERVERS, Process, program  # noqa: E402

SECRET = "hmac-secret-0123456789"
SLACK_PATH = "/services/T0SECRET/B0SECRET/slacksecretslacksecret"
TOKEN = "bearer-secret-0123456789"


class Alertmanager(Process):
    """Debian's Alertmanager, alone, without a cluster. It reads templates from a
    fixed place, where nothing is unless its package is installed: a copy of the
    program looks into our folder instead."""

    TEMPLATES = b"/usr/share/prometheus/alertmanager"

    def __init__(self, folder, port):
        super().__init__("alertmanager", folder)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def start(self):
        name, copy = b"own-templates", os.path.join(self.folder, "prometheus-alertmanager")
        os.symlink(SERVERS + self.TEMPLATES.decode(), os.path.join(self.folder, name.decode()))
        with open(program("prometheus-alertmanager"), "rb") as file:
            content = file.read()
        with open(copy, "wb") as file:
            file.write(content.replace(self.TEMPLATES, b"." + name.rjust(len(self.TEMPLATES) - 1, b"/")))
        os.chmod(copy, 0o755)
        config = os.path.join(self.folder, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.spawn([copy, f"--config.file={config}", f"--storage.path={self.folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="])
        self.wait_ready(lambda: get(self.url + "/-/ready").status == 200, 60)
        return self

    def firing(self):
        return {(alert["labels"]["alertname"], alert["labels"].get("target")): alert
                for alert in get(self.url + "/api/v2/alerts").json}


class Receiver:
    """An HTTP server that answers `status` after `delay` seconds and keeps what it
    took: (path, headers, body)."""

    class Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
        allow_reuse_address = True
        daemon_threads = True

    def __init__(self, port=0, status=200, delay=0):
        self.status, self.delay = status, delay
        self.taken, self.asked = [], 0
        self.ended = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.asked += 1
                receiver.ended.wait(receiver.delay)
                if receiver.status < 300:
                    receiver.taken.append((self.path, dict(self.headers), body))
                # As some servers do: it says again what it was asked.
                answer = f"{self.path} {self.headers.get('Authorization')}".encode()
                try:
                    self.send_response(receiver.status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    return

            def log_message(self, *_):
                return

        self.server = self.Threads(("127.0.0.1", port), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def events(self):
        return [json.loads(body) for _, _, body in self.taken]

    def close(self):
        if not self.ended.is_set():
            self.ended.set()
            self.server.shutdown()
            self.server.server_close()
            self.thread.join(10)


class Hooks(Case):
    def receiver(self, **arguments):
        receiver = Receiver(**arguments)
        self.addCleanup(receiver.close)
        return receiver

    def secret(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        return path

    def settings(self, *targets, hooks):
        return json.dumps({"targets": list(targets), "hooks": hooks}, indent=1)

    def hook(self, exporter, name):
        return next(hook for hook in exporter.get("/api/v1/hooks").json["hooks"] if hook["name"] == name)

    def failures(self, exporter, name):
        return self.counter(exporter, "influxdb_wal_exporter_hook_failures_total", hook=name)

    def test_alertmanager_is_told_whatever_happened_to_it_and_to_the_exporter(self):
        influxd = self.influxd(databases=["plant"])
        port = free_port()
        broken = 'bro"ken\n<b>&'
        watched = {"thresholds": {"max_size": "1MiB"}, "sampling": {"interval": "1s"}}
        late = free_port()
        hooks = [{"name": "am", "type": "alertmanager", "urls": [f"http://127.0.0.1:{port}"], "timeout": "1s",
                  "resend": "30s", "retry": {"first": "100ms", "longest": "300ms"}, "labels": {"team": "db"}},
                 {"name": "late", "type": "webhook", "url": f"http://127.0.0.1:{late}/in",
                  "retry": {"first": "100ms", "longest": "500ms"}}]

        copied = shutil.copytree(influxd.wal, os.path.join(self.folder, "copied"))

        def text(method):
            # The second target's checkpoints fail: nobody listens where it asks.
            return self.settings(target(influxd, **watched, checkpoint={"method": method}),
                                 target(influxd, name=broken, **watched, wal={"directory": copied},
                                        influxdb={"backup_address": f"127.0.0.1:{free_port()}"}), hooks=hooks)
        exporter = self.exporter(text("none"))
        began, samples = time.time(), self.counter(exporter, "influxdb_wal_samples_total", target="plant")

        def fails_on(what, error):
            """Until three more deliveries failed; the WAL was looked at meanwhile."""
            goal = self.failures(exporter, "am") + 3

            def looked():
                age = time.time() - self.counter(exporter, "influxdb_wal_sample_timestamp_seconds", target="plant")
                self.assertLess(age, PATIENCE / 4, f"the last look is {age:.1f} s old while Alertmanager {what}")
                return self.failures(exporter, "am") >= goal
            self.until(looked, f"Alertmanager {what}: three failures. Log:\n{exporter.tail(20)}")
            self.assertIn(error, self.hook(exporter, "am")["last_error"])

        fails_on("is down", "Connection refused")
        self.assertGreater(self.counter(exporter, "influxdb_wal_exporter_hook_queue_length", hook="am"), 0)
        refusing = self.receiver(port=port, status=500)
        fails_on("answers 500", "answered 500")
        refusing.close()
        slow = self.receiver(port=port, delay=30)
        fails_on("answers slowly", "hangs or is overloaded")
        taken = self.counter(exporter, "influxdb_wal_samples_total", target="plant") - samples
        # One a second, at least a third of them on a machine that does other things too.
        self.assertGreater(taken, (time.time() - began) / 3 - 1)
        slow.close()

        self.assertEqual(self.hook(exporter, "late")["deliveries"], 0)
        wanted = {entry["id"] for name in ("plant", broken)
                  for entry in exporter.history(urllib.parse.quote(name, safe=""))
                  if entry["kind"].startswith("wal.")}
        self.assertGreaterEqual(len(wanted), 4, wanted)
        exporter.kill()
        alertmanager = Alertmanager(os.path.join(self.folder, "alertmanager"), port)
        self.addCleanup(alertmanager.stop)
        alertmanager.start()
        inbox = self.receiver(port=late)
        exporter.start().wait_good_sample()

        self.until(lambda: ("InfluxDBWALHealth", "plant") in alertmanager.firing(),
                   lambda: f"the alert; Alertmanager has {alertmanager.firing()}. Log:\n{exporter.tail(20)}")
        alert = alertmanager.firing()[("InfluxDBWALHealth", "plant")]
        self.assertEqual({key: alert["labels"][key] for key in ("severity", "team", "source")},
                         {"severity": "critical", "team": "db", "source": "influxdb_wal_exporter"})
        self.assertIn("Immediate checkpoint required", alert["annotations"]["description"])
        self.assertEqual(alert["labels"]["instance"], f"{socket.gethostname()}:{exporter.port}")
        # The exporter may die: nothing that it told ends within the day, but its own sign of life.
        ends = {name: datetime.datetime.fromisoformat(one["endsAt"].replace("Z", "+00:00")).timestamp()
                for (name, _), one in alertmanager.firing().items()}
        self.assertGreater(ends["InfluxDBWALHealth"], time.time() + 23 * 3600)
        self.assertLess(ends["InfluxDBWALWatchdog"], time.time() + 4 * 30 + 5)
        self.assertIn("No news from the exporter since", alert["annotations"]["resolved"])
        self.assertIn(("InfluxDBWALCheckpointFailed", broken), alertmanager.firing())

        # All that happened before the kill, once and in its order.
        self.until(lambda: wanted <= {event["id"] for event in inbox.events()}, lambda: f"{wanted}: {inbox.events()}")
        ids = [event["id"] for event in inbox.events()]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertEqual(self.counter(exporter, "influxdb_wal_exporter_hook_dropped_total"), 0)

        # Well before the end that was announced with the alert, 4 x 30 s ahead.
        exporter.configure(text("auto"))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.wait_checkpoint(exporter, target="plant", outcome="succeeded")
        self.until(lambda: ("InfluxDBWALHealth", "plant") not in alertmanager.firing(),
                   lambda: f"the end of the alert; log:\n{exporter.tail(20)}", seconds=60)

    def test_webhook_is_signed_slack_is_escaped_and_no_secret_is_seen(self):
        influxd = self.influxd(databases=["plant"])
        inbox, slack = self.receiver(), self.receiver(status=410)
        template = '{"text": "{{severity}} {{target}}: {{summary}}", "to": {{detail.to}}, "bytes": {{detail.sample.pending.bytes}}}'
        signed = {"name": "signed", "type": "webhook", "url": inbox.url + "/signed", "events": ["wal.health"],
                  "headers": {"X-Team": "ops"}, "template": template,
                  "hmac_secret_file": self.secret("hmac", SECRET),
                  "bearer_token_file": self.secret("token", TOKEN)}
        chat = {"name": "chat", "type": "slack", "url_file": self.secret("slack", slack.url + SLACK_PATH),
                "events": ["wal.health"], "min_severity": "warning",
                "retry": {"first": "50ms", "longest": "100ms"}}
        name = 'pl"ant <b>&\n{{summary}}'
        # Looked at seldom enough that no look is ever late, which would be an event too.
        text = self.settings(target(influxd, name=name, thresholds={"max_size": "1MiB"}, sampling={"interval": "10s"},
                                    checkpoint={"method": "none"}), hooks=[signed, chat])
        exporter = self.exporter(text, arguments=["--log.level=debug"])
        self.until(lambda: inbox.taken, lambda: f"the webhook; log:\n{exporter.tail(20)}")
        path, headers, body = inbox.taken[0]
        self.assertEqual((path, headers["X-Team"], headers["Authorization"], headers["Content-Type"]),
                         ("/signed", "ops", "Bearer " + TOKEN, "application/json"))
        told = json.loads(body)
        self.assertTrue(told["text"].startswith(f"critical {name}: health: unknown -> critical"), told)
        self.assertEqual((told["to"], type(told["bytes"])), ("critical", int))
        timestamp = headers["X-Influxdb-Wal-Timestamp"]
        self.assertLess(abs(int(timestamp) - time.time()), 2 * PATIENCE)
        expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        self.assertEqual(headers["X-Influxdb-Wal-Signature"], "sha256=" + expected)

        # 410, and so for good: dropped, and seen to be.
        dropped = self.until(lambda: self.counter(exporter, "influxdb_wal_exporter_hook_dropped_total", hook="chat"),
                             lambda: f"the drop; log:\n{exporter.tail(20)}")
        self.assertEqual((dropped, self.failures(exporter, "chat"), slack.asked), (1, 3, 3))
        seen = self.hook(exporter, "chat")
        self.assertEqual((seen["type"], seen["receivers"]), ("slack", []))
        self.assertIn("answered 410", seen["last_error"])
        self.assertEqual(self.hook(exporter, "signed")["receivers"], [inbox.url])

        # It is let in again; what comes next arrives, its file having changed meanwhile.
        slack.status = 200
        self.secret("slack", slack.url + SLACK_PATH + "/moved")
        exporter.configure(text.replace("1MiB", "8MiB"))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.until(lambda: slack.taken, lambda: f"Slack's message; log:\n{exporter.tail(20)}")
        path, _, body = slack.taken[0]
        self.assertEqual(path, SLACK_PATH + "/moved")
        message = json.loads(body)
        attachment = message["attachments"][0]
        self.assertEqual(attachment["color"], "#9a6700")
        self.assertIn('pl"ant &lt;b&gt;&amp;\n', attachment["blocks"][0]["text"]["text"])

        for place, content in (("log", exporter.log()), ("metrics", exporter.get("/metrics").text),
                               ("hooks", exporter.get("/api/v1/hooks").text),
                               ("targets", exporter.get("/api/v1/targets").text)):
            for secret in (SECRET, TOKEN, "T0SECRET", "slacksecret"):
                self.assertNotIn(secret, content, f"a secret is in the {place}")

    def test_settings_are_checked_with_their_files_and_templates(self):
        def check(hook):
            path = os.path.join(self.folder, "check.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("targets: [{wal: {directory: /w}}]\nhooks:\n- " + hook)
            done = run(f"--config.file={path}", "--config.check")
            return done.returncode, done.stderr

        code, text = check("{name: a, type: slack, url_file: missing}\n")
        self.assertEqual(code, 1)
        self.assertIn("check.yml:3: hook a: ", text)
        self.assertIn("missing", text)
        self.assertIn("readable by the exporter's user", text)
        code, text = check("name: a\n  type: webhook\n  url: http://127.0.0.1:1/\n  template: '{{sumary}}'\n")
        self.assertEqual(code, 1)
        self.assertIn("check.yml:6: hook a: template: '{{sumary}}' is not a name it knows", text)
        self.secret("url", "https://user:" + TOKEN + "@127.0.0.1/x")
        code, text = check("{name: a, type: slack, url_file: url}\n")
        self.assertEqual(code, 1)
        self.assertIn("has a user or password in it", text)
        self.assertNotIn(TOKEN, text)
        self.assertEqual(check("{name: a, type: webhook, url: http://127.0.0.1:1/}\n")[0], 0)


if __name__ == "__main__":
    main()
