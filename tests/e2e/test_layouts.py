#!/usr/bin/env python3
"""Directories in which no file of a WAL is, and servers whose WAL is not in the directory that
was set: healthy with 0 files, and safe to restart, only where that is certain."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, main, run, settings  # noqa: E402
from nodes import NodeCase, Writers  # noqa: E402

from wal3 import WalContents, encode_file, wal_name  # noqa: E402  (nodes has put its folder on the path)

CHECKPOINT = "/api/v1/targets/plant/checkpoint"
PREPARE = "/api/v1/targets/plant/prepare-restart"


class Directories(Case):
    """Nobody to ask: only what lies on disk."""

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, *names):
        """Files, and folders where a name ends with a slash."""
        for name in names:
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            if not name.endswith("/"):
                with open(self.path(name), "w", encoding="utf-8") as file:
                    file.write("x")

    def judged(self, name):
        """(exit status of --once, whether a restart is called safe, what both say)."""
        where = (f"--wal.directory={self.path(name)}", f"--state.directory={self.folder}/state")
        once, prepared = run("--once", *where), run("--prepare-restart", "--max-wait=1s", *where)
        return once.returncode, prepared.returncode == 0, once.stdout + once.stderr + prepared.stdout + prepared.stderr

    def is_refused(self, name, *said, status=3):
        found = self.judged(name)
        self.assertEqual(found[:2], (status, False), found[2])
        for text in said:
            self.assertIn(text, found[2])

    def test_a_clusters_folder_beside_a_node_whose_wal_is_empty(self):
        self.put("data/cluster-7/catalog/v2/logs/00000000000000000003.catalog", "data/ingest-7/wal/")
        self.is_refused("data/cluster-7", f"beside it there is one: {self.path('data/ingest-7')}")

    def test_a_catalog_alone(self):
        self.put("data/q2/catalog/v2/logs/00000000000000000001.catalog", "data/q2/_catalog_checkpoint")
        self.is_refused("data/q2", "there is no wal/ yet", "a node that nothing was written to, or the folder of a cluster, "
                        "a compactor or a query node", "Not safe: ", status=1)

    def test_a_folder_above_nodes_whose_wals_are_empty(self):
        self.put("data/west/wal/", "data/east/wal/", "data/east/catalog/")
        self.is_refused("data", f"nodes of InfluxDB 3 seem to be, each a target of its own, {self.path('data/east')}, "
                                f"{self.path('data/west')}")
        self.put("other/n4/wal/")
        self.is_refused("other", f"the node's folder of InfluxDB 3 seems to be {self.path('other/n4')}")

    def test_an_empty_directory_is_nobodys(self):
        self.put("srv/")
        self.is_refused("srv", "holds no shard, and no data of InfluxDB lies beside it",
                        "Not safe: what a restart would replay is not known", status=1)
        self.put("disk/wal/")  # of what, nobody knows
        self.is_refused("disk", status=1)
        self.put("disk2/influxdb/data/", "disk2/influxdb/meta/")
        self.is_refused("disk2/influxdb", status=1)

    def test_the_folders_around_a_wal_of_1x_and_2x(self):
        self.put("one/data/plant/autogen/3/000000001-000000001.tsm", "one/meta/meta.db")
        self.is_refused("one", "does not belong into one")
        self.is_refused("one/meta", "does not belong into one")
        self.put("two/engine/wal/", "two/engine/data/", "two/influxd.bolt")
        self.is_refused("two/engine", f"perhaps it is {self.path('two/engine/wal')}")
        self.is_refused("two", f"perhaps it is {self.path('two/engine/wal')}")
        self.is_refused("two/engine/data", status=1)
        self.put("three/engine/wal/")
        self.is_refused("three/engine", status=1)

    def test_data_with_shards_whose_wal_lies_elsewhere(self):
        self.put("one/data/plant/autogen/12/000000001-000000001.tsm", "one/data/plant/_series/00/0000", "one/wal/")
        self.is_refused("one/wal", f"there is {self.path('one/data/plant/autogen/12')}, whose WAL InfluxDB keeps elsewhere",
                        status=1)
        self.put("one/wal/plant/autogen/12/")
        self.assertEqual(self.judged("one/wal")[:2], (0, True))

    def test_a_server_that_has_not_written_yet(self):
        for name in ("one/", "two/engine/"):
            self.put(f"{name}data/", f"{name}wal/")
            code, safe, said = self.judged(f"{name}wal")
            self.assertEqual((code, safe), (0, True), said)
        self.put("core/n1/catalog/v2/logs/00000000000000000001.catalog", "core/n1/wal/")
        self.assertEqual(self.judged("core/n1")[:2], (0, True))

    def test_it_becomes_healthy_with_its_first_file(self):
        self.put("data/n1/catalog/v2/logs/00000000000000000001.catalog", "srv/")
        exporter = self.exporter(settings(
            *({"name": name, "wal": {"directory": self.path(where)}, "sampling": {"interval": "300ms"}}
              for name, where in (("plant", "data/n1"), ("office", "srv")))))

        def shows(name, health, folders):
            self.until(lambda: (exporter.target(name)["health"], self.counter(
                exporter, "influxdb_wal_uncounted_folders", target=name)) == (health, folders),
                lambda: f"{name} {health}: {exporter.target(name)}")
        shows("plant", "warning", 1)
        shows("office", "warning", 1)
        self.put("srv/plant/autogen/1/", "data/n1/wal/")
        with open(self.path(f"data/n1/wal/{wal_name(1)}"), "wb") as file:
            file.write(encode_file(WalContents(time.time_ns() // 10**6, 5, 6, 1, [], None)))
        shows("plant", "healthy", 0)
        shows("office", "healthy", 0)


class Servers(NodeCase):
    def begin(self, node, **sections):
        exporter = self.exporter(settings(self.node_target(node, **sections)))
        self.until(lambda: exporter.target()["node"] and (exporter.target()["server"] or {}).get("up"),
                   lambda: f"the node and its server known:\n{exporter.tail()}")
        return exporter

    def wait_health(self, exporter, health):
        return self.until(lambda: exporter.target()["health"] == health and exporter.target(),
                          lambda: f"{health}: {exporter.target()['health']}, {exporter.target()['recommendations']}")

    def once(self, node):
        config = self.file("once.yml", settings(self.node_target(node)))
        return run("--once", f"--config.file={config}", f"--state.directory={self.folder}/none")

    def is_unsafe(self, exporter, said):
        answer = exporter.post(f"{PREPARE}?max_wait=20s", timeout=40)
        self.assertFalse(answer.json["success"], answer.text)
        self.assertIn(said, answer.json["message"])

    def is_not_measured(self, node, exporter, said):
        shown = self.wait_health(exporter, "warning")
        self.assertEqual(shown["pending"]["files"], 0)
        self.assertIn(said, "\n".join(shown["recommendations"]))
        self.assertEqual(self.counter(exporter, "influxdb_wal_uncounted_folders"), 1)
        self.is_unsafe(exporter, said)
        before = node.points()
        refused = exporter.post(f"{CHECKPOINT}?wait=20s", timeout=40).json
        self.assertNotEqual(refused.get("state"), "ended", refused)
        self.assertEqual(node.points(), before)

    def test_a_new_node_of_core_is_known_by_its_server(self):
        node = self.node()
        self.assertEqual(os.listdir(node.node), ["catalog"])
        exporter = self.begin(node)
        self.wait_health(exporter, "healthy")
        self.assertTrue(exporter.post(f"{PREPARE}?max_wait=20s", timeout=40).json["success"])
        self.assertEqual(self.once(node).returncode, 0)
        node.write(2)
        self.until(lambda: exporter.target()["pending"]["files"] == 2, "its first files")
        self.assertEqual(exporter.target()["health"], "healthy")

    def test_a_folder_that_the_server_does_not_list_is_not_its_own(self):
        node = self.node()
        os.rename(node.node, os.path.join(node.data, "n9"))
        node.wal = os.path.join(node.data, "n9")
        exporter = self.begin(node)
        self.wait_health(exporter, "warning")
        self.is_unsafe(exporter, "there is no wal/ yet")

    def test_a_query_node_and_the_clusters_folder_have_no_wal(self):
        node = self.node(cluster_id="c1", mode=("query",), version="3.11.2")
        os.makedirs(node.node)
        exporter = self.begin(node)
        self.wait_health(exporter, "warning")
        self.is_unsafe(exporter, "this node takes no writes")
        exporter.stop()
        node.wal = os.path.join(node.data, "c1")
        for version in ("3.10.4", "3.11.2"):
            node.stop()
            node.start(mode=("ingest", "query"), version=version)
            once = self.once(node)
            self.assertEqual(once.returncode, 1, once.stdout)
            self.assertIn("the folder of a cluster", once.stdout)

    def test_the_upgraded_engine_of_a_new_cluster_needs_no_flag(self):
        node = self.node(cluster_id="c1", version="3.11.7", upgraded=True)
        os.makedirs(os.path.join(node.node, "wal"))
        os.makedirs(os.path.join(node.node, "snapshots"))
        node.write(3)
        exporter = self.begin(node)
        self.is_not_measured(node, exporter, "runs its upgraded storage engine")
        once = self.once(node)
        self.assertEqual(once.returncode, 1, once.stdout)
        self.assertIn("this engine's WAL is not measured", once.stdout)

    def test_the_other_engine_of_enterprise_is_measured_as_ever(self):
        node = self.node(cluster_id="c1", version="3.12.0")
        node.write(4)
        exporter = self.begin(node)
        self.until(lambda: exporter.target()["pending"]["files"] == 4, "its files")
        self.assertEqual(self.wait_health(exporter, "healthy")["recommendations"][0], "WAL health is optimal")

    def test_an_engine_that_may_not_be_asked_for_is_in_doubt_until_a_file_comes(self):
        node = self.node(token="s3cret", cluster_id="c1", version="3.11.0", open_routes=("ping",))
        node.write(1)
        path = os.path.join(node.node, "wal", wal_name(1))
        os.utime(path, (time.time() - 7200,) * 2)
        token = self.file("token", "another")
        exporter = self.begin(node, influxdb={"url": node.url, "token_file": token})
        self.wait_health(exporter, "warning")
        self.is_unsafe(exporter, "whether this node has that engine is not known")
        node.write(1)
        self.wait_health(exporter, "healthy")

    def test_writes_that_do_not_come_to_the_wal_show_another_engine(self):
        # It says Core and has none of the flags: nothing but what it counts tells.
        node = self.node(upgraded=True)
        folder = os.path.join(node.node, "wal")
        os.makedirs(folder)
        os.makedirs(os.path.join(node.node, "snapshots"))
        exporter = self.begin(node)
        self.wait_health(exporter, "healthy")  # as if nobody wrote
        with Writers(node, every=0.2):
            shown = self.until(lambda: exporter.target()["health"] == "warning" and exporter.target(),
                               lambda: f"a warning: {exporter.target()['health']}\n{exporter.tail()}")
            self.assertIn("no file of this WAL has changed", "\n".join(shown["recommendations"]))
            self.is_not_measured(node, exporter, "its storage engine keeps the WAL elsewhere")
        # As long as no file comes; one that does shows that it is this WAL after all.
        with open(os.path.join(folder, wal_name(1)), "wb") as file:
            file.write(encode_file(WalContents(time.time_ns() // 10**6, 5, 6, 1, [], None)))
        self.wait_health(exporter, "healthy")


if __name__ == "__main__":
    main()
