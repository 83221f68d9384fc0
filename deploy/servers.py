"""Real servers in folders of their own, for the demo and the tests.

Each class writes the settings of one server into a folder, starts it, waits
until it answers, and ends exactly the process it started. Everything listens on
127.0.0.1. Programs come from build/servers (Debian packages, unpacked). Nothing
here waits for time to pass: it looks for a condition until a deadline.
"""

import base64
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVERS = os.path.join(ROOT, "build", "servers")
MIB = 1 << 20


class Failure(Exception):
    """Something did not happen in time, or a process ended. For people to read."""


def until(condition, seconds, what, step=0.05):
    """The first true value of `condition`, looked at until `seconds` have passed."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"not within {seconds:g} s: {what() if callable(what) else what}")
        pause.wait(step)


def port_taken(port, host="127.0.0.1"):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


_given = set()


def free_port():
    """A port nobody listens on, below the range that outgoing connections use."""
    while True:
        port = random.randrange(20000, 32000)
        if port not in _given and not port_taken(port):
            _given.add(port)
            return port


def library_path():
    machine = os.uname().machine
    return os.pathsep.join(os.path.join(SERVERS, *part, f"{machine}-linux-gnu") for part in (("usr", "lib"), ("lib",)))


def program(name):
    for folder in ("bin", "sbin"):
        path = os.path.join(SERVERS, "usr", folder, name)
        if os.access(path, os.X_OK):
            return path
    raise Failure(f"{name} is not unpacked in {SERVERS}; deploy/run and tests/run do that")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.text)


def request(method, url, body=None, headers=None, timeout=10, context=None):
    """Any status is an Answer; no answer is an OSError. `context` is for https."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    except http.client.HTTPException as error:
        raise OSError(f"{method} {url}: {error!r}") from error
    finally:
        connection.close()


def get(url, **arguments):
    return request("GET", url, **arguments)


class Process:
    """One process that we started, its output in `<folder>/<name>.log`."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.child = None
        self.log_path = os.path.join(folder, name + ".log")
        os.makedirs(folder, exist_ok=True)

    def spawn(self, argv, environment=None):
        # A session of its own, so that Ctrl-C reaches the one who started it and
        # not its servers; and they end with it even if it is killed.
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--"] + argv,
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ, LD_LIBRARY_PATH=library_path(), **(environment or {})))

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tail(self, lines=15):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_ready(self, ready, seconds):
        def look():
            if not self.running():
                raise Failure(f"{self.name} ended with {self.child.returncode} at its start:\n{self.tail()}")
            try:
                return ready()
            except OSError:
                return None
        return until(look, seconds, lambda: f"{self.name} answers; its log ends with:\n{self.tail()}")

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds:g} s") from None

    def kill(self):
        """SIGKILL: nothing is tidied up."""
        if self.running():
            self.child.kill()
            self.child.wait(10)

    def stop(self, seconds=30):
        """SIGTERM, and SIGKILL only where that is not enough. The exit code."""
        if self.child is None:
            return None
        # A stopped process could not end.
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.returncode


class Influxd(Process):
    """Debian's InfluxDB 1.6.7. Its cache is told to hold `cache` before it snapshots
    by itself, so that the WAL grows as on a server with much memory."""

    def __init__(self, folder, http_port=None, backup_port=None, cache="2g"):
        super().__init__("influxd", folder)
        self.http_port = http_port or free_port()
        self.backup_port = backup_port or free_port()
        self.cache = cache
        self.wants_logins = False
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.backup_address = f"127.0.0.1:{self.backup_port}"
        self.wal = os.path.join(folder, "wal")

    def start(self):
        config = os.path.join(self.folder, "influxdb.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""reporting-disabled = true
bind-address = "{self.backup_address}"
[meta]
  dir = "{self.folder}/meta"
[data]
  dir = "{self.folder}/data"
  wal-dir = "{self.wal}"
  query-log-enabled = false
  cache-max-memory-size = "4g"
  cache-snapshot-memory-size = "{self.cache}"
  cache-snapshot-write-cold-duration = "24h"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{self.http_port}"
  log-enabled = false
  auth-enabled = {str(self.wants_logins).lower()}
""")
        self.spawn([program("influxd"), "-config", config])
        self.wait_ready(lambda: get(self.url + "/ping").status == 204, 60)
        return self

    def query(self, text):
        answer = request("POST", self.url + "/query", body=urllib.parse.urlencode({"q": text}),
                         headers={"Content-Type": "application/x-www-form-urlencoded"})
        if answer.status != 200 or "error" in answer.text:
            raise Failure(f"InfluxDB did not take '{text}': {answer.status} {answer.text}")
        return answer.json

    def create_database(self, name):
        self.query(f'CREATE DATABASE "{name}"')

    def write(self, database, lines):
        answer = request("POST", f"{self.url}/write?db={urllib.parse.quote(database)}", body=lines, timeout=30)
        if answer.status != 204:
            raise Failure(f"InfluxDB did not take points for {database}: {answer.status} {answer.text}")

    def wal_files(self):
        """{path: size} of what lies in the WAL directory now."""
        found = {}
        for folder, _, names in os.walk(self.wal):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    found[path] = os.stat(path).st_size
                except FileNotFoundError:
                    continue
        return found

    def wal_bytes(self, database=None):
        prefix = os.path.join(self.wal, database, "") if database else self.wal
        return sum(size for path, size in self.wal_files().items() if path.startswith(prefix))

    def grow(self, database, size):
        """Writes points until the WAL of `database` has grown by at least `size` bytes."""
        goal = self.wal_bytes(database) + size
        while self.wal_bytes(database) < goal:
            self.write(database, points(min(size, 2 * MIB)))


def points(size):
    """Line protocol of about `size` bytes that the WAL's compression can't shrink."""
    now = time.time_ns()
    lines = []
    for number in range(max(1, size // 1100)):
        note = base64.b64encode(random.randbytes(768)).decode()
        lines.append(f'pump,machine=m{number % 20} temperature={random.gauss(60, 5):.4f},'
                     f'pressure={random.gauss(4, 1):.6f},note="{note}" {now + number}')
    return "\n".join(lines).encode()


class Writer(threading.Thread):
    """Writes `rate` bytes per second over HTTP to the databases in turn, until stopped."""

    def __init__(self, influxd, databases, rate):
        super().__init__(daemon=True)
        self.influxd, self.databases, self.rate = influxd, databases, rate
        self.stopping = threading.Event()
        self.error = None

    def run(self):
        turn = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self.influxd.write(self.databases[turn % len(self.databases)], points(self.rate // 4))
                self.error = None
            except (OSError, Failure) as error:
                self.error = str(error)
            turn += 1
            self.stopping.wait(max(0.0, 0.25 - (time.monotonic() - began)))

    def stop(self):
        self.stopping.set()
        if self.is_alive():
            self.join(35)


RULES = os.path.join(ROOT, "rules", "influxdb_wal*.yml")


class Prometheus(Process):
    """Scrapes one exporter every `interval` with the rule files in rules/, or with
    others, and sends alerts to `alertmanager` (an address), if there is one."""

    def __init__(self, folder, port=None, interval="2s", rules=RULES, alertmanager=None):
        super().__init__("prometheus", folder)
        self.port = port or free_port()
        self.interval, self.rules = interval, rules
        self.alertmanagers = [alertmanager] if alertmanager else []
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, exporter_port=None, scrape=None):
        """`scrape`: a list of scrape configs, or its YAML, in place of one of the exporter at that port."""
        scrape = scrape or [{"job_name": "influxdb_wal",
                             "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}]
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""global:
  scrape_interval: {self.interval}
  evaluation_interval: {self.interval}
rule_files:
  - {json.dumps(self.rules)}
alerting:
  alertmanagers:
    - static_configs:
        - targets: {json.dumps(self.alertmanagers)}
scrape_configs: {scrape if isinstance(scrape, str) else json.dumps(scrape)}
""")
        self.spawn([program("prometheus"), f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"])
        self.wait_ready(lambda: get(self.url + "/-/ready").status == 200, 60)
        return self

    def api(self, path, **query):
        text = urllib.parse.urlencode(query)
        answer = get(f"{self.url}/api/v1/{path}" + ("?" + text if text else ""))
        if answer.status != 200:
            raise Failure(f"Prometheus answered {answer.status} to {path}: {answer.text}")
        return answer.json["data"]

    def value(self, expression):
        """The first value of an instant query; None where there is none."""
        result = self.api("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def alert_rules(self):
        return {rule["name"]: rule for group in self.api("rules")["groups"] for rule in group["rules"]
                if rule["type"] == "alerting"}


class Exporter(Process):
    """The program under test or on show. `settings` is the text of its YAML file."""

    def __init__(self, folder, program_path, settings, name="exporter", listen="127.0.0.1:0", arguments=()):
        super().__init__(name, folder)
        self.program_path, self.listen, self.arguments = program_path, listen, list(arguments)
        self.config = os.path.join(folder, name + ".yml")
        self.state = os.path.join(folder, name + "-state")
        self.port = None
        self.base = "http://127.0.0.1"  # or https
        self.asking = {}  # what each request to it has: headers, a TLS context
        self.configure(settings)

    def configure(self, settings):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(settings)

    @property
    def url(self):
        return f"{self.base}:{self.port}"

    def command(self):
        return [self.program_path, f"--config.file={self.config}", f"--web.listen-address={self.listen}",
                f"--state.directory={self.state}"] + self.arguments

    def start(self, wrapper=(), environment=None):
        before = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.spawn(list(wrapper) + self.command(), environment)

        def listening():
            self.port = listening_port(self.log()[before:])
            return self.port
        self.wait_ready(listening, 30)
        return self

    def wait_good_sample(self, seconds=20):
        self.wait_ready(lambda: self.get("/-/ready").status == 200, seconds)
        return self

    def get(self, path, **arguments):
        return get(self.url + path, **{**self.asking, **arguments})

    def post(self, path, **arguments):
        return request("POST", self.url + path, **{**self.asking, **arguments})

    def target(self, name=None):
        if name:
            return self.get(f"/api/v1/targets/{name}").json
        return self.get("/api/v1/targets").json["targets"][0]

    def history(self, target, limit=100):
        """Newest first."""
        answer = self.get(f"/api/v1/targets/{target}/history?limit={limit}")
        return answer.json["entries"] if answer.status == 200 else []

    def metrics(self):
        return parse_metrics(self.get("/metrics").text)

    def memory(self):
        """(resident, anonymous) bytes."""
        values = {}
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in ("VmRSS", "RssAnon"):
                    values[key] = int(rest.split()[0]) * 1024
        return values["VmRSS"], values["RssAnon"]


def listening_port(log):
    """The port in the line that says `listening on ADDRESS:PORT`, text or JSON."""
    for line in log.splitlines():
        _, found, rest = line.partition("listening on ")
        if not found:
            continue
        address = rest.split()[0].rstrip('",}.')
        port = address.rpartition(":")[2].strip('",}')
        if port.isdigit():
            return int(port)
    return None


def parse_metrics(text):
    """{'name{label="value",...}': float} of a text exposition, labels as they stand."""
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name] = float(value)
    return values


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
