#!/usr/bin/env python3
"""Situations that people met with InfluxDB 1.x and 2.x and reported, each laid out on disk, with the verdict of the program from outside:
its exit code, its JSON, its words."""

import json
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PROGRAM, FakeServer, main, run  # noqa: E402
from laid import CRITICAL, HEALTHY, NO_SAMPLE, WARNING, Fake3, Fake8088, Laid  # noqa: E402


class OfOneX(Laid):
    def test_a_linked_shard_folder_is_counted_as_the_server_reads_it(self):
        self.segments("energy/autogen/4", 2)
        self.segments("linked", 70, root="ssd")
        os.symlink(self.path("ssd", "linked"), self.path("wal", "energy", "autogen", "9"))
        self.assertEqual(self.verdict(self.path("wal")), (72, CRITICAL))

    def test_a_linked_retention_policy_is_counted_too(self):
        self.segments("energy/autogen/4", 2)
        self.segments("week/11", 33, root="ssd")
        os.symlink(self.path("ssd", "week"), self.path("wal", "energy", "week"))
        self.assertEqual(self.verdict(self.path("wal")), (35, WARNING))

    def test_what_lies_behind_a_link_is_replayed_by_a_restart(self):
        self.segments("linked/autogen/9", 3, root="ssd")
        self.lay(self.path("wal", "plant", "autogen", "1", "_00004.wal"))
        os.symlink(self.path("ssd", "linked"), self.path("wal", "energy"))
        code, said = self.prepare(self.path("wal"))
        self.assertEqual(code, 1, said)
        self.assertIn("3 files", said)

    def test_shards_with_an_empty_open_segment_raise_no_limit(self):
        for shard in range(200):
            self.lay(self.path("wal", "old", "autogen", str(1000 + shard), "_00007.wal"))
        self.segments("plant/autogen/3", 64)
        shown = self.once(self.path("wal"))
        self.assertEqual(shown["thresholds"]["warning_files"], 30)
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (64, CRITICAL))

    def test_a_copy_beside_the_original_is_counted_once(self):
        for folder in ("plant", "plant-before-upgrade"):
            self.segments(f"{folder}/autogen/12", 17)
        os.makedirs(self.path("data", "plant", "autogen", "12"))
        self.assertEqual(self.verdict(self.path("wal")), (17, HEALTHY))

    def test_a_copy_beside_the_original_makes_no_checkpoint_doubtful(self):
        for folder in ("plant", "a-copy-of-plant"):  # the copy is the newer one
            self.segments(f"{folder}/autogen/12", 9)
        port = Fake8088(self.path("wal"), databases={12: "plant"})
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "3s"})
        ended = self.checkpoint(exporter)
        self.assertEqual((ended["outcome"], ended["reclaimed"]["files"]), ("succeeded", 9), ended)
        self.assertEqual(exporter.target("plant")["pending"]["files"], 0)
        self.assertEqual([shard["shard"] for shard in exporter.target("plant")["shards"]], ["a-copy-of-plant/autogen/12"])

    def test_stray_folders_that_may_not_be_read_do_not_hide_the_databases(self):
        self.segments("plant/autogen/3", 5)
        root = os.getuid() == 0
        # As another user, who may not be able to go where the checkout lies.
        command = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
                   shutil.copy(PROGRAM, self.path("program"))) if root else (PROGRAM,)
        for stray in ("@eaDir", ".snapshot", ".Trash-1000"):
            os.makedirs(self.path("wal", stray, "thumbs"))
            os.chmod(self.path("wal", stray), 0o700 if root else 0)
        self.assertEqual(self.verdict(self.path("wal"), command=command), (5, HEALTHY))

    def test_a_stray_folder_does_not_turn_2_into_1(self):
        self.segments("a1b2c3d4e5f60718/autogen/3", 2)
        os.makedirs(self.path("wal", "@eaDir"))
        self.assertEqual(self.once(self.path("wal"))["version"], "2")

    def test_segments_of_the_cloud_edition_stop_a_start(self):
        self.segments("a1b2c3d4e5f60718/autogen/3", 2)
        for number in range(1, 9):
            self.lay(self.path("wal", "a1b2c3d4e5f60718", "autogen", "5", "_%05d.wrr" % number), b"x")
        self.once(self.path("wal"))
        self.assertEqual(self.result.returncode, CRITICAL, self.result.stdout + self.result.stderr)
        self.assertIn("other_edition", self.result.stdout)

    def test_a_backup_that_answers_before_its_snapshot_is_looked_after(self):
        self.segments("plant/autogen/3", 6)
        port = Fake8088(self.path("wal"), delay=4)
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "20s"})
        ended = self.checkpoint(exporter)
        self.assertEqual(ended["outcome"], "succeeded", ended)

    def test_a_shard_whose_snapshots_fail_is_asked_once_a_run_and_named_after_three(self):
        """Each question costs it a segment."""
        self.segments("plant/autogen/8", 20)
        port = Fake8088(self.path("wal"), fails=True)
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "1s"})
        for turn in range(1, 4):
            ended = self.checkpoint(exporter)
            self.assertEqual(len(port.asked), turn, ended)
        self.assertEqual(len(os.listdir(self.path("wal", "plant", "autogen", "8"))), 23)
        shard, = exporter.target("plant")["shards"]
        self.assertEqual((shard["shard"], shard["state"]), ("plant/autogen/8", "failing"))
        self.assertIn("free space and file-size limit of its data directory", shard["why"])

    def test_the_folder_of_a_dropped_shard_holds_up_no_other(self):
        self.segments("cellar/autogen/71", 25)
        self.segments("plant/autogen/3", 2)
        port = Fake8088(self.path("wal"), unknown=(71,))
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address})
        for _ in range(6):  # one more than opens the breaker
            self.until(lambda: exporter.target("plant")["pending"]["files"] in (2, 27), "what was written")
            ended = self.checkpoint(exporter)
            self.assertEqual((ended["outcome"], ended["reclaimed"]["files"]), ("succeeded", 2), ended)
            self.segments("plant/autogen/3", 2)
        self.assertEqual((exporter.target("plant")["health"], port.asked.count(71)), ("healthy", 1))

    def test_a_directory_replaced_under_the_server_is_not_healthy(self):
        self.segments("plant/autogen/3", 3)
        exporter = self.daemon(influxdb={"version": 1})
        shutil.rmtree(self.path("wal"))
        os.makedirs(self.path("wal"))
        before = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > before + 2, "samples of the new one")
        self.assertEqual((exporter.target("plant")["health"], exporter.target("plant")["pending"]["files"]), ("warning", 0))

    def test_what_was_done_counts_where_the_time_was_too_short(self):
        for shard in range(1, 61):
            self.segments(f"plant/autogen/{shard}", 2)
        port = Fake8088(self.path("wal"), pause=0.04)
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "1s"})
        ended = self.checkpoint(exporter)
        self.assertEqual(ended["outcome"], "succeeded", ended)
        self.assertIn("left for the next checkpoint", ended["message"])
        self.assertNotIn("not emptied", ended["message"])
        for _ in range(8):
            if len(set(port.asked)) == 60:
                break
            self.checkpoint(exporter)
        self.assertEqual(len(set(port.asked)), 60)
        self.assertEqual(self.outcomes(exporter)["failed"], 0)

    def test_times_of_files_that_no_clock_holds_overflow_nothing(self):
        self.segments("plant/autogen/3", 4)
        first = self.path("wal", "plant", "autogen", "3", "_00002.wal")
        os.utime(first, ns=((2390 - 1970) * 31_556_952 * 10**9,) * 2)
        if os.stat(first).st_mtime_ns < 2**63:
            self.skipTest("the filesystem does not hold a time after 2262")
        shown = self.once(self.path("wal"))
        now = time.strftime("%Y-%m-%d")
        self.assertEqual((shown["pending"]["oldest_time"][:10], self.result.returncode), (now, HEALTHY))
        self.assertGreater(shown["newest_file_time"][:10], now)

    def test_a_containers_proxy_that_hangs_up_is_named(self):
        self.segments("plant/autogen/3", 2)
        port = FakeServer(lambda connection: connection.close())
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address})
        ended = self.checkpoint(exporter)
        self.assertIn("INFLUXDB_BIND_ADDRESS", ended["message"])

    def test_a_wal_of_1x_under_version_3_is_said_to_be_one(self):
        self.segments("plant/autogen/3", 2)
        config = self.path("c.yml")
        self.lay(config, json.dumps({"targets": [{"influxdb": {"version": 3}, "wal": {"directory": self.path("wal")}}]}).encode())
        result = run("--once", f"--config.file={config}", f"--state.directory={self.path('none')}")
        self.assertIn("is a WAL of InfluxDB 1.x or 2.x, but influxdb.version is 3", result.stdout + result.stderr)

    def test_an_http_port_as_backup_address_is_named(self):
        self.segments("plant/autogen/3", 2)
        server = Fake3()
        self.addCleanup(server.end)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": server.url[7:]})
        self.assertIn("that is an HTTP port", self.checkpoint(exporter)["message"])

    def test_a_url_of_https_at_a_port_of_http_is_named(self):
        self.segments("a1b2c3d4e5f60718/autogen/3", 2)
        self.lay(self.path("token"), b"x")
        server = Fake3(version="2.7.11")
        self.addCleanup(server.end)
        exporter = self.daemon(influxdb={"version": 2, "url": "https" + server.url[4:], "token_file": self.path("token")})
        self.assertIn("does not speak TLS; write http://", self.checkpoint(exporter)["message"])

    def test_a_token_file_that_is_not_there_fails_the_check_of_the_settings(self):
        config = self.path("c.yml")
        self.lay(config, json.dumps({"targets": [{"wal": {"directory": self.folder}, "influxdb": {
            "version": 2, "url": "http://127.0.0.1:8086", "token_file": self.path("no-token")}}]}).encode())
        result = run("--config.check", f"--config.file={config}")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn(self.path("no-token"), result.stdout + result.stderr)

    def test_a_wal_that_is_not_there_yet_may_be_one_of_a_new_server(self):
        shown = self.once(self.path("influxdb", "wal"))
        self.assertEqual(self.result.returncode, NO_SAMPLE)
        self.assertIn("may not have written yet", shown["error"])


class OfKernels(Laid):
    """Filesystems that are not at hand: what the kernel says of them is put before libc."""

    SAYS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int statx(int at, const char* path, int flags, unsigned mask, struct statx* out) {
  if (getenv("REFUSES") && (flags & AT_STATX_DONT_SYNC)) return errno = EINVAL, -1;
  return ((int (*)(int, const char*, int, unsigned, struct statx*))dlsym(RTLD_NEXT, "statx"))(at, path, flags, mask, out);
}
static int as_said(int result, struct statfs* out) {
  if (getenv("SAID") && out->f_type != 0x794c7630) out->f_type = strtol(getenv("SAID"), NULL, 16);
  return result;
}
int fstatfs(int fd, struct statfs* out) {
  return as_said(((int (*)(int, struct statfs*))dlsym(RTLD_NEXT, "fstatfs"))(fd, out), out);
}
int statfs(const char* path, struct statfs* out) {
  return as_said(((int (*)(const char*, struct statfs*))dlsym(RTLD_NEXT, "statfs"))(path, out), out);
}
"""

    def preload(self, **environment):
        compiler = shutil.which("cc") or shutil.which("clang-14")
        if not compiler:
            self.skipTest("no C compiler is here")
        self.lay(self.path("says.c"), self.SAYS.encode())
        subprocess.run([compiler, "-shared", "-fPIC", "-o", self.path("says.so"), self.path("says.c"), "-ldl"], check=True)
        return {"LD_PRELOAD": self.path("says.so"), **environment}

    def degraded(self, exporter):
        return exporter.target("plant")["watch_detail"] if self.counter(exporter, "influxdb_wal_watch_degraded") else ""

    def test_a_kernel_without_the_flag_for_old_sizes_counts_all_the_same(self):
        self.segments("plant/autogen/3", 41)
        self.node("n", range(1, 8))
        environment = self.preload(REFUSES="1")
        for folder, files in (("wal", 41), ("n", 7)):
            result = run("--once", "--format=json", f"--wal.directory={self.path(folder)}",
                         f"--state.directory={self.path('none')}", environment=environment)
            shown = json.loads(result.stdout)["targets"][0]
            self.assertEqual((shown["error"], shown["pending"] and shown["pending"]["files"]), (None, files))

    def test_a_filesystem_of_the_network_is_said_to_give_no_events(self):
        self.segments("plant/autogen/3", 2)
        for said, name in (("0x00c36400", "Ceph"), ("0x786f4256", "vboxsf")):
            exporter = self.daemon(environment=self.preload(SAID=said))
            self.assertIn(f"lies on {name}", self.degraded(exporter))
            self.end(exporter)

    def test_so_is_an_overlay_over_one(self):
        mounts = ('mount -t tmpfs none "$0" && mkdir "$0/lower" "$0/upper" "$0/work" && '
                  'mount -t overlay -o "lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work" none "$0/../wal" && '
                  'mkdir -p "$0/../wal/plant/autogen/3" && : > "$0/../wal/plant/autogen/3/_00001.wal" && exec "$@"')
        for folder in ("layers", "wal"):
            os.makedirs(self.path(folder))
        wrapper = ("unshare", "-rm", "sh", "-c", mounts, self.path("layers"))
        tried = run(*wrapper[1:], "true", program=wrapper[0])
        if tried.returncode != 0:
            self.skipTest("no overlay can be mounted here: " + tried.stderr.strip())
        for said, text in (("0x0bd00bd0", "an overlay over Lustre"), ("0xef53", "")):
            exporter = self.daemon(influxdb={"version": 1}, wrapper=wrapper, environment=self.preload(SAID=said))
            shown = self.degraded(exporter)
            self.assertIn(text, shown)
            self.assertEqual(bool(text), bool(shown))
            self.end(exporter)


if __name__ == "__main__":
    main()
