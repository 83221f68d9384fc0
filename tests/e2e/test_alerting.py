#!/usr/bin/env python3
"""From a WAL that is too large to the people who have to know: the rules in a real
Prometheus, rules/alertmanager/alertmanager.yml in a real Alertmanager, and what arrives."""

import datetime
import html.parser
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from alerting import AWS, SECRETS, Alertmanager, Inbox, Mailbox, bundled, read_rules  # noqa: E402
from harness import ROOT, Case, Prometheus, get, main, settings, target  # noqa: E402
from servers import program  # noqa: E402

# The slowest way: a scrape, an evaluation, a group's wait, all on a busy machine.
LONG = 90


ALERT_SUMMARY = dict(re.findall(r"^ +- alert: (\w+)\n.*?^ +summary: (.+?)$", "\n".join(read_rules().values()), re.M | re.S))
ALERTS = re.findall(r"^ +- alert: (\w+)", "\n".join(read_rules().values()), re.M)
WITHOUT_TARGET = {"ExporterDown", "ExporterRestarting", "HookFailing", "HookDropping", "ConfigReloadFailed", "StateNotKept"}
CHECKPOINTS = {"CheckpointFailing", "CheckpointUnverified", "CheckpointPartial", "CheckpointBlocked", "CheckpointHeld",
               "NoSuccessfulCheckpoint"}
# What is not told while the first one fires. All else is.
CONSEQUENCES = {
    "ExporterDown": {name.removeprefix("InfluxDBWAL") for name in ALERTS} - {"ExporterDown"},
    "TargetLeft": {name.removeprefix("InfluxDBWAL") for name in ALERTS} - {"TargetLeft"} - WITHOUT_TARGET,
    "SampleStale": CHECKPOINTS | {"Warning", "Critical", "CriticalForLong", "CriticalAgain", "TimeToCritical", "ReplayLong", "SnapshotStalled",
                                  "SnapshotBlockedByFutureData", "SnapshotBudgetLow", "DamagedFile", "ForeignFile", "NewerFormat",
                                  "SequenceGap", "FilesVanished", "FilesMissing", "Uncounted", "ShardFailing", "ShardOrphaned",
                                  "FilesystemWillFill", "FilesystemFull", "WatchDegraded"},
    "CriticalForLong": {"Critical", "CriticalAgain", "Warning", "TimeToCritical", "NoSuccessfulCheckpoint", "CheckpointHeld", "ReplayLong"},
    "Critical": {"CriticalAgain", "Warning", "TimeToCritical", "NoSuccessfulCheckpoint", "CheckpointHeld", "ReplayLong"},
    "CriticalAgain": {"Warning", "TimeToCritical"},
    "FilesVanished": {"Warning", "SequenceGap"},
    "FilesMissing": {"Warning", "SequenceGap"},
    "ServerWillNotStart": {"NewestFileDamaged", "DamagedFile", "ForeignFile", "NewerFormat", "ServerUnreachable",
                           "RestartFailed"},
    "NewestFileDamaged": CHECKPOINTS | {"DamagedFile", "NewerFormat", "ServerUnreachable", "SnapshotStalled", "RestartFailed"},
    "ServerUnreachable": CHECKPOINTS | {"SnapshotStalled", "ClockOff"},
    "FilesystemFull": CHECKPOINTS | {"FilesystemWillFill", "SnapshotStalled"},
    "CheckpointFailing": {"Warning", "NoSuccessfulCheckpoint"},
    "CheckpointUnverified": {"Warning", "NoSuccessfulCheckpoint"},
    "CheckpointBlocked": {"Warning", "NoSuccessfulCheckpoint"},
    "CheckpointPartial": {"Warning", "NoSuccessfulCheckpoint"},
    "CheckpointHeld": {"Warning", "NoSuccessfulCheckpoint"},
    "SnapshotStalled": {"Warning", "NoSuccessfulCheckpoint"},
    "SnapshotBlockedByFutureData": {"Warning", "NoSuccessfulCheckpoint"},
    "Uncounted": {"Warning"},
    "ShardFailing": {"Warning", "CheckpointFailing", "CheckpointUnverified", "CheckpointPartial", "NoSuccessfulCheckpoint"},
    "SnapshotBudgetLow": {"CheckpointBlocked"},
    "HookDropping": {"HookFailing"},
}
OURS = ("https://git.example.org/influxdb_wal_exporter/", "https://grafana.example.org/")
# The tags of our e-mail.
PAGE = {"html", "head", "meta", "title", "body", "table", "tr", "td", "div", "p", "a", "b"}


class Tags(html.parser.HTMLParser):
    """The tags, links and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def part(message, kind):
    return message.get_body((kind,)).get_content()


class Alerting(Case):
    def setUp(self):
        super().setUp()
        self.mailbox, self.inbox = Mailbox(), Inbox()
        self.addCleanup(self.mailbox.close)
        self.addCleanup(self.inbox.close)

    def alertmanager(self, instance, **times):
        folder = os.path.join(self.folder, "alertmanager")
        server = Alertmanager(folder, bundled(folder, self.mailbox, self.inbox, instance, **times))
        self.addCleanup(server.stop)
        return server.start(AWS)

    def rules(self, alert, wait):
        """A copy of the rules in which `alert` waits no longer than `wait`, at its end neither."""
        folder = os.path.join(self.folder, "rules")
        os.makedirs(folder)
        count = 0
        for name, text in read_rules().items():
            text, changed = re.subn(rf"(alert: {alert}\n.*?\n +for: )\w+(\n +keep_firing_for: )\w+", rf"\g<1>{wait}\g<2>{wait}", text,
                                    count=1, flags=re.S)
            count += changed
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.assertEqual(count, 1, f"there is one rule {alert} with a 'for'")
        return os.path.join(folder, "*.yml")

    def counts(self):
        inbox = self.inbox
        return {"mail": len(self.mailbox.messages), "slack": len(inbox.at("/slack")), "sms": len(inbox.sms()),
                "webhook": len(inbox.at("/webhook")), "exporter": len(inbox.at("/api/v1/alerts"))}

    def wait_counts(self, expected, what):
        self.until(lambda: all(count >= expected[name] for name, count in self.counts().items()),
                   lambda: f"{what}: {expected} are told; there are {self.counts()}", LONG)
        self.assertEqual(self.counts(), expected, what)

    def test_critical_and_its_end_arrive_once_on_each_channel(self):
        influxd = self.influxd(databases=["plant"])
        limits = {"thresholds": {"max_size": "1MiB"}, "sampling": {"interval": "10s"}}
        exporter = self.exporter(settings(target(influxd, dry_run=True, **limits)))
        instance = f"127.0.0.1:{exporter.port}"
        alertmanager = self.alertmanager(instance)
        prometheus = Prometheus(os.path.join(self.folder, "prometheus"), interval="1s",
                                rules=self.rules("InfluxDBWALCritical", "1s"), alertmanager=alertmanager.address)
        self.addCleanup(prometheus.stop)
        prometheus.start(exporter.port)

        told = {"mail": 1, "slack": 1, "sms": 1, "webhook": 1, "exporter": 1}
        self.wait_counts(told, "the WAL is critical")
        # Without dry_run the exporter makes the checkpoint by itself, at once.
        exporter.configure(settings(target(influxd, **limits)))
        exporter.signal(signal.SIGHUP)
        self.wait_checkpoint(exporter, reason="critical", outcome="succeeded")
        # The exporter is told of alerts alone: nothing is to be done at their end.
        told = {"mail": 2, "slack": 2, "sms": 2, "webhook": 2, "exporter": 1}
        self.wait_counts(told, "the checkpoint ended it")
        # Much later there is no other message. What passed is counted in evaluations of
        # Prometheus, one a second at the most, so that a slow machine waits longer.
        seen = self.evaluations(prometheus)
        self.until(lambda: self.evaluations(prometheus) >= seen + 12, "Prometheus goes on", LONG)
        self.assertEqual(self.counts(), told)

        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        self.assertEqual([(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"], [])

        self.assert_mails(instance)
        self.assert_slack(instance)
        self.assert_others(instance)

    def test_an_alert_comes_back_as_one_checkpoint(self):
        influxd = self.influxd(databases=["plant"])
        token = os.path.join(self.folder, "alerts-token")
        with open(token, "w", encoding="utf-8") as file:
            file.write(SECRETS["exporter_token"])
        text = json.loads(settings(target(influxd)))
        text["alerts"] = {"token_file": token}
        exporter = self.exporter(json.dumps(text))
        instance = f"127.0.0.1:{exporter.port}"
        alertmanager = self.alertmanager(instance, exporter=exporter.url)
        before = influxd.wal_bytes()
        labels = {"alertname": "InfluxDBWALWarning", "severity": "warning", "job": "influxdb_wal", "instance": instance,
                  "target": "plant"}
        alertmanager.post({"labels": labels, "annotations": {"summary": "s", "description": "d"}})
        self.wait_checkpoint(exporter, LONG, reason="alert", outcome="succeeded")
        self.assertEqual(influxd.wal_bytes(), 0)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_bytes_total"), before)
        # People are told as well, and the alert, told again, makes no second checkpoint.
        self.until(lambda: self.mailbox.messages, "the e-mail", LONG)
        influxd.grow("plant", 2 << 20)
        alertmanager.post({"labels": labels, "annotations": {"summary": "s", "description": "changed"}})
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason="alert"), 1)
        by = [entry["detail"].get("by") for entry in exporter.history("plant") if entry["kind"] == "wal.checkpoint"]
        self.assertIn("alert InfluxDBWALWarning", by)

    @staticmethod
    def evaluations(prometheus):
        lines = get(prometheus.url + "/metrics").text.splitlines()
        return max(float(line.rpartition(" ")[2]) for line in lines
                   if line.startswith("prometheus_rule_group_iterations_total{"))

    def assert_mails(self, instance):
        self.assertEqual(self.mailbox.logins[0], ["influxdb-wal@example.org", SECRETS["smtp_password"]])
        self.assertIn("operations@example.org", self.mailbox.recipients[0])
        title = f"InfluxDBWALCritical: plant (exporter {instance})"
        began, ended = self.mailbox.messages
        self.assertEqual(began["Subject"], "[CRITICAL] " + title)
        self.assertEqual(ended["Subject"], "[RESOLVED] " + title)
        runbook = "https://git.example.org/influxdb_wal_exporter/rules/runbooks/InfluxDBWALCritical.md"
        dashboard = ("https://grafana.example.org/d/influxdb-wal-target?var-job=influxdb_wal&var-instance="
                     f"{urllib.parse.quote_plus(instance)}&var-target=plant")
        summary = ALERT_SUMMARY["InfluxDBWALCritical"]
        text, page = part(began, "plain"), Tags(part(began, "html"))
        for words in (text, page.text):
            self.assertIn(summary, words)
            self.assertRegex(words, r"Firing since 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.")
        # One link helps while it fires, another once it has ended.
        self.assertIn(runbook, text)
        self.assertIn(runbook, page.links)
        self.assertNotIn(dashboard, text)
        for words in (part(ended, "plain"), Tags(part(ended, "html")).text):
            self.assertRegex(words, r"The alert fired from 20\d\d-\d\d-\d\d \d\d:\d\d to 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.")
            self.assertIn(f"plant (exporter {instance})", words)
            # Nothing that is true of a firing alert alone.
            self.assertNotIn(summary, words)
            self.assertNotIn("has been critical", words)
        self.assertIn(dashboard, part(ended, "plain"))
        self.assertIn(dashboard, Tags(part(ended, "html")).links)

    def assert_slack(self, instance):
        began, ended = (body["attachments"][0] for body in self.inbox.json_at("/slack"))
        self.assertEqual(began["color"], "danger")
        self.assertEqual(ended["color"], "good")
        title = f"InfluxDBWALCritical: plant (exporter {instance})"
        self.assertEqual(began["title"], "[CRITICAL] " + title)
        self.assertEqual(ended["title"], "[RESOLVED] " + title)
        self.assertIn(ALERT_SUMMARY["InfluxDBWALCritical"], began["text"])
        self.assertIn("/rules/runbooks/InfluxDBWALCritical.md|Runbook>", began["text"])
        self.assertRegex(ended["text"], r"The alert fired from 20\S+ \S+ to 20\S+ \S+ UTC\. <https://grafana\.example\.org/d/\S+\|How it stands now>")
        self.assertNotIn(ALERT_SUMMARY["InfluxDBWALCritical"], ended["text"])

    def assert_others(self, instance):
        began, ended = (body for body in self.inbox.json_at("/webhook"))
        self.assertEqual((began["status"], ended["status"]), ("firing", "resolved"))
        labels = began["alerts"][0]["labels"]
        self.assertEqual((labels["alertname"], labels["severity"], labels["target"], labels["instance"]),
                         ("InfluxDBWALCritical", "critical", "plant", instance))
        self.assertEqual(self.inbox.authorization("/webhook"), {"Bearer " + SECRETS["webhook_token"]})
        asked = self.inbox.json_at("/api/v1/alerts")[0]
        self.assertEqual((asked["status"], asked["alerts"][0]["labels"]["target"]), ("firing", "plant"))
        self.assertEqual(self.inbox.authorization("/api/v1/alerts"), {"Bearer " + SECRETS["exporter_token"]})
        texts = [sms["Message"][0] for sms in self.inbox.sms()]
        self.assertTrue(texts[0].startswith(f"CRITICAL InfluxDBWALCritical, plant (exporter {instance}): "), texts[0])
        self.assertRegex(texts[1], rf"^RESOLVED InfluxDBWALCritical, plant \(exporter {re.escape(instance)}\): fired \S+ \S+ to \S+ UTC$")
        for text in texts:
            self.assertLessEqual(len(text), 160)

    def test_whatever_is_in_a_label_or_an_annotation_stays_text(self):
        alertmanager = self.alertmanager("db1:3002")
        hostile = {
            "quotes": "a \"b\" 'c' \\ `d` {{ .X }} ${Y}",
            "lines": "one\r\nBcc: other@example.org\r\n\r\n.\r\ntwo\n.",
            "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&<!channel> <https://evil.example.org|here>",
            "long": "x" * 10_000,
        }
        for number, (kind, text) in enumerate(hostile.items(), 1):
            alertmanager.post({
                "labels": {"alertname": "InfluxDBWALCritical", "severity": "critical", "instance": "db1:3002",
                           "job": f"influxdb_wal {kind}", "target": text, "note": text},
                "annotations": dict.fromkeys(("summary", "description", "replay", "next", "action", "runbook_url", "dashboard_url"), text)})
            self.wait_counts(dict.fromkeys(("mail", "slack", "sms", "webhook", "exporter"), number), kind)
            self.assertEqual(self.inbox.json_at("/webhook")[-1]["alerts"][0]["labels"]["target"], text)
            mail = self.mailbox.messages[-1]
            self.assertIsNone(mail["Bcc"])
            self.assertTrue(mail["Subject"].startswith("[CRITICAL] "), mail["Subject"])
            self.assertLess(len(mail["Subject"]), 400)
            page = Tags(part(mail, "html"))
            self.assertEqual(set(page.tags), PAGE)
            self.assertEqual([link for link in page.links if not link.startswith(OURS)], [re.search(r"Sent by Alertmanager (\S+)", part(mail, "plain"))[1]])
            slack = self.inbox.json_at("/slack")[-1]["attachments"][0]
            for words in (slack["title"], slack["text"]):
                # All the markup there is is ours.
                self.assertEqual([link for link in re.findall(r"<([^>]*)>", words)
                                  if not link.startswith(OURS)], [])
            self.assertLess(len(slack["text"]), 4000)
            self.assertLess(len(self.inbox.sms()[-1]["Message"][0]), 400)
            self.assertLess(len(part(mail, "plain")), 8000)
            if kind == "html":
                self.assertIn("<script>alert(1)</script>", page.text)
                self.assertIn("&lt;script&gt;", slack["text"])
            if kind == "quotes":
                self.assertIn(text, part(mail, "plain"))
                self.assertIn(text, slack["text"])

    def test_the_runbook_silences_an_exporter_that_was_taken_away_on_purpose(self):
        with open(os.path.join(ROOT, "rules", "runbooks", "InfluxDBWALExporterDown.md"), encoding="utf-8") as file:
            command = re.search(r"^amtool .*$", file.read(), re.M)[0]
        alertmanager = self.alertmanager("db1:3002")
        for instance in ("db1:3002", "db2:3002"):
            alertmanager.post({"labels": {"alertname": "InfluxDBWALExporterDown", "severity": "warning", "job": instance,
                                          "instance": instance}})
        words = shlex.split(command.replace("http://127.0.0.1:9093", alertmanager.url))
        subprocess.run([program("amtool"), *words[1:]], check=True, capture_output=True, timeout=30)
        silenced = {alert["labels"]["instance"]: len(alert["status"]["silencedBy"]) for alert in alertmanager.alerts()}
        self.assertEqual(silenced, {"db1:3002": 1, "db2:3002": 0})

    def test_an_alert_of_others_is_told_as_a_warning(self):
        self.alertmanager("db1:3002").post({"labels": {"alertname": "DiskFull"}})
        self.wait_counts({"mail": 1, "slack": 1, "sms": 0, "webhook": 1, "exporter": 0}, "an alert without severity")
        self.assertEqual(self.mailbox.messages[0]["Subject"], "[FIRING] DiskFull: no target named")
        self.assertEqual(self.inbox.json_at("/slack")[0]["attachments"][0]["title"], "[FIRING] DiskFull: no target named")

    def test_a_message_says_what_is_replayed_what_is_next_and_in_the_right_tense(self):
        """Two alerts in one message, then one of them ends, then the other: each named in
        full, each sentence true when it is read hours later."""
        alertmanager = self.alertmanager("db1:3002")
        common = {"summary": "The WAL is over its critical limit.", "resolved": "The WAL was over its critical limit."}

        def alert(number, ends=None, **more):
            out = {"labels": {"alertname": "InfluxDBWALCritical", "severity": "critical", "job": "influxdb_wal",
                              "instance": f"db{number}:3002", "target": "kill<c>"},
                   "annotations": common | {"description": f"Description {number}.", "runbook_url": "/rules/runbooks/InfluxDBWALCritical.md",
                                            "dashboard_url": "https://other.example.org/d/x"} | more}
            return out | ({"endsAt": ends} if ends else {})
        held = alert(1, replay="75 files, 3.5 GiB, 2m 30s", held_by="paused, backoff", next_checkpoint="2026-11-30 03:04:05 UTC")
        free = alert(2, replay="3 files, 1.2 MiB, 1s", action="Do < this.")
        alertmanager.post(held, free)
        self.wait_counts(dict.fromkeys(("mail", "slack", "sms", "webhook"), 1) | {"exporter": 1}, "two alerts")
        mail, slack, sms = self.told()
        self.assertEqual(mail["Subject"], "[CRITICAL] InfluxDBWALCritical: 2 alerts: kill<c> (exporter db1:3002), kill<c> (exporter db2:3002)")
        self.assertEqual(slack["title"], "[CRITICAL] InfluxDBWALCritical: 2 alerts: kill&lt;c&gt; (exporter db1:3002), kill&lt;c&gt; (exporter db2:3002)")
        said = ("Description 1.", "A restart would replay 75 files, 3.5 GiB, 2m 30s.", "holds back its next checkpoint",
                "Somebody has paused its actions (paused).", "waits after a failed checkpoint (backoff).", "Not before 2026-11-30 03:04:05 UTC.",
                "Description 2.", "A restart would replay 3 files, 1.2 MiB, 1s.", "as soon as one is due.", "What to do: Do < this.")
        for words in (part(mail, "plain"), Tags(part(mail, "html")).text, slack["text"]):
            for sentence in said:
                self.assertIn(sentence, re.sub(r"\s+", " ", words.replace("&lt;", "<")))
        self.assertIn("CRITICAL InfluxDBWALCritical, 2 alerts: kill<c> (exporter db1:3002), kill<c> (exporter db2:3002): "
                      "restart replays 75 files, 3.5 GiB, 2m 30s (the first). Checkpoint held: paused, backoff. Since ", sms)

        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        alertmanager.post(free | {"endsAt": now})
        self.wait_counts(dict.fromkeys(("mail", "slack", "sms", "webhook"), 2) | {"exporter": 1}, "one has ended")
        mail, slack, sms = self.told()
        self.assertEqual(slack["title"], "[CRITICAL] InfluxDBWALCritical: kill&lt;c&gt; (exporter db1:3002)")
        for words in (part(mail, "plain"), Tags(part(mail, "html")).text, slack["text"]):
            self.assertRegex(words, r"Ended: kill(<c>|&lt;c&gt;) \(exporter db2:3002\)\*?\s+The WAL was over its critical limit\.")
            self.assertNotIn("Description 2", words)

        alertmanager.post(held | {"endsAt": now})
        self.wait_counts(dict.fromkeys(("mail", "slack", "sms", "webhook"), 3) | {"exporter": 1}, "both have ended")
        mail, slack, sms = self.told()
        for words in (part(mail, "plain"), Tags(part(mail, "html")).text, slack["title"] + slack["text"], sms):
            self.assertRegex(words, r"RESOLVED\]? InfluxDBWALCritical")
            self.assertRegex(words, r"fired (from )?20\d\d-")
            for present in (common["summary"], "Description", "would replay", "replays", "holds back", "next checkpoint", "What to do"):
                self.assertNotIn(present, words)
        self.assertIn("<https://other.example.org/d/x|How it stands now>", slack["text"])
        self.assertIn("https://other.example.org/d/x", Tags(part(mail, "html")).links)

    def told(self):
        """The newest e-mail, Slack's attachment, and the newest SMS."""
        return (self.mailbox.messages[-1], self.inbox.json_at("/slack")[-1]["attachments"][0], self.inbox.sms()[-1]["Message"][0])

    def test_many_alerts_are_one_message_that_names_their_number(self):
        alertmanager = self.alertmanager("db1:3002")
        alertmanager.post(*({"labels": {"alertname": "InfluxDBWALSequenceGap", "severity": "warning", "job": "influxdb_wal",
                                        "instance": f"db{number}:3002", "target": "plant"},
                             "annotations": {"summary": "Files are missing.", "description": f"Description {number}."}}
                            for number in range(100)))
        told = {"mail": 1, "slack": 1, "sms": 0, "webhook": 1, "exporter": 0}
        self.wait_counts(told, "a warning of 100 nodes")
        mail = self.mailbox.messages[0]
        self.assertTrue(mail["Subject"].startswith("[WARNING] InfluxDBWALSequenceGap: 100 alerts: plant (exporter db"), mail["Subject"])
        for words in (part(mail, "plain"), Tags(part(mail, "html")).text, self.inbox.json_at("/slack")[0]["attachments"][0]["text"]):
            self.assertIn("100 firing, 0 ended; not all are listed.", words)
            self.assertEqual(len(re.findall(r"Description \d+\.", words)), 20)

    def test_a_consequence_is_silent_while_its_cause_fires_and_nothing_else_is(self):
        alertmanager = self.alertmanager("db1:3002", wait="1h")
        names = [name.removeprefix("InfluxDBWAL") for name in ALERTS]
        posted = []
        for cause, name in itertools.permutations(names, 2):
            # Each pair has an instance of its own.
            pair = {"job": "influxdb_wal", "instance": f"{cause} {name}", "target": "plant", "hook": "ops",
                    "blocker": "snapshot_budget"}
            places = {"cause": (cause, {}), "beside": (name, {}), "elsewhere": (name, {"instance": pair["instance"] + " b"}),
                      "at home": (name, {"cluster": "home"})}
            if cause != "ExporterDown" and not {cause, name} & WITHOUT_TARGET:
                places["other target"] = (name, {"target": "office"})
            for place, (which, change) in places.items():
                labels = {"alertname": "InfluxDBWAL" + which, "place": place, "pair": f"{cause} {name}"} | pair | change
                if which in WITHOUT_TARGET:
                    del labels["target"]
                posted.append({"labels": labels})
        for start in range(0, len(posted), 500):
            alertmanager.post(*posted[start:start + 500])
        alerts = alertmanager.alerts()
        self.assertEqual(len(alerts), len(posted))
        silent = {(alert["labels"]["pair"], alert["labels"]["place"]) for alert in alerts if alert["status"]["inhibitedBy"]}
        # An alert that inhibits and is inhibited by the other would silence both.
        wanted = {(f"{cause} {name}", "beside") for cause, listed in CONSEQUENCES.items() for name in listed}
        wanted |= {(f"{name} {cause}", "cause") for cause, listed in CONSEQUENCES.items() for name in listed}
        self.assertEqual(silent, wanted)

    def test_the_exporters_own_alerts_are_silent_beside_those_of_prometheus(self):
        alertmanager = self.alertmanager("db1:3002", wait="1h")
        pairs = {  # Prometheus' alert: what a hook of the exporter says of the same
            "Warning": {"Health warning"}, "Critical": {"Health warning", "Health critical", "RestartConsidered critical"},
            "CriticalForLong": {"Health warning", "Health critical", "RestartConsidered critical"},
            "SampleStale": {"HealthUnknown warning"},
            "CheckpointFailing": {"CheckpointFailed warning", "CheckpointUnverified warning"},
            "CheckpointUnverified": {"CheckpointFailed warning", "CheckpointUnverified warning"},
            "RestartFailed": {"Restart warning"}, "ActionsPaused": set()}
        own = set().union(*pairs.values())
        for prometheus in pairs:
            place = {"instance": prometheus, "target": "plant"}
            alertmanager.post({"labels": {"alertname": "InfluxDBWAL" + prometheus, "severity": "critical", "job": "influxdb_wal"} | place},
                              *({"labels": {"alertname": "InfluxDBWAL" + name.split()[0], "severity": name.split()[1],
                                            "source": "influxdb_wal_exporter"} | place | more}
                                for name in own for more in ({}, {"target": "office"})))
        silent = {}
        for alert in alertmanager.alerts():
            labels = alert["labels"]
            if not alert["status"]["inhibitedBy"]:
                continue
            self.assertEqual((labels.get("source"), labels["target"]), ("influxdb_wal_exporter", "plant"))
            silent.setdefault(labels["instance"], set()).add(f"{labels['alertname'].removeprefix('InfluxDBWAL')} {labels['severity']}")
        self.assertEqual(silent, {name: told for name, told in pairs.items() if told})


if __name__ == "__main__":
    main()
