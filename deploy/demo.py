#!/usr/bin/env python3
"""The demo that deploy/run starts: a real InfluxDB whose WAL grows, the exporter
that finds it and makes InfluxDB persist it, and Prometheus with our rules.

Everything listens on 127.0.0.1 and lies in build/demo/<port>, fresh at each run.
"""

import argparse
import fcntl
import json
import os
import re
import signal
import sys
import threading
import time
from datetime import datetime

sys.dont_write_bytecode = True
from servers import MIB, ROOT, Exporter, Failure, Influxd, Prometheus, Writer, fresh_folder, port_taken

# 16 MiB at 0.35 MiB/s: the limit is passed after about three quarters of a minute.
LIMIT = "16MiB"
RATE = 360_000
SETTINGS = """# Written by deploy/run for the demo. The limits are small so that things happen
# within a minute; everything else is as in a real installation.
targets:
  - name: demo
    influxdb:
      url: {url}
      backup_address: {backup}
    wal:
      directory: {wal}
    sampling: {{interval: 4s}}
    thresholds:
      max_size: {limit}
    checkpoint:
      cooldown: 30s
      # Off, so that what is seen here is the limit being passed.
      schedule: off
"""
SHOWN = {"wal.health": "health", "wal.checkpoint": "checkpoint", "wal.restart_consideration": "restart"}


def duration(text):
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a duration; 120s or 5m would be right")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def port(text):
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; 1 to 65535 would be right")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(prog="deploy/run", add_help=False)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--for", dest="seconds", type=duration)
    parser.add_argument("--port", type=port, default=3002)
    parser.add_argument("--prometheus-port", type=port, default=13090)
    parser.add_argument("--influxdb-port", type=port, default=13086)
    parser.add_argument("--backup-port", type=port, default=13088)
    return parser.parse_args()


def check_ports(options):
    wanted = {"--port": ("the exporter", options.port), "--prometheus-port": ("Prometheus", options.prometheus_port),
              "--influxdb-port": ("InfluxDB", options.influxdb_port),
              "--backup-port": ("InfluxDB's backup", options.backup_port)}
    numbers = [number for _, number in wanted.values()]
    problems = [f"port {number} is asked for twice" for number in sorted(set(numbers)) if numbers.count(number) > 1]
    for flag, (what, number) in wanted.items():
        reason = port_taken(number)
        if reason:
            problems.append(f"port {number} for {what}: {reason}. Choose another with {flag} N")
    if problems:
        raise Failure("\n".join(problems))


def say(kind, text, when=None):
    stamp = (when or datetime.now()).strftime("%H:%M:%S")
    print(f"{stamp}  {kind:<11} {text}", flush=True)


class Demo:
    def __init__(self, options):
        self.options = options
        self.folder = os.path.join(ROOT, "build", "demo", str(options.port))
        self.stop_asked = threading.Event()
        self.started = time.monotonic()
        self.processes = []
        self.writer = None
        self.seen_history = 0
        self.alerts = {}
        # What has to happen, in this order; the value is what was seen.
        self.goals = {"the WAL grew past its warning limit": None,
                      "a checkpoint ran by itself and was verified on disk": None,
                      "Prometheus scraped the exporter": None,
                      "Prometheus loaded our alert rules": None}
        self.memory = None

    def reach(self, position, seen):
        goal = list(self.goals)[position]
        if self.goals[goal] is None:
            self.goals[goal] = f"after {time.monotonic() - self.started:.0f} s: {seen}"

    def run(self):
        options = self.options
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        with open(self.folder + ".lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failure(f"another demo runs in {self.folder}. Choose another port with --port N") from None
            fresh_folder(self.folder)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda *_: self.stop_asked.set())
            check_ports(options)
            try:
                self.start()
                self.watch()
            finally:
                self.stop()
        return self.summary()

    def start(self):
        options = self.options
        self.influxd = Influxd(os.path.join(self.folder, "influxdb"), options.influxdb_port, options.backup_port)
        self.processes.append(self.influxd)
        self.influxd.start()
        for database in ("plant", "office"):
            self.influxd.create_database(database)
            self.influxd.write(database, f"pump,machine=m0 temperature=20 {time.time_ns()}".encode())
        settings = SETTINGS.format(url=self.influxd.url, backup=self.influxd.backup_address,
                                   wal=json.dumps(self.influxd.wal), limit=LIMIT)
        self.exporter = Exporter(os.path.join(self.folder, "exporter"),
                                 os.path.join(ROOT, "build", "release", "influxdb_wal_exporter"), settings,
                                 listen=f"127.0.0.1:{options.port}")
        self.processes.append(self.exporter)
        self.exporter.start().wait_good_sample()
        self.prometheus = Prometheus(os.path.join(self.folder, "prometheus"), options.prometheus_port)
        self.processes.append(self.prometheus)
        self.prometheus.start(options.port)
        self.started = time.monotonic()
        print(f"""
Exporter    {self.exporter.url}/   metrics at /metrics, JSON at /api/v1/targets
Prometheus  {self.prometheus.url}/alerts
InfluxDB    {self.influxd.url}   its WAL: {os.path.relpath(self.influxd.wal)}
Settings    {os.path.relpath(self.exporter.config)}   log: {os.path.relpath(self.exporter.log_path)}
""")
        self.writer = Writer(self.influxd, ["plant", "office"], RATE)
        self.writer.start()
        say("writer", f"writes {RATE / MIB:.2f} MiB/s; the limit of {LIMIT} is about "
                      f"{16 * MIB / RATE:.0f} s away")
        end = f"ends by itself after {options.seconds} s" if options.seconds else "runs until Ctrl-C"
        say("demo", end)

    def watch(self):
        options = self.options
        deadline = self.started + options.seconds if options.seconds else None
        while not self.stop_asked.is_set() and (deadline is None or time.monotonic() < deadline):
            for process in self.processes:
                if not process.running():
                    raise Failure(f"{process.name} ended with {process.child.returncode}:\n{process.tail()}")
            try:
                self.look_at_exporter()
                self.look_at_prometheus()
            except OSError as error:
                # An answer may be late on a busy machine; a dead process is seen above.
                say("waiting", str(error))
            self.stop_asked.wait(0.5)
        self.memory = self.exporter.memory()

    def look_at_exporter(self):
        entries = [entry for entry in self.exporter.history("demo") if entry["id"] > self.seen_history]
        for entry in sorted(entries, key=lambda entry: entry["id"]):
            self.seen_history = entry["id"]
            if entry["kind"] in SHOWN:
                when = datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).astimezone()
                say(SHOWN[entry["kind"]], entry["summary"], when)
            if entry["kind"] == "wal.health" and "warning" in entry["summary"].lower():
                self.reach(0, entry["summary"])
        metrics = self.exporter.metrics()
        done = sum(value for name, value in metrics.items() if name.startswith("influxdb_wal_checkpoints_total{")
                   and 'reason="warning"' in name and 'outcome="succeeded"' in name)
        if done:
            size = metrics['influxdb_wal_checkpoint_reclaimed_bytes_total{target="demo"}']
            self.reach(1, f"{size / MIB:.1f} MiB are gone from the WAL")

    def look_at_prometheus(self):
        scraped = self.prometheus.value("sum(count_over_time(influxdb_wal_samples_total[1h]))")
        if scraped:
            if self.goals["Prometheus scraped the exporter"] is None:
                say("prometheus", "scrapes the exporter")
            self.reach(2, "the first scrape")
        rules = self.prometheus.alert_rules()
        if "InfluxDBWALCritical" in rules:
            if self.goals["Prometheus loaded our alert rules"] is None:
                say("prometheus", f"watches {len(rules)} alert rules")
            self.reach(3, ", ".join(sorted(rules)))
        for name, rule in rules.items():
            if rule["state"] != self.alerts.get(name, "inactive"):
                say("alert", f"{name} is {rule['state']}")
            self.alerts[name] = rule["state"]

    def stop(self):
        if self.writer:
            self.writer.stop()
        for process in reversed(self.processes):
            process.stop()

    def summary(self):
        print(f"\nSummary of {time.monotonic() - self.started:.0f} s")
        for goal, seen in self.goals.items():
            print(f"  {'yes' if seen else 'NO ':<4} {goal}" + (f" ({seen})" if seen else ""))
        if self.memory:
            print(f"  memory of the exporter: {self.memory[0] / MIB:.1f} MiB resident, "
                  f"{self.memory[1] / MIB:.1f} MiB anonymous")
        if self.options.seconds and not self.stop_asked.is_set():
            if not all(self.goals.values()):
                print(f"Not everything happened. Logs: {os.path.relpath(self.folder)}", file=sys.stderr)
                return 1
        return 0


def main():
    options = arguments()
    try:
        if options.check:
            check_ports(options)
            return 0
        return Demo(options).run()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
