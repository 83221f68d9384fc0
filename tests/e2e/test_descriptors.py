#!/usr/bin/env python3
"""Many targets and few descriptors: the limit is raised as far as it may be, and what is missing is said."""

import json
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, FakeServer, main  # noqa: E402

TARGETS = 100
ANSWER = b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.4\r\n\r\n"


class Descriptors(Case):
    def settings(self):
        server = FakeServer(self.answer)
        self.addCleanup(server.close)
        targets = []
        for number in range(TARGETS):
            wal = os.path.join(self.folder, f"wal-{number}")
            os.makedirs(os.path.join(wal, "plant", "autogen", "1"))
            targets.append({"name": f"t{number}", "wal": {"directory": wal}, "sampling": {"interval": "5s"},
                            "influxdb": {"version": 1, "url": f"http://{server.address}"}})
        return json.dumps({"targets": targets})

    @staticmethod
    def answer(connection):
        connection.settimeout(60)
        while connection.recv(65536):
            connection.sendall(ANSWER)

    def start(self, soft, hard):
        exporter = self.exporter(self.settings(), start=False)
        return exporter.start(["prlimit", f"--nofile={soft}:{hard}"])

    def test_the_limit_is_raised_as_far_as_it_may_be(self):
        exporter = self.start(200, 3000)
        self.until(lambda: self.counter(exporter, "influxdb_wal_last_sample_success") == TARGETS, "a sample of each")
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == TARGETS, "an answer to each")
        self.until(lambda: self.counter(exporter, "process_open_fds") > 200, "more files than the soft limit allowed")
        self.assertEqual(self.counter(exporter, "process_max_fds"), 3000)
        self.assertNotIn("open files", exporter.log())

    def test_too_low_a_limit_is_told_with_the_one_that_suffices(self):
        exporter = self.start(200, 400)
        self.until(lambda: exporter.get("/-/healthy").status == 200, "the port")
        told = re.search(r"limit on open files: 400 are allowed, but 100 targets, 0 hooks and clients may need (\d+)",
                         exporter.log())
        self.assertTrue(told, exporter.log())
        need = told.group(1)
        self.assertIn(f"LimitNOFILE={need}", exporter.log())
        self.until(lambda: f"may need {need}" in exporter.get("/api/v1/status").text, "the warning in the status")
        self.assertIn(f"ulimit -n {need}", exporter.log())
        exporter.stop()
        exporter.start(["bash", "-c", f'ulimit -n {need} && exec "$@"', "bash"])
        self.assertEqual(exporter.log().count("open files"), 1)


if __name__ == "__main__":
    main()
