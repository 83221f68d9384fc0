#!/usr/bin/env python3
"""What the program does to the WAL directory: it reads. Seen from outside with
strace, and by running as a user who may only read."""

import json
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PROGRAM, Case, main, run, settings, target  # noqa: E402

CHANGES = ("creat(", "rename", "unlink", "mkdir", "rmdir", "truncate", "chmod", "chown", "link(", "linkat(",
           "symlink", "utime", "mknod", "fallocate", "setxattr", "removexattr")
NOBODY = 65534


class Access(Case):
    def test_no_wal_file_is_ever_opened_for_writing(self):
        server = self.influxd(databases=("plant", "office"))
        trace = os.path.join(self.folder, "trace")
        # Leaks can't be looked for below another tracer.
        exporter = self.exporter(
            settings(target(server, thresholds={"max_size": "10MiB"})),
            wrapper=["strace", "-D", "-f", "-y", "-s", "4096", "-o", trace, "-e", "trace=%file,%desc"],
            environment={"ASAN_OPTIONS": "detect_leaks=0:exitcode=66"})
        self.wait_checkpoint(exporter, 90, reason="warning", outcome="succeeded")
        exporter.stop()

        def traced():
            with open(trace, encoding="utf-8", errors="replace") as file:
                return f"{exporter.pid} +++ exited with 0" in re.sub(" +", " ", file.read())
        self.until(traced, "the end of the trace")
        with open(trace, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if server.wal in line]
        opened = [line for line in lines if re.search(r"\bopen(at2?)?\(", line)]
        self.assertTrue(opened, "the trace shows no access to the WAL at all")
        writing = [line for line in opened if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", line)]
        self.assertEqual(writing, [])
        changing = [line for line in lines if any(re.search(r"\b" + re.escape(call), line) for call in CHANGES)]
        self.assertEqual(changing, [])

    def test_reads_as_a_user_who_may_only_read(self):
        server = self.influxd(databases=("plant",))
        wrapper = []
        program = PROGRAM
        if os.getuid() == 0:
            # The checkout may lie where another user can't go.
            program = shutil.copy(PROGRAM, os.path.join(self.folder, "influxdb_wal_exporter"))
            os.chmod(program, 0o755)
            for folder, _, names in os.walk(server.folder):
                os.chmod(folder, 0o755)
                for name in names:
                    os.chmod(os.path.join(folder, name), 0o644)
            # As where the WAL lies on a filesystem of its own.
            os.mkdir(os.path.join(server.wal, "lost+found"), mode=0o700)
            wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--"]
        else:
            for folder, _, _ in os.walk(server.wal):
                os.chmod(folder, 0o555)
        exporter = self.exporter(settings(target(server, thresholds={"max_size": "10MiB"})), start=False,
                                 program=program)
        os.makedirs(exporter.state, mode=0o700)
        if os.getuid() == 0:
            os.chown(exporter.state, NOBODY, NOBODY)
            exporter.start(wrapper).wait_good_sample()
            with open(f"/proc/{exporter.pid}/status", encoding="ascii") as file:
                self.assertIn(f"Uid:\t{NOBODY}\t{NOBODY}", file.read())
            self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        else:
            exporter.start(wrapper).wait_good_sample()
        self.assertEqual(self.counter(exporter, "influxdb_wal_last_sample_success"), 1)
        self.assertEqual(self.counter(exporter, "influxdb_wal_watch_degraded"), 0)

    def test_a_directory_it_may_not_read_is_named_with_the_remedy(self):
        server = self.influxd(databases=("plant",))
        if os.getuid() != 0:
            os.chmod(server.wal, 0)
            self.addCleanup(os.chmod, server.wal, 0o700)
        wrapper = []
        program = PROGRAM
        if os.getuid() == 0:
            program = shutil.copy(PROGRAM, os.path.join(self.folder, "influxdb_wal_exporter"))
            os.chmod(program, 0o755)
            os.chmod(server.wal, 0o700)
            wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
        exporter = self.exporter(settings(target(server)), start=False, program=program)
        os.makedirs(exporter.state, mode=0o700)
        if os.getuid() == 0:
            os.chown(exporter.state, NOBODY, NOBODY)
        exporter.start(wrapper)
        error = self.until(lambda: (lambda e: e if e and server.wal in e else None)(exporter.target()["error"]),
                           "an error that names the directory")
        self.assertIn("ermission", error)
        self.assertEqual(exporter.get("/wal-management/health").status, 503)
        self.assertEqual(self.counter(exporter, "influxdb_wal_last_sample_success"), 0)

    def as_another_user(self, *privileges):
        """The exporter on a 0700 tree of user 4711, in which a shard appears while it runs."""
        if os.getuid() != 0:
            self.skipTest("a tree of another user takes root to make")
        wal = os.path.join(self.folder, "theirs", "wal")

        def shard(number):
            folder = os.path.join(wal, "plant", "autogen", str(number))
            os.makedirs(folder, mode=0o700)
            with open(os.path.join(folder, "_00001.wal"), "wb") as file:
                file.write(bytes([1, 0, 0, 0, 20]) + b"x" * 20)
            # As InfluxDB makes them.
            for top, _, names in os.walk(os.path.dirname(wal)):
                os.chown(top, 4711, 4711)
                os.chmod(top, 0o700)
                for name in names:
                    os.chown(os.path.join(top, name), 4711, 4711)
        shard(1)
        program = shutil.copy(PROGRAM, os.path.join(self.folder, "influxdb_wal_exporter"))
        os.chmod(program, 0o755)
        os.chmod(self.folder, 0o755)
        exporter = self.exporter(settings({"name": "plant", "wal": {"directory": wal}, "influxdb": {"version": 1},
                                           "sampling": {"interval": "1s"}}), start=False, program=program)
        os.makedirs(exporter.state, mode=0o700)
        owner = 4711 if "--reuid=4711" in privileges else NOBODY
        os.chown(exporter.state, owner, owner)
        exporter.start(["setpriv", f"--regid={owner}", "--clear-groups", *privileges, "--"])
        return exporter, shard

    def counts_what_appears(self, *privileges):
        exporter, shard = self.as_another_user(*privileges)
        exporter.wait_good_sample()
        for number in (1, 2):
            if number > 1:
                shard(number)
            self.until(lambda: self.counter(exporter, "influxdb_wal_files", state="pending") == number,
                       f"{number} files")
        self.assertEqual(self.counter(exporter, "influxdb_wal_uncounted_folders"), 0)

    def test_influxdbs_own_user_is_a_remedy_that_lasts(self):
        self.counts_what_appears("--reuid=4711")

    def test_the_capability_is_a_remedy_that_lasts(self):
        self.counts_what_appears(f"--reuid={NOBODY}", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")

    def test_the_error_names_the_user_and_the_capability_and_nothing_that_does_not_last(self):
        exporter, _ = self.as_another_user(f"--reuid={NOBODY}")
        error = self.until(lambda: (lambda e: e if e and "ermission" in e else None)(exporter.target()["error"]),
                           "an error about rights")
        self.assertIn("uid 4711", error)
        self.assertIn("CAP_DAC_READ_SEARCH", error)
        self.assertNotIn("setfacl", error)

    def test_the_data_directory_is_told_with_the_wal_beside_it(self):
        server = self.influxd(databases=("plant",))
        result = run("--once", "--format=json", f"--wal.directory={server.folder}/data")
        self.assertEqual(result.returncode, 3, result.stdout)
        error = json.loads(result.stdout)["targets"][0]["error"]
        self.assertIn("does not belong into one", error)
        self.assertIn(f"perhaps it is {server.wal}", error)


if __name__ == "__main__":
    main()
