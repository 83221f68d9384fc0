#!/usr/bin/env python3
"""Every command of the runbooks, as it stands there: those that ask the exporter, InfluxDB, Prometheus, Alertmanager
or the disk are run against the real ones, without users and with users; of the others it is said which package has
the program."""

import base64
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from alerting import Alertmanager  # noqa: E402
from harness import MIB, PROGRAM, ROOT, Case, main, settings, target  # noqa: E402
import crypt  # noqa: E402

RUNBOOKS = os.path.join(ROOT, "rules", "runbooks")
# Run for real.
RUN = {"curl", "influxdb_wal_exporter", "influx", "influxd", "amtool", "df", "du", "stat", "findmnt", "ls", "ps", "grep", "mv",
       "install"}
# Of the machine's own services, which a test has not: only that they are written down rightly.
SERVICES = {"systemctl", "journalctl", "docker", "timedatectl", "dmesg", "mount", "chown", "kill", "influx_inspect"}
# Not on a minimal Debian: the runbook names the package.
PACKAGES = {"iostat": "sysstat", "smartctl": "smartmontools", "lsof": "lsof", "nc": "netcat-openbsd", "chronyc": "chrony",
            "fuser": "psmisc"}
UNITS = {"influxdb", "influxdb_wal_exporter", "influxdb3", "influxdb3-core", "docker", "systemd-timesyncd"}
# Words that are also programs, and are meant as words.
WORDS = {"influxdb", "df", "ls", "mv", "rm", "stat", "grep"}


def commands(text):
    """Code spans, over line breaks, that are commands; fences, line by line."""
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S))]
    for fence in re.findall(r"```\w*\n(.*?)```", text, flags=re.S):
        spans += [line.strip() for line in fence.splitlines() if line.strip()]
    known = RUN | SERVICES | set(PACKAGES)
    return [span for span in spans if span.split()[0] in known and not (span in WORDS or span in known)]


class Runbooks(Case):
    def setUp(self):
        super().setUp()
        self.texts = {}
        for path in sorted(glob.glob(os.path.join(RUNBOOKS, "*.md"))):
            with open(path, encoding="utf-8") as file:
                self.texts[os.path.basename(path)] = file.read()

    def serve(self, users):
        self.server = self.influxd(databases=["plant"], grow=2 * MIB)
        alertmanager = Alertmanager(os.path.join(self.folder, "alertmanager"), "route: {receiver: none}\nreceivers: [{name: none}]\n")
        self.addCleanup(alertmanager.stop)
        alertmanager.start()
        self.alertmanager = alertmanager.url
        arguments = []
        home = os.path.join(self.folder, "home")
        os.makedirs(home)
        if users:
            web = os.path.join(self.folder, "web.yml")
            hashed = crypt.crypt("s3cret", "$2b$04$" + base64.b64encode(os.urandom(18)).decode().replace("+", ".")[:22])
            with open(web, "w", encoding="utf-8") as file:
                file.write(f'basic_auth_users:\n  night-shift: "{hashed}"\n')
            arguments = [f"--web.config.file={web}"]
            with open(os.path.join(home, ".netrc"), "w", encoding="utf-8") as file:
                file.write("machine 127.0.0.1 login night-shift password s3cret\n")
        config = settings(target(self.server, influxdb={"data_directory": os.path.join(self.server.folder, "data")}))
        self.running = self.exporter(config, arguments=arguments, start=False)
        self.running.start()
        folder = os.path.join(self.folder, "bin")
        os.makedirs(folder)
        os.symlink(PROGRAM, os.path.join(folder, "influxdb_wal_exporter"))
        tools = os.path.join(ROOT, "build", "servers")
        path = [folder, *glob.glob(os.path.join(tools, "*", "usr", "bin")), os.path.join(tools, "usr", "bin"), os.environ["PATH"]]
        self.environment = dict(os.environ, HOME=home, PATH=":".join(path), STATE_DIRECTORY=self.running.state,
                                INFLUXDB_WAL_EXPORTER_CONFIG=self.running.config,
                                INFLUX_CONFIG=os.path.join(self.server.folder, "influxdb.conf"))

    def filled_in(self, command):
        shard = os.path.relpath(sorted(glob.glob(os.path.join(self.server.wal, "*", "*", "*")))[-1], self.server.wal)
        database, policy, number = shard.split("/")
        scratch = os.path.join(self.folder, "scratch")
        os.makedirs(scratch, exist_ok=True)
        here = {
            "EXPORTER:3002": f"127.0.0.1:{self.running.port}", "127.0.0.1:3002": f"127.0.0.1:{self.running.port}",
            "localhost:3002": f"127.0.0.1:{self.running.port}", "127.0.0.1:8086": self.server.url[7:],
            "localhost:8086": self.server.url[7:], "DIRECTORY/DATABASE/RETENTION_POLICY/SHARD": f"{scratch}/a/b/1",
            "DIRECTORY/wal/FILE": f"{scratch}/file", "DIRECTORY/wal": self.server.wal, "DIRECTORY": self.server.wal,
            "DATABASE": database, "DATA": os.path.join(self.server.folder, "data"),
            " URL": f" '{self.server.url}/query?q=SHOW+DATABASES'", "engine/data": os.path.join(self.server.folder, "data"),
            "'SHOW SHARDS'": "'SHOW SHARDS'", "/var/tmp/": f"{scratch}/moved",  "RETENTION_POLICY": policy, "SHARD": number, "TARGET": "plant", "MOUNT": scratch,
            "FILE": self.running.config, "FOLDER": self.server.wal, "LINK": self.server.wal, "/var/tmp": scratch,
            "-o influxdb -g influxdb ": "", "-C influxdb_wal_exporter": f"-p {self.running.child.pid}",
            "http://127.0.0.1:9093": self.alertmanager, "/var/lib/influxdb_wal_exporter": self.running.state,
            "pgrep -o influxd": f"echo {self.server.child.pid}",
        }  # fmt: skip
        pattern = re.compile("|".join(re.escape(word) for word in sorted(here, key=len, reverse=True)))
        out = pattern.sub(lambda match: here[match.group(0)], command)
        out = re.sub(r"^curl ", "curl -sS --fail-with-body ", out)
        out = re.sub(r"^influx ", f"influx -port {self.server.http_port} ", out)
        out = re.sub(r"^influxd backup ", f"influxd backup -host {self.server.backup_address} ", out)
        out = re.sub(r"^influxd config", f"influxd config -config {self.server.folder}/influxdb.conf", out)
        with open(os.path.join(scratch, "file"), "w", encoding="ascii"):
            pass
        return out

    def allowed(self, command, result):
        """Exit codes that are an answer, not a failure."""
        if command.startswith("influxdb_wal_exporter --once"):
            return result.returncode in (0, 1, 2)
        if "| grep" in command or command.startswith("grep"):
            return result.returncode in (0, 1)
        # A refusal that says why and when is an answer; one of a wrong command is none.
        if "-X POST" in command:
            return result.returncode == 0 or '"blockers"' in result.stdout
        return result.returncode == 0

    def run_all(self, users):
        self.serve(users)
        wrong = []
        done = set()
        for name, text in self.texts.items():
            for command in commands(text):
                if command.split()[0] not in RUN or command in done:
                    continue
                done.add(command)
                if "override=true" in command and not users:
                    continue  # says that it needs a login
                if "influx backup" in command or "influxd inspect" in command or "influxdb3" in command or "8181" in command or "buildtsi" in command:
                    continue  # of 2.x and 3.x
                filled = self.filled_in(command)
                result = subprocess.run(["bash", "-c", filled], capture_output=True, text=True, timeout=90,
                                        env=self.environment, stdin=subprocess.DEVNULL, check=False)
                if not self.allowed(command, result):
                    wrong.append(f"{name}: {command}\n  as {filled}\n  exit {result.returncode}: {(result.stdout + result.stderr)[-400:]}")
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.assertGreater(len(done), 15)

    def test_each_command_works(self):
        self.run_all(users=False)

    def test_each_command_works_with_users(self):
        self.run_all(users=True)

    def test_what_is_not_on_every_machine_is_named_with_its_package(self):
        for name, text in self.texts.items():
            for program in {command.split()[0] for command in commands(text)} & set(PACKAGES):
                self.assertIn(f"package {PACKAGES[program]}", " ".join(text.split()), f"{name}: {program}")

    def test_units_are_the_shipped_ones(self):
        for name, text in self.texts.items():
            for command in commands(text):
                for unit in re.findall(r"(?:systemctl (?:status|start|stop|restart|reload)|journalctl -u) ([\w-]+)", command):
                    self.assertIn(unit, UNITS, f"{name}: {command}")

    def test_each_blocker_has_a_row_that_says_what_to_do(self):
        self.serve(users=False)
        blockers = {re.search(r'blocker="(\w+)"', series).group(1) for series in self.running.wait_good_sample().metrics()
                    if series.startswith("influxdb_wal_checkpoint_blocked{")}
        rows = {name for cell in re.findall(r"^\| (`[^|]*) \| \S", self.texts["InfluxDBWALCheckpointBlocked.md"], flags=re.M)
                for name in re.findall(r"`(\w+)`", cell)}
        self.assertEqual(blockers - rows, set())

    def test_each_runbook_has_its_four_parts(self):
        for name, text in self.texts.items():
            for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
                self.assertIn(f"\n## {part}\n", text, name)


if __name__ == "__main__":
    main()
