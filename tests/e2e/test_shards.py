#!/usr/bin/env python3
"""A real InfluxDB 1.6.7 with shards that no checkpoint can take away: one that it can't persist, one that it does
not know, and a copy. The others are emptied all the same."""

import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, PROGRAM, Case, main, settings, target  # noqa: E402


class Shards(Case):
    def start(self, databases, **sections):
        self.server = self.influxd(databases=databases, grow=MIB)
        return self.exporter(settings(target(self.server, **sections)))

    def checkpoint(self, exporter):
        exporter.post("/wal-management/checkpoint", timeout=60)
        return exporter.target("plant")["checkpoint"]["last_run"]

    def files(self, exporter, state):
        return self.counter(exporter, "influxdb_wal_files", state=state)

    def shard_folder(self, database):
        policy = os.path.join(self.server.wal, database, "autogen")
        return os.path.join(policy, os.listdir(policy)[0])

    def test_a_shard_that_cant_be_persisted_is_left_alone_and_holds_up_no_other(self):
        exporter = self.start(("good", "lost"), checkpoint={"timeout": "4s"})
        shutil.rmtree(os.path.join(self.server.folder, "data", "lost", "autogen"))
        lost = self.shard_folder("lost")
        before = len(os.listdir(lost))
        for _ in range(3):
            run = self.checkpoint(exporter)
            self.assertEqual(run["outcome"], "succeeded", run)
            self.assertIn("1 shard persisted", run["message"])
            self.assertIn("1 shard not emptied: lost/autogen/", run["message"])
            self.server.grow("good", MIB)
            self.until(lambda: self.files(exporter, "pending") > len(os.listdir(lost)) - 1, "what was written")
        self.assertLessEqual(len(os.listdir(lost)), before + 3)
        shown = exporter.target("plant")
        self.assertEqual(shown["failing_shards"], 1)
        self.assertEqual([(shard["state"], shard["failures"]) for shard in shown["shards"]], [("failing", 3)])
        self.assertEqual(self.counter(exporter, "influxdb_wal_failing_shards"), 1)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_blocked", blocker="breaker_open"), 0)
        self.assertEqual(self.outcomes(exporter)["failed"], 0)
        self.assertFalse(exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=10s").json["safe"])
        # Who has repaired it does not wait, whatever else is pending.
        os.makedirs(os.path.join(self.server.folder, "data", "lost", "autogen", os.path.basename(lost)))
        self.server.grow("good", MIB)
        self.assertEqual(self.checkpoint(exporter)["outcome"], "succeeded")
        self.until(lambda: exporter.target("plant")["failing_shards"] == 0, "no failing shard")

    def test_without_a_url_the_backup_port_tells_an_orphan_for_sure(self):
        exporter = self.start(("roof",), influxdb={"url": None, "version": 1})
        for stray, empty in (("66", False), ("67", True)):
            orphan = os.path.join(self.server.wal, "cellar", "autogen", stray)
            shutil.copytree(self.shard_folder("roof"), orphan)
            if empty:  # the open segment, so that nothing would move
                open(os.path.join(orphan, "_99999.wal"), "w", encoding="ascii").close()
        self.until(lambda: self.files(exporter, "pending") >= 3, "the orphans")
        message = self.checkpoint(exporter)["message"]
        self.assertIn("2 shards set apart, first cellar/autogen/6", message)
        self.assertNotIn("SHOW SHARDS", message)
        self.assertEqual(self.files(exporter, "pending"), 0)

    def test_an_orphan_and_a_copy_are_set_apart(self):
        exporter = self.start(("good",))
        folder = self.shard_folder("good")
        orphan = os.path.join(self.server.wal, "old", "autogen", "66")
        copy = os.path.join(self.server.wal, "good.bak", "autogen", os.path.basename(folder))
        shutil.copytree(folder, copy)
        shutil.copytree(folder, orphan)
        self.until(lambda: self.files(exporter, "orphaned") == 1, "the copy, which needs no checkpoint to be told")
        only, = exporter.target("plant")["shards"]
        self.assertEqual(only["shard"], "good.bak/autogen/" + os.path.basename(folder))
        self.assertIn("has a folder in the data directory", only["why"])
        run = self.checkpoint(exporter)
        self.assertEqual(run["outcome"], "succeeded", run)
        self.assertIn("1 shard set apart: old/autogen/66: InfluxDB does not know this shard", run["message"])
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "orphaned")), (0, 2))
        shown = exporter.target("plant")
        self.assertEqual(shown["health"], "healthy")
        self.assertEqual({shard["shard"] for shard in shown["shards"]},
                         {"old/autogen/66", "good.bak/autogen/" + os.path.basename(folder)})
        self.server.grow("good", MIB)
        self.until(lambda: self.files(exporter, "pending") > 0, "what was written")
        run = self.checkpoint(exporter)
        self.assertEqual(run["message"].count("set apart"), 0, "it is named once: " + run["message"])
        self.assertTrue(exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=10s").json["safe"])


class Once(Case):
    """--once on WALs that nobody writes to: folders with one number."""

    def once(self, *shards, data=()):
        root = tempfile.mkdtemp(dir=self.folder)
        for age, (shard, count) in enumerate(reversed(shards)):  # the first one was written to last
            folder = os.path.join(root, "wal", shard)
            os.makedirs(folder)
            for number in range(1, count + 1):
                path = os.path.join(folder, f"_{number:05}.wal")
                with open(path, "wb") as file:
                    file.write(b"\x01" + (300).to_bytes(4, "big") + bytes(300))
                os.utime(path, (1600000000 + age * 1000 + number,) * 2)
        for shard in data:
            os.makedirs(os.path.join(root, "data", shard))
        wal = os.path.join(root, "wal")
        ran = subprocess.run([PROGRAM, "--once", "--wal.directory=" + wal, "--state.directory=" + self.folder + "/state"],
                             capture_output=True, text=True, timeout=60, check=False)
        return ran.stdout + ran.stderr

    def test_which_of_two_folders_is_the_copy_is_not_guessed(self):
        text = self.once(("mill.old/autogen/17", 25), ("mill/autogen/17", 20))
        self.assertIn("25 files", text)
        self.assertIn("SHOW SHARDS tells which", text)
        self.assertNotIn("copy", text)
        self.assertNotIn("move its folder", text)

    def test_the_data_directory_beside_tells(self):
        for copy in ("mill.old", "aaa"):
            text = self.once((f"{copy}/autogen/17", 25), ("mill/autogen/17", 20), data=("mill/autogen/17",))
            self.assertIn("20 files", text)
            self.assertIn(f"Shard {copy}/autogen/17 is not counted: its number is that of shard mill/autogen/17", text)

    def test_strays_do_not_stand_in_for_shards(self):
        text = self.once((".snapshot/autogen/9", 49), ("mill/autogen/9", 40), ("mill/autogen/09", 3))
        self.assertIn("40 files", text)
        self.assertIn("Shard .snapshot/autogen/9 is not counted", text)
        self.assertIn("passed over, no shard of InfluxDB in it: mill/autogen/09", text)
        self.assertNotIn("move its folder", text)


if __name__ == "__main__":
    main()
