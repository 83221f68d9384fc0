#!/usr/bin/env python3
"""A real InfluxDB 1.6.7 that was restarted unprepared: the segments that were open then stay, though what is
in them is persisted. exporter/influxdb/FACTS.md, "1.x: the segment that was open before a restart"."""

import os
import shutil
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, get, main, settings, target  # noqa: E402

COLD = ("cold-1", "cold-2", "cold-3")
T0 = 1500000000000000000  # in July 2017: a shard of its own, which nobody writes to


class KeptOpen(Case):
    def start_restarted(self, databases=COLD, **arguments):
        """Shards with one point each, and after a restart a write to another one."""
        self.server = self.influxd(databases=(*databases, "hot"), grow=0, **arguments)
        for database in (*databases, "hot"):
            self.server.write(database, f"pump,machine=m1 temperature=60.5 {T0}")
        self.restart()
        self.server.write("hot", f"pump,machine=m1 temperature=61.5 {T0 + 1}")

    def restart(self):
        self.server.stop()
        self.server.start()

    def lose(self, database):
        """From here on no snapshot of its shard can be written."""
        shutil.rmtree(os.path.join(self.server.folder, "data", database, "autogen"))

    def files(self, exporter, state):
        return self.counter(exporter, "influxdb_wal_files", state=state)

    def checkpoint(self, exporter):
        return exporter.post("/wal-management/checkpoint")

    def prepare(self, exporter):
        return exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=10s")

    def test_three_cold_shards_and_a_hot_one(self):
        self.start_restarted()
        exporter = self.exporter(settings(target(self.server)))
        answer = self.checkpoint(exporter)
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        run = exporter.target("plant")["checkpoint"]["last_run"]
        self.assertEqual((run["outcome"], run["reclaimed"]["files"]), ("succeeded", 1))
        self.assertIn("3 files, 180 B persisted", run["message"])
        shown = exporter.target("plant")
        self.assertEqual((shown["pending"]["files"], shown["kept_open"]), (0, {"files": 3, "bytes": 180}))
        self.assertEqual(shown["health"], "healthy")
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 3))
        self.assertEqual(self.counter(exporter, "influxdb_wal_bytes", state="kept_open"), 180)
        prepared = self.prepare(exporter)
        self.assertEqual((prepared.status, prepared.json["safe"]), (200, True), prepared.text)
        self.assertIn("3 files, 180 B", prepared.json["message"])
        self.assertEqual(prepared.json["kept_open"], {"files": 3, "bytes": 180})
        # After that restart the server has them in memory again, and they are on its disk as before.
        self.restart()
        self.wait_samples(exporter, 2)
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 3))
        prepared = self.prepare(exporter)
        self.assertEqual((prepared.status, prepared.json["safe"]), (200, True), prepared.text)
        # A write to one of them, and it is pending; the next checkpoint takes its file.
        self.server.write(COLD[0], f"pump,machine=m1 temperature=62.5 {T0 + 2}")
        self.until(lambda: self.files(exporter, "pending") == 1, "the write")
        self.assertTrue(self.checkpoint(exporter).json["success"])
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 2))
        self.assertEqual(self.outcomes(exporter)["unverified"], 0)

    def wait_samples(self, exporter, count):
        before = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > before + count, f"{count} samples")

    def test_is_known_again_after_a_restart_of_the_exporter(self):
        self.start_restarted()
        exporter = self.exporter(settings(target(self.server)))
        self.assertTrue(self.checkpoint(exporter).json["success"])
        self.end(exporter)
        exporter.start().wait_good_sample()
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 3))

    def test_where_the_server_is_not_asked_the_hot_shard_proves_the_address(self):
        self.start_restarted()
        exporter = self.exporter(settings(target(self.server, influxdb={"url": None, "version": 1})))
        answer = self.checkpoint(exporter)
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 3))
        self.assertTrue(self.prepare(exporter).json["safe"])

    def test_a_shard_that_cant_be_persisted_beside_them_stays_a_failure(self):
        for url in (True, False):
            with self.subTest(url=url):
                self.folder = self.folder + "x"
                os.mkdir(self.folder)
                self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
                self.start_restarted(databases=(*COLD, "lost"))
                self.lose("lost")
                sections = {} if url else {"influxdb": {"url": None, "version": 1}}
                exporter = self.exporter(settings(target(self.server, **sections)))
                self.checkpoint(exporter)
                message = exporter.target("plant")["checkpoint"]["last_run"]["message"]
                self.assertIn("lost/autogen/4", message)
                if url:
                    self.assertIn("InfluxDB knows the shard and holds", message)
                else:
                    self.assertIn("InfluxDB knows the shard: it can't write a snapshot", message)
                self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (1, 3))
                self.assertEqual(self.files(exporter, "orphaned"), 0)
                self.assertFalse(self.prepare(exporter).json["safe"])

    def test_twelve_databases_of_a_point_each_are_healthy_after_one_checkpoint(self):
        self.start_restarted(databases=tuple(f"db{number}" for number in range(12)))
        exporter = self.exporter(settings(target(self.server, thresholds={"max_files": 5})))
        self.wait_checkpoint(exporter, outcome="succeeded")
        self.until(lambda: exporter.target("plant")["health"] == "healthy", "healthy")
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 12))
        self.assertEqual(sum(self.outcomes(exporter).values()), 1)

    def test_another_server_is_told_apart(self):
        self.start_restarted(databases=("cold-1",))
        # It has shards of the same numbers, so it answers with archives too.
        other = self.influxd("other", databases=("a", "b"), grow=0)
        for database in ("a", "b"):
            other.write(database, f"m f=1 {T0}")
        exporter = self.exporter(settings(target(self.server, influxdb={"backup_address": other.backup_address})))
        answer = self.checkpoint(exporter)
        self.assertFalse(answer.json["success"], answer.text)
        self.assertIn("still holds its data in memory alone", answer.text)
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (2, 0))
        exporter.configure(settings(target(self.server, influxdb={"url": other.url,
                                                                  "backup_address": other.backup_address})))
        self.end(exporter)
        exporter.state += "-2"  # without the wait after the failure
        exporter.start().wait_good_sample()
        answer = self.checkpoint(exporter)
        self.assertIn("has no such file", answer.text)

    # One point each, with what makes writing it again exactly hard.
    ODD = {
        "ints": "m,t=a i=9007199254740993i",
        "floats": "m f=0.30000000000000004",
        "flags": "m b=false",
        "texts": 'm s="a \\"q\\" \\\\ \nb, c=d"',
        "names": 'my\\ m\\,x"q"=1,ta\\ g=v\\,a\\=l,ü=ö f\\ 1=-7i',
    }

    def content(self, database):
        text = urllib.parse.quote("SELECT * FROM /.*/ GROUP BY *; SHOW FIELD KEYS; SELECT count(*) FROM /.*/")
        return get(f"{self.server.url}/query?db={database}&epoch=ns&q={text}").json

    def plan(self, exporter, count):
        """Once it names as many shards."""
        def named():
            plan = exporter.get("/api/v1/targets/plant/checkpoint-plan").json
            return len(plan["rewrites"]) == count and plan["rewrites"]
        return self.until(named, "the plan")

    def test_the_opt_in_frees_them_and_leaves_the_data_as_it_is(self):
        self.server = self.influxd(databases=(*self.ODD, "hot"), grow=0)
        for database, point in self.ODD.items():
            self.server.write(database, f"{point} {T0}".encode())
            self.server.write(database, f"other,t=x f=1 {T0 + 5}".encode())
        self.server.write("hot", f"m f=1 {T0}")
        self.restart()
        before = {database: self.content(database) for database in self.ODD}
        exporter = self.exporter(settings(target(self.server, checkpoint={"rewrite_kept_open": True})))
        self.assertTrue(self.checkpoint(exporter).json["success"])
        kept = len(self.ODD) + 1
        self.assertEqual(self.files(exporter, "kept_open"), kept)
        shown = {one["shard"].partition("/")[0]: one for one in self.plan(exporter, kept)}
        self.assertEqual(shown["ints"], {"shard": "ints/autogen/1", "measurement": "m", "tags": {"t": "a"}, "field": "i",
                                         "time": "2017-07-14T02:40:00.000Z", "why_not": None})
        self.assertEqual((shown["names"]["measurement"], shown["names"]["tags"]),
                         ('my m,x"q"=1', {"ta g": "v,a=l", "ü": "ö"}))
        answer = self.checkpoint(exporter)
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 0), answer.text)
        self.assertEqual([size for size in self.server.wal_files().values() if size > 0], [])
        self.assertEqual({database: self.content(database) for database in self.ODD}, before)
        self.restart()
        self.assertEqual({database: self.content(database) for database in self.ODD}, before)

    def test_the_opt_in_goes_by_the_login(self):
        self.server = self.influxd(databases=("cold", "hot"), grow=0)
        self.server.query("CREATE USER root WITH PASSWORD 'r00t' WITH ALL PRIVILEGES")
        self.server.query("CREATE USER reader WITH PASSWORD 'r3ad'")
        self.server.query('GRANT READ ON "cold" TO reader')
        for database in ("cold", "hot"):
            self.server.write(database, f"m f=1 {T0}")
        self.server.wants_logins = True
        self.restart()
        token_file = os.path.join(self.folder, "login")

        def log_in(login):
            with open(token_file, "w", encoding="ascii") as file:
                file.write(login)
        log_in("reader:r3ad")
        exporter = self.exporter(settings(target(self.server, influxdb={"token_file": token_file},
                                                 checkpoint={"rewrite_kept_open": True})))
        self.assertTrue(self.checkpoint(exporter).json["success"])
        self.assertEqual(self.files(exporter, "kept_open"), 2)
        for one in self.plan(exporter, 2):
            self.assertIn("the login of influxdb.token_file may not read", one["why_not"])
        self.assertEqual(self.checkpoint(exporter).status, 200)
        self.assertEqual(self.files(exporter, "kept_open"), 2)
        self.end(exporter)
        log_in("root:r00t")
        exporter.start().wait_good_sample()
        self.until(lambda: all(one["measurement"] for one in self.plan(exporter, 2)), lambda: self.plan(exporter, 2))
        answer = self.checkpoint(exporter)
        self.assertTrue(answer.json["success"], answer.text)
        self.assertEqual((self.files(exporter, "pending"), self.files(exporter, "kept_open")), (0, 0), answer.text)

    def test_the_opt_in_leaves_a_shard_alone_whose_retention_ends_within_an_hour(self):
        self.server = self.influxd(databases=("short", "hot"), grow=0)
        self.server.query('CREATE RETENTION POLICY brief ON "short" DURATION 1h REPLICATION 1 SHARD DURATION 1h DEFAULT')
        # In the hour before this one, which is deleted when this one ends.
        last_hour = int(time.time()) // 3600 * 3600 - 1
        self.server.write("short", f"m f=1 {last_hour}000000000")
        self.server.write("hot", f"m f=1 {T0}")
        self.restart()
        self.server.write("hot", f"m f=2 {T0 + 1}")
        exporter = self.exporter(settings(target(self.server, checkpoint={"rewrite_kept_open": True})))
        self.assertTrue(self.checkpoint(exporter).json["success"])
        only, = self.plan(exporter, 1)
        self.assertIn("its retention ends at", only["why_not"])
        before = self.server.wal_files()
        self.assertTrue(self.prepare(exporter).json["safe"])
        self.assertTrue(self.checkpoint(exporter).json["success"])
        self.assertEqual(self.server.wal_files(), before)


if __name__ == "__main__":
    main()
