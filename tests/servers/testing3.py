"""A 3.x test server for a test, with its folder and what is asked of it most."""

import json
import os
import shutil
import time

import wal3
from engine3 import Options
from influxdb3 import InfluxDB3
from serving import Clock
from testing import FIXTURES, Case, names

FIXTURE_TIME = 1795398060 * 10**9  # 2026-11-23T01:41:00Z, when the fixtures' servers ran


class Case3(Case):
    def server(self, now=None, admin_bind=None, token=None, without_auth=True, open_routes=(), **options):
        defaults = {"snapshot_size": 20, "flush_ns": 10**6, "snapshot_delay_ns": 0, "put_retries": 0}
        server = InfluxDB3(
            Options(self.directory, "n1", **(defaults | options)), token, without_auth, open_routes, clock=Clock()
        )
        if now is not None:
            self.set_now(server, now)
        server.start(admin_bind)
        self.addCleanup(server.close)
        return server

    @staticmethod
    def set_now(server, now):
        server.clock.set_offset(now - time.time_ns())

    def wal_dir(self):
        return os.path.join(self.directory, "n1", "wal")

    def wal(self):
        return names(self.wal_dir(), "*.wal")

    def snapshots(self):
        """The snapshot files' fields, newest first."""
        fields = []
        for name in names(os.path.join(self.directory, "n1", "snapshots"), "*.info.json"):
            with open(os.path.join(self.directory, "n1", "snapshots", name), encoding="utf-8") as file:
                fields.append(json.load(file))
        return fields

    def put_fixture(self, name):
        shutil.copytree(os.path.join(FIXTURES, "influxdb3", name), os.path.join(self.directory, "n1"))

    def write(self, client, line="pump,site=a flow=1", count=1, **query):
        query = {"db": "plant", "precision": "nanosecond"} | query
        for _ in range(count):
            answer = client.request("POST", "/api/v3/write_lp", line, **query)
            self.assertEqual(answer.status, 204, answer.body)

    def damage(self, number, data=b""):
        with open(os.path.join(self.wal_dir(), wal3.wal_name(number)), "wb") as file:
            file.write(data)
