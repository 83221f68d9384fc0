#!/usr/bin/env python3
"""The program as a process: exit codes, signals, what survives being killed, and
what it says when it can't start."""

import ctypes
import glob
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, PROGRAM, Case, FakeServer, main, run, settings, target  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

CLONE_NEWNS = 0x20000


class StartTime(Case):
    def test_is_constant_while_the_kernel_moves_the_time_of_boot(self):
        """/proc/stat says `btime` by the wall clock: NTP or a resumed VM moves it by a second."""
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("no user namespace of one's own to be had here")
        with open("/proc/stat", encoding="ascii") as file:
            real = file.read()
        booted = int(real.partition("\nbtime ")[2].split()[0])
        stat = os.path.join(self.folder, "stat")

        def boot(seconds):
            with open(stat, "w", encoding="ascii") as file:
                file.write(real.replace(f"btime {booted}", f"btime {seconds}"))
        boot(booted)
        wal = os.path.join(self.folder, "wal")
        os.makedirs(os.path.join(wal, "plant", "autogen", "7"))
        with open(os.path.join(wal, "plant", "autogen", "7", "_00001.wal"), "wb"):
            pass
        wrapper = ("unshare", "-rm", "sh", "-c", 'mount --bind "$0" /proc/stat && exec "$@"', stat)
        exporter = self.exporter(f"targets:\n  - name: plant\n    wal: {{directory: {wal}}}\n", wrapper=wrapper)
        seen = set()
        for moved in (0, -1):
            boot(booted + moved)
            time.sleep(1.1)  # /proc is read at most once a second
            seen.add(self.counter(exporter, "process_start_time_seconds"))
        self.assertEqual(len(seen), 1, seen)


class Once(Case):
    """--once, --explain and the checks: no daemon, no state directory."""

    def setUp(self):
        super().setUp()
        self.wal = os.path.join(self.folder, "wal")
        shard = os.path.join(self.wal, "plant", "autogen", "7")
        os.makedirs(shard)
        for number in (1, 2, 3):
            with open(os.path.join(shard, f"_0000{number}.wal"), "wb") as file:
                # One entry of 1 MiB: its type, its length, its data. The newest is the open one.
                file.write(b"\x01" + struct.pack(">I", MIB - 5) + bytes(MIB - 5) if number < 3 else b"")
        self.config = os.path.join(self.folder, "settings.yml")

    def once(self, limit, *arguments):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"targets:\n  - name: plant\n    wal: {{directory: {self.wal}}}\n"
                       f"    thresholds: {{max_size: {limit}}}\n")
        return run("--once", f"--config.file={self.config}", *arguments)

    def test_exit_codes_follow_health(self):
        for limit, code, health in (("2MiB", 0, "healthy"), ("1MiB", 1, "warning"), ("512KiB", 2, "critical")):
            result = self.once(limit, "--format=json")
            self.assertEqual(result.returncode, code, result.stderr)
            shown = json.loads(result.stdout)["targets"][0]
            self.assertEqual((shown["name"], shown["health"], shown["version"]), ("plant", health, "1"))
            self.assertEqual((shown["pending"]["files"], shown["pending"]["bytes"]), (2, 2 * MIB))
            self.assertEqual(shown["invalid"], [])
            self.assertIsNone(shown["error"])
            for field in ("retained", "snapshot", "max_data_time", "sequence_gaps", "not_shrinking", "thresholds",
                          "recommendations", "decision", "checkpoint", "sampled_at"):
                self.assertIn(field, shown)

    def test_text_for_people(self):
        result = self.once("1MiB")
        self.assertEqual(result.returncode, 1)
        self.assertIn("plant", result.stdout)
        self.assertIn("warning", result.stdout.lower())

    def test_no_sample_is_3(self):
        self.wal = os.path.join(self.folder, "missing")
        result = self.once("1GiB", "--format=json")
        self.assertEqual(result.returncode, 3)
        self.assertIn(self.wal, json.loads(result.stdout)["targets"][0]["error"])

    def test_a_result_that_can_not_be_written_is_3(self):
        self.once("1GiB")
        with open("/dev/full", "wb") as full:
            result = subprocess.run([PROGRAM, "--once", f"--config.file={self.config}"], stdout=full,
                                    stderr=subprocess.PIPE, timeout=30, check=False)
        self.assertEqual(result.returncode, 3)

    def test_settings_and_usage_errors_are_3(self):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("targets:\n  - name: plant\n    wal: {directory: /x}\n    tresholds: {}\n")
        result = run("--once", f"--config.file={self.config}")
        self.assertEqual(result.returncode, 3)
        self.assertIn(f"{self.config}:4", result.stderr)
        self.assertIn("tresholds", result.stderr)
        self.assertEqual(run("--once", "--no-such-flag").returncode, 3)
        self.assertEqual(run("--once").returncode, 3)

    def test_without_a_file(self):
        result = run("--once", "--format=json", f"--wal.directory={self.wal}", environment={"WAL_MAX_SIZE_GB": "0.00048828125"})
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(json.loads(result.stdout)["targets"][0]["thresholds"]["warning_bytes"], 524288)

    def test_worst_of_several(self):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"targets:\n  - name: a\n    wal: {{directory: {self.wal}}}\n"
                       f"  - name: b\n    wal: {{directory: {self.wal}/missing}}\n")
        self.assertEqual(run("--once", f"--config.file={self.config}").returncode, 3)

    def test_one_of_several(self):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"targets:\n  - name: a\n    wal: {{directory: {self.wal}}}\n"
                       f"  - name: b\n    wal: {{directory: {self.wal}/missing}}\n")
        result = run("--once", f"--config.file={self.config}", "--target=a", "--format=json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([target["name"] for target in json.loads(result.stdout)["targets"]], ["a"])
        unknown = run("--once", f"--config.file={self.config}", "--target=z")
        self.assertEqual(unknown.returncode, 3)
        self.assertIn("no target named z; known: a, b", unknown.stderr)

    def test_explain(self):
        self.once("1MiB")
        result = run("--explain", f"--config.file={self.config}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("plant", result.stdout)
        # No backup_address is set: the method can't be used, and it says so.
        self.assertIn("method_disabled", result.stdout)
        self.assertIn("backup_address", result.stdout)

    def test_config_check(self):
        self.once("1MiB")
        self.assertEqual(run("--config.check", f"--config.file={self.config}").returncode, 0)
        with open(self.config, "a", encoding="utf-8") as file:
            file.write("    name: twice\n")
        result = run("--config.check", f"--config.file={self.config}")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{self.config}:5", result.stderr + result.stdout)

    def check(self, text, **environment):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        return run("--config.check", f"--config.file={self.config}", environment=environment)

    def test_config_check_names_every_mistake_on_a_line_of_its_own(self):
        web = os.path.join(self.folder, "web.yml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"targets:\n- wal: {{directory: {self.wal}}}\n  influxdb: {{url: 'http://h', token_file: nowhere}}\n"
                       "hooks:\n- {name: a, type: slack, url_file: none1}\n- {name: b, type: slack, url_file: none2}\n"
                       "alerts: {token_file: none3}\n")
        result = run("--config.check", f"--config.file={self.config}", f"--web.config.file={web}")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        lines = [line for line in result.stderr.splitlines() if " error " in line]
        self.assertEqual(len(lines), 5, result.stderr)
        for place, what in ((f"{self.config}:3: influxdb.token_file: ", "nowhere"), (f"{self.config}:5: hook a: ", "none1"),
                            (f"{self.config}:6: hook b: ", "none2"), (f"{self.config}:7: alerts.token_file: ", "none3"),
                            ("", web)):
            self.assertTrue(any(place in line and what in line for line in lines), (place, what, lines))
        self.assertEqual(self.check("targets:\n- {dry_run: x, wal: {directory: w}, sampling: 3}\n").stderr.count(" error "), 3)

    def test_config_check_warns_of_what_has_no_effect_and_passes(self):
        result = self.check(f"targets:\n- wal: {{directory: {self.wal}}}\n  checkpoint: {{cooldown: 15s, min_free_size: 1GiB}}\n",
                            WAL_MAX_SIZE_GB="0.5")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"{self.config}:3: checkpoint.cooldown: no effect below 1m", result.stderr)
        self.assertIn(f"{self.config}:3: checkpoint.min_free_size: no effect, the data's directory is not known", result.stderr)
        self.assertIn("WAL_MAX_SIZE_GB: thresholds.max_size is 512.0 MiB for target influxdb", result.stderr)
        os.mkdir(os.path.join(self.folder, "data"))
        self.assertNotIn("min_free_size", self.check(
            f"targets:\n- wal: {{directory: {self.wal}}}\n  checkpoint: {{min_free_size: 1GiB}}\n").stderr)

    def test_two_targets_on_one_directory_are_warned_of_by_whatever_name(self):
        def two(second):
            return self.check(f"targets:\n- {{name: a, wal: {{directory: {self.wal}}}}}\n- {{name: b, wal: {{directory: {second}}}}}\n")
        link = os.path.join(self.folder, "link")
        os.symlink(self.wal, link)
        for second in (self.wal, self.wal + "/", self.folder + "/../" + os.path.basename(self.folder) + "/wal", link):
            result = two(second)
            self.assertEqual(result.returncode, 0, second)
            self.assertIn(f"{self.config}:3: wal.directory: ", result.stderr)
            self.assertIn("the directory of target a too", result.stderr)
        os.mkdir(os.path.join(self.folder, "other"))
        self.assertNotIn("the directory of target", two(os.path.join(self.folder, "other")).stderr)
        # Where none of them is there, their names decide.
        gone = "targets:\n- {name: a, wal: {directory: /nowhere/w}}\n- {name: b, wal: {directory: /nowhere/x/../w/}}\n"
        self.assertIn("the directory of target a too", self.check(gone).stderr)

    def test_version(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"\d+\.\d+\.\d+")


class Process(Case):
    def start(self, *arguments, **sections):
        self.server = self.influxd(databases=("plant",))
        return self.exporter(settings(target(self.server, **sections)), arguments=arguments)

    def test_sigterm_ends_with_0(self):
        exporter = self.start()
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0)

    def test_cooldown_and_last_checkpoint_survive_sigkill(self):
        exporter = self.start(thresholds={"max_size": "10MiB"}, checkpoint={"cooldown": "10m"})
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        before = self.until(lambda: (lambda s: s if s["lastCheckpoint"] else None)(
            exporter.get("/wal-management/checkpoint-status").json), "the last checkpoint")
        history = exporter.history("plant")
        exporter.kill()
        exporter.start().wait_good_sample()
        after = exporter.get("/wal-management/checkpoint-status").json
        self.assertEqual(after["lastCheckpoint"], before["lastCheckpoint"])
        self.assertFalse(after["canTrigger"])
        self.assertGreater(after["cooldownRemaining"], 8 * 60 * 1000)
        self.assertLessEqual(after["cooldownRemaining"], before["cooldownRemaining"])
        kept = {entry["id"] for entry in exporter.history("plant")}
        self.assertLessEqual({entry["id"] for entry in history}, kept)
        # The cooldown binds: warning again, and no second checkpoint.
        self.server.grow("plant", 11 * MIB)
        self.until(lambda: "cooldown" in exporter.target()["decision"]["blockers"], "cooldown as blocker")
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)

    def test_a_renamed_target_keeps_what_protects_its_server(self):
        exporter = self.start(thresholds={"max_size": "10MiB"}, checkpoint={"cooldown": "10m"})
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")

        def renamed(name, spelled):
            exporter.configure(settings(target(self.server, name=name, wal={"directory": spelled},
                                               thresholds={"max_size": "10MiB"}, checkpoint={"cooldown": "10m"})))
        renamed("mill", os.path.join(self.server.wal, "..", os.path.basename(self.server.wal)) + "/")
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.server.grow("plant", 11 * MIB)
        self.until(lambda: "cooldown" in exporter.target("mill")["decision"]["blockers"], "cooldown as blocker")
        # Over a restart it goes on as well, and what looks without acting knows it before.
        renamed("quarry", self.server.wal)
        exporter.kill()
        seen = run("--explain", "--config.file", exporter.config, "--state.directory", exporter.state)
        self.assertIn("cooldown", seen.stdout)
        exporter.start().wait_good_sample()
        self.until(lambda: "cooldown" in exporter.target("quarry")["decision"]["blockers"], "cooldown as blocker")
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        # Another server under the name has nothing to wait for.
        other = self.influxd("other", databases=("plant",))
        exporter.configure(settings(target(other, name="quarry", thresholds={"max_size": "10MiB"},
                                           checkpoint={"cooldown": "10m"})))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")

    def test_the_version_once_heard_is_kept_over_a_restart_while_the_server_is_down(self):
        for version, folder, generation in (("1.8.10", "0123456789abcdef", "1"), ("v2.7.11", "xyz", "2")):
            with self.subTest(version=version):
                def answer(connection, version=version):
                    connection.recv(65536)
                    connection.sendall(f"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: {version}\r\n"
                                       "Connection: close\r\n\r\n".encode())
                server = FakeServer(answer)
                self.addCleanup(server.close)
                wal = os.path.join(self.folder, version, "wal")
                os.makedirs(os.path.join(wal, folder, "autogen", "5"))
                with open(os.path.join(wal, folder, "autogen", "5", "_00001.wal"), "wb") as segment:
                    segment.write(b"\x01\x00\x00\x03\xe3" + b"x" * 995)

                def watched(directory, server=server):
                    return settings({"name": "plant", "wal": {"directory": directory}, "sampling": {"interval": "300ms"},
                                     "influxdb": {"url": "http://" + server.address},
                                     "checkpoint": {"method": "none"}})
                exporter = self.exporter(watched(wal), name=version)
                self.until(lambda: exporter.target()["server"]["version"] == version, "the version")
                self.until(lambda: exporter.target()["version"] == generation, "the generation")
                server.close()
                exporter.kill()
                exporter.start().wait_good_sample()
                self.assertFalse(exporter.target()["server"]["up"])
                self.assertEqual(exporter.target()["version"], generation)
                # Of another directory nothing was heard.
                other = os.path.join(self.folder, version, "other")
                shutil.copytree(wal, other)
                exporter.configure(watched(other))
                self.assertEqual(exporter.post("/-/reload").status, 200)
                self.until(lambda: exporter.target()["pending"] and exporter.target()["version"] != generation,
                           "what the directory alone shows")

    def test_history_is_paged_newest_first(self):
        exporter = self.start()
        for _ in range(3):
            self.server.write("plant", b"x value=1")
            self.assertEqual(exporter.post("/wal-management/checkpoint").status, 200)
        ids = [entry["id"] for entry in exporter.history("plant")]
        self.assertEqual(ids, sorted(ids, reverse=True))
        paged, query = [], "limit=2"
        while True:
            page = exporter.get(f"/api/v1/targets/plant/history?{query}").json
            self.assertLessEqual(len(page["entries"]), 2)
            paged += [entry["id"] for entry in page["entries"]]
            if page["next_before"] is None:
                break
            query = f"limit=2&before={page['next_before']}"
        self.assertEqual(paged[-len(ids):], ids)

    def test_port_taken(self):
        exporter = self.start()
        second = self.exporter(settings(target(self.server)), start=False, name="second",
                               listen=f"127.0.0.1:{exporter.port}")
        second.spawn(second.command())
        self.assertNotEqual(second.wait(20), 0)
        self.assertIn(str(exporter.port), second.log())
        self.assertIn("--web.listen-address", second.log())
        self.assertEqual(exporter.get("/-/healthy").status, 200)

    def test_a_port_that_is_still_held_is_waited_for(self):
        """As by the one before that is being killed."""
        self.server = self.influxd(databases=("plant",))
        with socket.create_server(("127.0.0.1", 0)) as holder:
            exporter = self.exporter(settings(target(self.server)), start=False,
                                     listen=f"127.0.0.1:{holder.getsockname()[1]}")
            exporter.spawn(exporter.command())
            self.until(lambda: "is in use; trying for 2s" in exporter.log() or not exporter.running(), "a first try")
        self.until(lambda: "listening on" in exporter.log() or not exporter.running(), "its port")
        self.assertTrue(exporter.running(), exporter.log())

    def small_state(self, options, max_size):
        """A state directory on a filesystem of its own, in a mount namespace of this process and those it starts."""
        state = os.path.join(self.folder, "state")
        os.mkdir(state)
        if os.getuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
            self.skipTest("a mount takes root with CAP_SYS_ADMIN")
        for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", options, "tmpfs", state]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"no mount is allowed here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=False)
        self.server = self.influxd(databases=("plant",))
        exporter = self.exporter(settings(target(self.server, thresholds={"max_size": max_size})), start=False)
        exporter.state = state
        return exporter

    def is_kept(self, exporter):
        kept = self.counter(exporter, "influxdb_wal_exporter_state_kept") == 1
        ready, state = exporter.get("/-/ready"), exporter.get("/api/v1/status").json["state"]
        self.assertEqual((ready.status, state["kept"], state["error"] is None), (200, kept, kept))
        self.assertEqual(ready.text == "ready\n", kept, ready.text)
        return kept

    def test_a_full_state_disk_is_told_and_so_is_its_end(self):
        exporter = self.small_state("size=1m", "1GiB")
        exporter.start().wait_good_sample()
        self.assertTrue(self.is_kept(exporter))
        filler = os.path.join(exporter.state, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

        def pause(length):
            return exporter.post(f"/api/v1/targets/plant/pause?for={length}").status
        self.until(lambda: pause("1h") == 503, "a pause that can't be kept")
        self.assertFalse(self.is_kept(exporter))
        self.assertIn("no space left", exporter.get("/-/ready").text)
        # It goes on: waits are in its memory, and a checkpoint makes room.
        exporter.post("/api/v1/targets/plant/resume")
        self.assertEqual(exporter.post("/wal-management/checkpoint").status, 200)
        self.assertEqual(self.server.wal_bytes(), 0)
        os.remove(filler)
        self.until(lambda: pause("1h") == 200 and self.is_kept(exporter), "state that is kept again")
        self.assertEqual(exporter.log().count("state is not kept: "), 1)
        self.assertEqual(exporter.log().count("state is kept again"), 1)

    def test_a_state_directory_that_can_not_be_written_ends_the_acting_alone(self):
        exporter = self.small_state("ro", "2MiB")
        exporter.start().wait_good_sample()
        self.assertFalse(self.is_kept(exporter))
        self.assertIn("WITHOUT STATE, checkpoints and restarts are off", exporter.log())
        self.until(lambda: exporter.target()["health"] == "critical", "critical, which is told")
        self.until(lambda: exporter.target()["decision"]["blockers"] == ["method_disabled"], "nothing is done")
        self.assertIn("runs without its state", exporter.target()["decision"]["explanation"])
        refused = exporter.post("/wal-management/checkpoint")
        self.assertEqual((refused.status, refused.json["blocker"]), (409, "method_disabled"), refused.text)
        self.assertIn("restart it once that is fixed", refused.json["message"])
        self.assertEqual(sum(self.outcomes(exporter).values()), 0)
        exporter.configure(settings(target(self.server, thresholds={"max_size": "3MiB"})))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.assertEqual(exporter.post("/wal-management/checkpoint").status, 409)

    def test_an_exporter_that_dies_in_each_checkpoint_is_seen(self):
        """Its counters begin at 0 each time, and none of its checkpoints has an end."""
        self.server = self.influxd(databases=("plant",))
        hanging = FakeServer()
        self.addCleanup(hanging.close)
        watched = target(self.server, influxdb={"backup_address": hanging.address})
        exporter = self.exporter(settings(watched))
        for deaths in range(1, 4):
            self.assertEqual(exporter.post("/api/v1/targets/plant/checkpoint?wait=0s").status, 202)
            exporter.kill()
            exporter.start().wait_good_sample()
            self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_consecutive_failures", outcome="failed"), deaths)
            self.assertEqual(self.outcomes(exporter)["failed"], 1)
        told = exporter.get("/api/v1/events?type=wal.checkpoint").json["events"]
        self.assertEqual([event["detail"]["state"] for event in told], ["ended", "started"] * 3)
        exporter.configure(settings(target(self.server)))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        exporter.wait_good_sample()
        self.assertEqual(exporter.post("/api/v1/targets/plant/checkpoint").status, 200)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_consecutive_failures", outcome="failed"), 0)

    def state_file(self, exporter):
        files = [path for path in glob.glob(exporter.state + "/*") if open(path, "rb").read(15) == b"SQLite format 3"]
        self.assertEqual(len(files), 1, files)
        return files[0]

    def test_state_from_a_newer_version_is_left_alone(self):
        exporter = self.start()
        exporter.stop()
        path = self.state_file(exporter)
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 9999")
        database.close()
        self.refuses(exporter, path)

    def test_state_that_is_no_database_is_left_alone(self):
        exporter = self.start()
        exporter.stop()
        path = self.state_file(exporter)
        for rest in glob.glob(path + "-*"):
            os.remove(rest)
        with open(path, "wb") as file:
            file.write(b"these are somebody's notes\n" * 100)
        self.refuses(exporter, path)

    def refuses(self, exporter, path):
        def digest():
            with open(path, "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()
        before, log = digest(), len(exporter.log())
        exporter.spawn(exporter.command())
        self.assertNotEqual(exporter.wait(20), 0)
        self.assertIn(path, exporter.log()[log:])
        self.assertEqual(digest(), before)

    def test_two_on_one_state_directory_never_act_at_once(self):
        exporter = self.start()
        second = self.exporter(settings(target(self.server)), start=False, name="second")
        second.state = exporter.state
        second.spawn(second.command())
        self.until(lambda: not second.running() or "listening on" in second.log(), "the second one's answer")
        self.assertEqual(exporter.get("/-/healthy").status, 200)
        answer = exporter.post("/wal-management/checkpoint")
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)

    def test_the_control_file_is_of_the_first_and_goes_with_it(self):
        exporter = self.start()
        control = os.path.join(exporter.state, "control")
        with open(control, encoding="utf-8") as file:
            first = file.read()
        self.assertRegex(first, r"^control\.sock\n[0-9a-f]{64}\n\n$")
        second = self.exporter(settings(target(self.server)), start=False, name="second")
        second.state = exporter.state
        second.start().wait_good_sample()
        self.assertIn("is in use by another process", second.log())
        second.signal(signal.SIGTERM)
        self.assertEqual(second.wait(20), 0)
        with open(control, encoding="utf-8") as file:
            self.assertEqual(file.read(), first)
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0)
        self.assertFalse(os.path.exists(control))

    def test_a_reload_never_takes_all_logins_away(self):
        hashed = crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
        web = os.path.join(self.folder, "web.yml")
        with open(web, "w", encoding="utf-8") as file:
            file.write(f'basic_auth_users:\n  alice: "{hashed}"\n')
        exporter = self.start(f"--web.config.file={web}")
        self.assertEqual(exporter.get("/metrics").status, 401)
        with open(web, "w", encoding="utf-8"):
            pass
        exporter.signal(signal.SIGHUP)
        self.until(lambda: "has no users any more" in exporter.log(), "the refusal in the log")
        self.assertEqual(exporter.get("/metrics").status, 401)

    def test_json_logs(self):
        exporter = self.start("--log.format=json", "--log.level=debug")
        exporter.stop()
        lines = [json.loads(line) for line in exporter.log().splitlines()]
        self.assertTrue(lines)
        for line in lines:
            self.assertIn("level", line)
            self.assertTrue({"msg", "message"} & set(line), line)

    def test_healthcheck(self):
        exporter = self.start()
        arguments = [f"--config.file={exporter.config}", f"--web.listen-address=127.0.0.1:{exporter.port}"]
        self.assertEqual(run("--healthcheck", *arguments).returncode, 0)
        # No flag: the variable names the settings, the running exporter's own file its address.
        found = run("--healthcheck", environment={"STATE_DIRECTORY": exporter.state,
                                                  "INFLUXDB_WAL_EXPORTER_CONFIG": exporter.config})
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertIn(f"unix://{exporter.state}/control.sock/-/healthy answered 200", found.stdout)
        exporter.stop()
        result = run("--healthcheck", *arguments)
        self.assertEqual(result.returncode, 1)
        self.assertIn(str(exporter.port), result.stderr + result.stdout)

    def test_healthcheck_of_a_server_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            self.assertEqual(run("--healthcheck", f"--web.listen-address=127.0.0.1:{port}", timeout=30).returncode, 1)

    def test_reload_is_all_or_nothing(self):
        exporter = self.start()
        good = settings(target(self.server, thresholds={"max_size": "2GiB"}))
        exporter.configure("targets: [")
        exporter.signal(signal.SIGHUP)
        name = "influxdb_wal_exporter_config_last_reload_successful"
        self.until(lambda: self.counter(exporter, name) == 0, "a failed reload")
        self.assertEqual(exporter.target()["thresholds"]["warning_bytes"], 1 << 30)
        exporter.configure(good)
        exporter.signal(signal.SIGHUP)
        self.until(lambda: self.counter(exporter, name) == 1, "a good reload")
        self.until(lambda: exporter.target()["thresholds"]["warning_bytes"] == 2 << 30, "the new limit")
        exporter.configure(settings(target(self.server)))
        self.assertEqual(exporter.post("/-/reload").status, 200)
        self.until(lambda: exporter.target()["thresholds"]["warning_bytes"] == 1 << 30, "the old limit")


class Reload(Case):
    """What a reload says of the settings it takes or refuses."""

    def wal(self, name, files=0):
        shard = os.path.join(self.folder, name, "plant", "autogen", "7")
        os.makedirs(shard)
        for number in range(1, files + 2):
            with open(os.path.join(shard, f"_0000{number}.wal"), "wb") as file:
                file.write(b"\x01" + struct.pack(">I", MIB - 5) + bytes(MIB - 5) if number <= files else b"")
        return os.path.join(self.folder, name)

    def of(self, *targets, **top):
        return json.dumps({"targets": list(targets), **top})

    def reload(self, exporter, text):
        exporter.configure(text)
        return exporter.post("/-/reload")

    def test_says_what_changed_line_by_line(self):
        a, b = ({"name": name, "wal": {"directory": self.wal(name)}} for name in ("a", "b"))
        exporter = self.exporter(self.of(a))
        answer = self.reload(exporter, self.of(a))
        self.assertEqual((answer.status, answer.json["message"], answer.json["changes"]),
                         (200, "settings reloaded: nothing changed", []))
        token = os.path.join(self.folder, "token")
        with open(token, "w", encoding="ascii") as file:
            file.write("s3cret\n")
        changed = {**a, "checkpoint": {"cooldown": "15s"}, "influxdb": {"url": "http://127.0.0.1:9", "token_file": token}}
        answer = self.reload(exporter, self.of(changed, b, history_limit=500))
        expected = ["history_limit: 10000 (default) -> 500 (takes effect at the next start)",
                    "target a: influxdb.url: not set -> http://127.0.0.1:9", "target a: influxdb.token_file: added",
                    "target a: checkpoint.cooldown: 5m (default) -> 15s", "target b: added"]
        self.assertEqual((answer.status, answer.json["message"]), (200, "settings reloaded: 5 changes"), answer.text)
        self.assertEqual(answer.json["changes"], expected)
        self.assertEqual(len(answer.json["warnings"]), 1, answer.text)
        self.assertIn("checkpoint.cooldown: no effect below 1m", answer.json["warnings"][0])
        status = exporter.get("/api/v1/status").json["reload"]
        self.assertEqual((status["changes"], status["warnings"]), (expected, answer.json["warnings"]))
        for line in expected + answer.json["warnings"] + ["settings reloaded: 5 changes"]:
            self.assertIn(line, exporter.log())
        self.assertNotIn("token", "".join(expected).replace("token_file", ""))
        self.assertEqual(self.reload(exporter, self.of(b)).json["changes"],
                         ["target a: removed", "history_limit: 500 -> 10000 (default) (takes effect at the next start)"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_exporter_targets"), 1)

    def test_refused_says_every_mistake_once(self):
        a = {"name": "a", "wal": {"directory": self.wal("a")}}
        exporter = self.exporter(self.of(a))
        answer = self.reload(exporter, self.of({**a, "dry_run": "x", "sampling": {"interval": "y"}}))
        self.assertEqual((answer.status, answer.json["error"], answer.json["message"]),
                         (400, "invalid_settings", "reload refused, previous settings stay in use: 2 mistakes"))
        self.assertEqual(len(answer.json["mistakes"]), 2)
        for what in ("dry_run: 'x'", "sampling.interval: 'y'"):
            self.assertEqual(answer.text.count(what), 1, answer.text)
            self.assertIn(what, exporter.get("/api/v1/status").json["reload"]["error"])
            self.assertIn(what, exporter.log())
        self.assertNotIn("more: line", exporter.log())
        os.remove(exporter.config)
        answer = exporter.post("/-/reload")
        self.assertEqual((answer.status, len(answer.json["mistakes"])), (400, 1), answer.text)
        self.assertIn("reload refused, previous settings stay in use: ", exporter.log())

    def test_a_target_that_leaves_while_critical_is_told_and_told_again_when_it_returns(self):
        a = {"name": "a", "wal": {"directory": self.wal("a")}}
        full = {"name": "full", "wal": {"directory": self.wal("full", files=4)}, "thresholds": {"max_size": "1MiB"}}
        exporter = self.exporter(self.of(a, full))

        def told():
            return [(event["detail"]["from"], event["detail"]["to"], event["severity"])
                    for event in reversed(exporter.get("/api/v1/events?type=wal.health").json["events"])
                    if event["target"] == "full"]
        self.until(lambda: told() == [("unknown", "critical", "critical")], told)
        self.assertEqual(exporter.post("/api/v1/targets/full/pause?for=1h").status, 200)
        self.assertEqual(self.reload(exporter, self.of(a)).json["changes"], ["target full: removed, while it was critical"])
        self.assertEqual(told()[1:], [("critical", "removed", "warning")])
        self.assertIn("target full: removed from the settings while critical (4 files, 4.0 MiB pending)", exporter.log())
        changes = self.reload(exporter, self.of(a, full)).json["changes"]
        self.assertRegex(changes[0], r"^target full: added, actions still paused until .*Z from this machine$")
        self.until(lambda: told()[2:] == [("unknown", "critical", "critical")], told)
        exporter.stop()
        exporter.start()
        self.until(lambda: exporter.log().count("target full: actions still paused until") == 1, "it is said at the start")

    def test_events_of_a_hook_that_is_taken_out_are_said_to_be_dropped(self):
        full = {"name": "full", "wal": {"directory": self.wal("full", files=4)}, "thresholds": {"max_size": "1MiB"}}
        dead = {"name": "dead", "type": "webhook", "url": "http://127.0.0.1:9/"}
        exporter = self.exporter(self.of(full, hooks=[dead]))
        queued = "influxdb_wal_exporter_hook_queue_length"
        self.until(lambda: self.counter(exporter, queued) == 1, "an event that waits")
        answer = self.reload(exporter, self.of(full, hooks=[{**dead, "timeout": "3s"}]))
        self.assertEqual(answer.json["changes"], ["hook dead: timeout: 10s (default) -> 3s"])
        self.assertIn("hook dead: reconfigured, 1 queued event is kept", exporter.log())
        self.until(lambda: self.counter(exporter, queued) == 1, "the event that was kept")
        self.assertEqual(self.reload(exporter, self.of(full)).json["changes"], ["hook dead: removed"])
        self.assertIn("hook dead: removed, 1 queued event is dropped", exporter.log())
        self.assertNotIn("until the next start", exporter.log())


if __name__ == "__main__":
    main()
