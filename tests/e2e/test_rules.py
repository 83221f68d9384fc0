#!/usr/bin/env python3
"""What the rules name is what the exporter shows: metrics, labels and their values,
from a real InfluxDB 1.6.7 and an InfluxDB 3 node that has been through some things."""

import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from alerting import Inbox, read_rules  # noqa: E402
from harness import main, target  # noqa: E402
from nodes import NodeCase  # noqa: E402

# Of Prometheus itself, not of the exporter.
OWN = {"up"}
SELECTOR = re.compile(r"\b(influxdb_wal_[a-z0-9_]+|process_[a-z0-9_]+|up)\b(?![a-z0-9_:])(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')
DAY = 24 * 3600 * 10**9


def named():
    """{metric: {(label, value)}} that the expressions of the rules name, or the queries in their texts."""
    found = {}
    for text in read_rules().values():
        found.update((metric, found.get(metric, set())) for metric in re.findall(r"`(influxdb_wal_[a-z_]+)[`{]", text))
        # An expression stands on the line of `expr:` or in the deeper lines after it.
        for indent, first, rest in re.findall(r"^( +)expr:(.*)\n((?:\1 +.*\n)*)", text, re.M):
            # Not the recorded ones: they have a colon.
            expression = re.sub(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", "", first + rest)
            for metric, matchers in SELECTOR.findall(expression):
                pairs = found.setdefault(metric, set())
                for label, kind, value in MATCHER.findall(matchers):
                    pairs |= {(label, one) for one in (value.split("|") if kind == "=~" else [value])}
    return found


def shown(text):
    """{metric: {(label, value)}} of one scrape."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)
        if match:
            found.setdefault(match[1], set()).update(re.findall(r'([a-z_]+)="([^"]*)"', match[2] or ""))
    return found


class Rules(NodeCase):
    def test_every_metric_and_label_value_in_the_rules_is_in_a_real_scrape(self):
        wanted = named()
        self.assertGreater(len(wanted), 25)
        inbox = Inbox()
        self.addCleanup(inbox.close)
        influxd = self.influxd(databases=["plant"], grow=2 << 20)
        node = self.node()
        # A snapshot first, then data of tomorrow that stays pending.
        node.write(40, when=time.time_ns() - DAY)
        node.write(1)
        self.until(node.snapshot, "the node takes a snapshot")
        node.write(2, when=time.time_ns() + DAY)
        text = json.dumps({
            "targets": [target(influxd, "one", thresholds={"max_size": "1MiB"}), target(node, "three")],
            "hooks": [{"name": "ops", "type": "webhook", "url": inbox.url + "/hook"}]})
        exporter = self.exporter(text)
        seen = {}

        def missing():
            # Growth is known, and a forecast made, only while something comes.
            node.write(1)
            influxd.grow("plant", 100_000)
            for metric, pairs in shown(exporter.get("/metrics").text).items():
                seen.setdefault(metric, set()).update(pairs)
            return sorted((metric, pair) for metric, pairs in wanted.items() if metric not in OWN
                          for pair in (pairs or {None}) if metric not in seen or (pair and pair not in seen[metric]))
        self.until(lambda: not missing(), lambda: f"all is there; missing: {missing()}", 60)


if __name__ == "__main__":
    main()
