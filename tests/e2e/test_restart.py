#!/usr/bin/env python3
"""A restart of InfluxDB: a real one in a container of a real Docker engine, and by a
command; what stands in its way is told apart."""

import os
import signal
import socket
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from engine import ContainedInfluxd, Engine  # noqa: E402
from harness import MIB, Case, Failure, main, settings, target  # noqa: E402

# Critical with the first byte that is pending.
CRITICAL = {"max_size": 1, "critical_size_factor": 1}
# Blocked for good, so that a restart is considered at once.
WATCHED = {"method": "none"}
HANGING_SHELL = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]


class Restart(Case):
    def steps(self, exporter, name="plant"):
        """Oldest first."""
        return [entry["detail"]["step"] for entry in reversed(exporter.history(name))
                if entry["kind"] == "wal.restart"]

    def step(self, exporter, step, name="plant"):
        """The detail of the last step of that name."""
        return next(entry["detail"] for entry in exporter.history(name)
                    if entry["kind"] == "wal.restart" and entry["detail"]["step"] == step)

    def wait_step(self, exporter, step, name="plant", seconds=90):
        self.until(lambda: step in self.steps(exporter, name),
                   lambda: f"step {step} of {name}; there are {self.steps(exporter, name)}\n{exporter.tail(30)}", seconds)
        return self.step(exporter, step, name)


@unittest.skipUnless(os.geteuid() == 0, "a Docker engine needs root")
class InAContainer(Restart):
    def setUp(self):
        super().setUp()
        self.engine = Engine(os.path.join(self.folder, "docker"))
        self.addCleanup(self.engine.stop)
        self.engine.start().import_image()

    def contained(self, name="influxdb"):
        server = ContainedInfluxd(self.engine, name, os.path.join(self.folder, name))
        server.start()
        return server

    def keep_writing(self, server):
        """So that the WAL is never empty for long. Goes on across the restart."""
        stopping = threading.Event()

        def write():
            while not stopping.is_set():
                try:
                    server.write("plant", b"late value=1")
                except (OSError, Failure):
                    stopping.wait(0.05)
        threads = [threading.Thread(target=write, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()

        def stop():
            stopping.set()
            for thread in threads:
                thread.join(35)
        self.addCleanup(stop)

    def test_that_stays_critical_is_prepared_restarted_and_ready_once(self):
        server = self.contained()
        server.create_database("plant")
        server.grow("plant", 3 * MIB)
        started_at = server.started_at()
        self.keep_writing(server)
        exporter = self.exporter(settings(target(
            server, thresholds=CRITICAL,
            restart={"enabled": True, "method": "docker", "after_failures": 1,
                     "docker": {"socket": self.engine.socket, "container": "influxdb", "stop_timeout": "20s"}})))
        ready = self.wait_step(exporter, "ready", seconds=200)
        steps = self.steps(exporter)
        # The look after a checkpoint may just find nothing pending; then none is needed.
        while steps[:3] == ["preparing", "prepared", "refused"]:
            steps = steps[3:]
        self.assertEqual(steps, ["preparing", "prepared", "restarting", "restarted", "ready"])
        kinds = [entry["kind"] for entry in reversed(exporter.history("plant"))]
        self.assertLess(kinds.index("wal.restart_consideration"), kinds.index("wal.restart"))
        runs = [entry["detail"]["reason"] for entry in exporter.history("plant")
                if entry["kind"] == "wal.checkpoint" and entry["detail"]["state"] == "started"]
        self.assertEqual(runs[:2], ["pre_restart", "critical"], "newest first: prepared by a checkpoint of its own")

        self.assertNotEqual(server.started_at(), started_at)
        self.assertTrue(server.running())
        self.assertGreater(ready["pending_before"]["bytes"], 0)
        self.assertIn("pending_after", ready)
        self.assertGreater(ready["took_seconds"], 0)
        # What was written before is all there.
        count = server.query('SELECT count(temperature) FROM "plant".autogen.pump')
        self.assertIn("series", count["results"][0])

        self.until(lambda: exporter.target()["restart"]["state"] == "idle", "the result")
        shown = exporter.target()["restart"]
        self.assertEqual((shown["enabled"], shown["method"], shown["state"], shown["remaining_today"]),
                         (True, "docker", "idle", 0))
        self.assertTrue(shown["last"]["success"])
        self.assertIn("up again", shown["last"]["message"])
        self.until(lambda: self.counter(exporter, "influxdb_wal_restarts_total") == 1, "the count")
        self.assertEqual(self.counter(exporter, "influxdb_wal_restart_failures_total"), 0)
        self.assertEqual(self.counter(exporter, "influxdb_wal_events_total", type="wal.restart"),
                         len(self.steps(exporter)))

        # No other one, not by a new process either.
        self.assertEqual(exporter.stop(), 0)
        restarted_at = server.started_at()
        exporter.start().wait_good_sample()
        samples = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") >= samples + 3, "more looks")
        self.assertEqual(self.steps(exporter).count("restarting"), 1)
        self.assertEqual(server.started_at(), restarted_at)
        self.assertTrue(exporter.target()["restart"]["last"]["success"], "remembered")
        self.assertEqual(exporter.target()["restart"]["remaining_today"], 0)

    def test_missing_stopped_refused_and_absent_are_told_apart(self):
        server = self.influxd(databases=("plant",), grow=MIB)
        self.engine.run("stopped", HANGING_SHELL)
        self.engine.must("POST", "/containers/stopped/stop?t=20")
        self.engine.run("paused", HANGING_SHELL)
        self.engine.must("POST", "/containers/paused/pause")
        self.addCleanup(self.engine.ask, "POST", "/containers/paused/unpause")
        self.engine.run("fine", HANGING_SHELL)
        refused = os.path.join(self.folder, "refused.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(refused)
        hanging = os.path.join(self.folder, "hanging.sock")
        mute = socket.socket(socket.AF_UNIX)
        self.addCleanup(mute.close)
        mute.bind(hanging)
        mute.listen(8)

        def one(name, container, path=self.engine.socket, **more):
            return target(server, name, thresholds=CRITICAL, checkpoint=WATCHED,
                          restart={"enabled": True, "method": "docker", "after_blocked": "1ms", "unprepared": True,
                                   "docker": {"socket": path, "container": container, "stop_timeout": "5s"}}, **more)
        started_at = {name: self.engine.inspect(name)["StartedAt"] for name in ("fine", "stopped", "paused")}
        exporter = self.exporter(settings(
            one("missing", "nowhere"), one("stopped", "stopped"), one("paused", "paused"),
            one("refused", "fine", refused), one("absent", "fine", os.path.join(self.folder, "none.sock")),
            one("hanging", "fine", hanging), one("dry", "fine", dry_run=True)))
        for name, wanted in (("missing", "has no container named nowhere"),
                             ("stopped", "container stopped does not run (exited, exit code 0)"),
                             ("paused", "container paused is paused"),
                             ("refused", "cannot connect to the Docker socket " + refused),
                             ("absent", "there is no Docker socket at"),
                             ("hanging", "did not answer within 10s")):
            with self.subTest(name):
                failed = self.wait_step(exporter, "failed", name)
                self.assertIn(wanted, failed["message"])
                self.assertEqual(self.steps(exporter, name), ["failed"], "nothing was done")
                # Views follow events by some milliseconds.
                self.until(lambda: exporter.target(name)["restart"]["last"], "the result")
                shown = exporter.target(name)
                self.assertFalse(shown["restart"]["last"]["success"])
                self.assertTrue([line for line in shown["recommendations"] if wanted in line], shown["recommendations"])
                self.until(lambda: self.counter(exporter, "influxdb_wal_restart_failures_total", target=name) == 1,
                           "the count")
                self.assertEqual(self.counter(exporter, "influxdb_wal_restarts_total", target=name), 0)
        dry = self.wait_step(exporter, "dry_run", "dry")
        self.assertIn("would prepare it, then restart container fine (running", dry["message"])
        self.assertEqual(self.steps(exporter, "dry"), ["dry_run"])
        self.assertEqual(started_at, {name: self.engine.inspect(name)["StartedAt"] for name in started_at})


class ByACommand(Restart):
    def script(self, text):
        path = os.path.join(self.folder, "restart-influxdb")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def watched(self, script, **restart):
        server = self.influxd(databases=("plant",), grow=MIB)
        return server, self.exporter(settings(target(
            server, thresholds=CRITICAL, checkpoint=WATCHED,
            restart={"enabled": True, "method": "command", "after_blocked": "1ms", "unprepared": True,
                     "command": {"arguments": [self.script(script), "a b", "$HOME"], "environment": {"WHY": "it's full"}},
                     **restart})), environment={"SECRET_OF_OURS": "x"})

    def test_gets_what_the_settings_give_and_nothing_of_ours(self):
        seen = os.path.join(self.folder, "seen")
        # The descriptors are those of the shell: itself reads the script over one of them.
        _, exporter = self.watched(f"""exec 3<&-
{{ printf '%s|' "$@"; echo; env; pwd; ls /proc/self/fd | tr '\\n' ' '; grep SigBlk /proc/self/status; }} >{seen}.new
mv {seen}.new {seen}
""")
        self.wait_step(exporter, "ready")
        with open(seen, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0], "a b|$HOME|")
        names = {line.partition("=")[0] for line in lines[1:] if "=" in line}
        self.assertLessEqual(names, {"PATH", "LANG", "WHY", "PWD", "_", "SHLVL", "OLDPWD"})
        self.assertIn("WHY=it's full", lines)
        self.assertIn("/", lines)
        self.assertIn("SigBlk:\t0000000000000000", lines[-1])
        # 3 is the folder that ls itself reads.
        self.assertEqual(lines[-1].partition("Sig")[0].split() or lines[-2].split(), ["0", "1", "2", "3"])
        self.assertEqual(self.steps(exporter), ["preparing", "not_prepared", "restarting", "restarted", "ready"])

    def test_that_fails_is_told_with_what_it_wrote_and_not_tried_again(self):
        _, exporter = self.watched("echo 'no such \"unit\"' >&2\nexit 3\n")
        failed = self.wait_step(exporter, "failed")
        self.assertIn('exited with code 3', failed["message"])
        self.assertIn('its output: no such "unit"', failed["message"])
        self.until(lambda: self.counter(exporter, "influxdb_wal_restart_failures_total") == 1, "the count")
        samples = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") >= samples + 3, "more looks")
        self.assertEqual(self.steps(exporter).count("restarting"), 1)

    def test_is_seen_to_end_also_where_the_parent_ignored_sigchld(self):
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            _, exporter = self.watched("exit 0\n")
        finally:
            signal.signal(signal.SIGCHLD, before)
        self.assertIn("exited with code 0", self.wait_step(exporter, "restarted")["message"])

    def test_is_not_run_where_nothing_prepared_it_and_that_is_not_allowed(self):
        marker = os.path.join(self.folder, "ran")
        _, exporter = self.watched(f"touch {marker}\n", unprepared=False)
        refused = self.wait_step(exporter, "refused")
        self.assertEqual(self.steps(exporter), ["preparing", "not_prepared", "refused"])
        self.assertIn("restart.unprepared is false", refused["message"])
        self.assertFalse(os.path.exists(marker))

    def test_under_way_is_not_cut_off_by_a_reload(self):
        go = os.path.join(self.folder, "go")
        running = os.path.join(self.folder, "running")
        server, exporter = self.watched(f"touch {running}\nwhile [ ! -e {go} ]; do sleep 0.1; done\n")
        self.until(lambda: os.path.exists(running), "the command runs")
        self.assertEqual(exporter.post("/-/reload").status, 200, "which changes nothing of the target")
        exporter.configure(settings(target(server)))
        refused = exporter.post("/-/reload")
        self.assertEqual(refused.status, 409, refused.text)
        self.assertIn("is being restarted", refused.text)
        self.assertIn("reload again when that has ended", refused.text)
        with open(go, "w", encoding="ascii"):
            pass
        self.wait_step(exporter, "ready")
        self.until(lambda: exporter.post("/-/reload").status == 200, "a reload after it")
        self.assertFalse(exporter.target()["restart"]["enabled"])

    def test_that_hangs_does_not_keep_the_exporter_from_stopping(self):
        pid = os.path.join(self.folder, "pid")
        _, exporter = self.watched(f"trap '' TERM\necho $$ >{pid}\nwhile :; do sleep 1; done\n")
        self.until(lambda: os.path.exists(pid) and os.path.getsize(pid), "the command runs")
        self.assertEqual(exporter.get("/metrics").status, 200)
        answer = exporter.post("/wal-management/checkpoint")
        self.assertEqual(answer.status, 409, answer.text)
        self.assertIn("InfluxDB is being restarted", answer.text)
        self.assertEqual(exporter.stop(), 0)
        with open(pid, encoding="ascii") as file:
            self.assertFalse(os.path.exists(f"/proc/{file.read().strip()}"), "it was ended")


if __name__ == "__main__":
    main()
