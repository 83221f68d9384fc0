#!/usr/bin/env python3
"""The web configuration file beside Prometheus' own judges of it: promtool and Debian's node exporter, both
with exporter-toolkit 0.8.2. And what it does: headers, limits, logins in a flood, changes that are taken."""

import base64
import itertools
import json
import multiprocessing
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import ROOT, SANITIZED, Case, get, main, run, settings  # noqa: E402
from servers import listening_port  # noqa: E402

SERVERS = os.path.join(ROOT, "build", "servers", "usr", "bin")
PROMTOOL = os.path.join(SERVERS, "promtool")
NODE_EXPORTER = os.path.join(SERVERS, "prometheus-node-exporter")

# Of "secret": cost 4, and 12 for floods.
CHEAP = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
DEAR = "$2b$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW"

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
HEADER = "http_server_config:\n  headers:\n    "
STRONG = [f"TLS_ECDHE_{key}_WITH_{cipher}" for key in ("RSA", "ECDSA") for cipher in (
    "AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256", "AES_128_CBC_SHA", "AES_256_CBC_SHA")]


class Row(NamedTuple):
    key: str
    yaml: str
    toolkit: bool
    why: str = ""  # we say otherwise, because

    @property
    def ours(self):
        return self.toolkit != bool(self.why)


def tls(key, value, toolkit, why="", more=""):
    return Row(f"tls_server_config.{key}", f"{TLS}{more}  {key}: {value}\n", toolkit, why)


def header(name, value, toolkit, why=""):
    return Row(f"http_server_config.headers.{name}", f"{HEADER}{name}: {value}\n", toolkit, why)


VERIFY = "  client_auth_type: RequireAndVerifyClientCert\n"
ROWS = [
    Row("(empty)", "", True),
    Row("(another key)", "tls_config: {}\n", False),
    Row("(a key twice)", "http_server_config: {}\nhttp_server_config: {}\n", False),
    Row("(two documents)", "{}\n---\nrubbish: 1\n", True, "the toolkit does not read the second one"),
    Row("tls_server_config.cert_file", TLS, True),
    Row("tls_server_config.cert_file", TLS.replace("server.pem", "nowhere.pem"), False),
    Row("tls_server_config.cert_file", "tls_server_config:\n  key_file: server.key\n", False),
    Row("tls_server_config.key_file", TLS.replace("server.key", "{folder}/server.key"), True),
    Row("tls_server_config.key_file", TLS.replace("server.key", "other.key"), False),
    Row("tls_server_config.key_file", "tls_server_config:\n  cert_file: server.pem\n", False),
    Row("tls_server_config", "tls_server_config:\n  min_version: TLS13\n", True, "the toolkit serves without TLS"),
    Row("tls_server_config", TLS + "  ciphers: []\n", False),
    *(tls("client_auth_type", value, True) for value in (
        "", "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "RequireClientCert",
        "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")),
    tls("client_auth_type", "Always", False),
    tls("client_ca_file", "ca.pem", True, more=VERIFY),
    tls("client_ca_file", "nowhere.pem", False, more=VERIFY),
    tls("client_ca_file", "ca.pem", False),
    tls("client_ca_file", "server.key", True, "the toolkit trusts nobody then", more=VERIFY),
    tls("min_version", "TLS12", True),
    tls("min_version", "TLS13", True),
    tls("min_version", "TLS10", True, "broken: RFC 8996"),
    tls("min_version", "TLS11", True, "broken: RFC 8996"),
    tls("min_version", "1.2", False),
    tls("max_version", "TLS12", True),
    tls("max_version", "TLS13", True),
    tls("max_version", "TLS11", True, "broken: RFC 8996"),
    tls("max_version", "TLS14", False),
    tls("max_version", "TLS12", True, "no client can connect", more="  min_version: TLS13\n"),
    tls("cipher_suites", f"[{', '.join(STRONG)}]", True),
    tls("cipher_suites", "[TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256]", True),
    tls("cipher_suites", "[TLS_RSA_WITH_AES_128_GCM_SHA256]", True, "no forward secrecy: weak in Go since 1.22"),
    tls("cipher_suites", "[TLS_ECDHE_RSA_WITH_RC4_128_SHA]", False),
    tls("cipher_suites", "[TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256]", False),
    tls("cipher_suites", "[ECDHE-RSA-AES128-GCM-SHA256]", False),
    tls("cipher_suites", "[TLS_AES_128_GCM_SHA256]", True, "no client can connect", more="  max_version: TLS12\n"),
    tls("prefer_server_cipher_suites", "false", True),
    tls("prefer_server_cipher_suites", "perhaps", False),
    tls("curve_preferences", "[X25519, CurveP256, CurveP384, CurveP521]", True),
    tls("curve_preferences", "[P-256]", False),
    Row("http_server_config.http2", "http_server_config:\n  http2: false\n", True),
    Row("http_server_config.http2", "http_server_config:\n  http2: true\n", True),
    Row("http_server_config.http2", "http_server_config:\n  http2: perhaps\n", False),
    Row("http_server_config", "http_server_config:\n  http3: true\n", False),
    header("Content-Security-Policy", "\"default-src 'self'\"", True),
    header("Content-Security-Policy", "[a]", False),
    header("Content-Security-Policy", '"a\\r\\nb: c"', True, "a header is one line"),
    header("Strict-Transport-Security", "max-age=31536000", True),
    header("Strict-Transport-Security", "{}", False),
    header("X-Content-Type-Options", "nosniff", True),
    header("X-Content-Type-Options", "sniff", False),
    header("X-Frame-Options", "deny", True),
    header("X-Frame-Options", "DENY", False),
    header("X-XSS-Protection", "1", True),
    header("X-XSS-Protection", "[1]", False),
    header("Server", "mine", False),
    Row("basic_auth_users", f"basic_auth_users:\n  alice: '{CHEAP}'\n", True),
    Row("basic_auth_users", "basic_auth_users:\n  alice: secret\n", False),
    Row("basic_auth_users", "basic_auth_users: [alice]\n", False),
    Row("basic_auth_users", "basic_auth_users: {}\n", True, "the toolkit asks nobody for a login then"),
    Row("basic_auth_users", f"basic_auth_users:\n  'a:b': '{CHEAP}'\n", True, "nobody can log in by that name"),
    Row("basic_auth_users", f"basic_auth_users:\n  alice: '{CHEAP.replace('$04$', '$17$')}'\n", True,
        "one login takes 10 s or more"),
]

# Keys that 0.8.2 does not know, so that promtool refuses them whatever they say: since when they are, and
# what the toolkit 0.20 says of it; where a comment says so, we differ.
NEWER = [
    ("0.10.0", "tls_server_config.client_allowed_sans", TLS + VERIFY + "  client_allowed_sans: [a.example]\n", True),
    ("0.10.0", "tls_server_config.client_allowed_sans", TLS + VERIFY + "  client_allowed_sans: {a: b}\n", False),
    # 0.20 takes it and lets everybody in.
    ("0.10.0", "tls_server_config.client_allowed_sans", TLS + "  client_allowed_sans: [a.example]\n", False),
    ("0.11.0", "tls_server_config.cert", "tls_server_config:\n  cert: {cert}\n  key: {key}\n", True),
    ("0.11.0", "tls_server_config.cert", "tls_server_config:\n  cert: rubbish\n  key: {key}\n", False),
    ("0.11.0", "tls_server_config.key", "tls_server_config:\n  cert_file: server.pem\n  key: {key}\n", True),
    ("0.11.0", "tls_server_config.key", "tls_server_config:\n  cert_file: server.pem\n  key: rubbish\n", False),
    ("0.11.0", "tls_server_config.client_ca", TLS + VERIFY + "  client_ca: {cert}\n", True),
    ("0.11.0", "tls_server_config.client_ca", TLS + "  client_ca: {cert}\n", False),
    ("0.15.0", "rate_limit", "rate_limit:\n  interval: 100ms\n  burst: 10\n", True),
    ("0.15.0", "rate_limit.interval", "rate_limit:\n  interval: often\n  burst: 10\n", False),
    ("0.15.0", "rate_limit.burst", "rate_limit:\n  interval: 1s\n  burst: many\n", False),
]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


def certificate(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
            os.path.join(folder, name + ".key"), "-out", os.path.join(folder, name + ".pem"))


def login(name="alice", password="secret"):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def flood(port, seconds, said):
    """Wrong logins on 50 connections, each sent again as soon as it is answered. Says how many got what."""
    counts = Counter()
    end = time.monotonic() + seconds

    def client(number):
        for again in itertools.count():
            # On some the same wrong password, on the others one that was never sent before.
            password = "wrong" if number % 5 == 0 else f"{number}.{again}"
            if time.monotonic() > end:
                return
            counts[get(f"http://127.0.0.1:{port}/metrics", headers=login("alice", password)).status] += 1
    threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said.put(dict(counts))


class WebConfig(Case):
    def file(self, text, name="web.yml"):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="ascii") as file:
            return file.read()

    def wal(self):
        path = os.path.join(self.folder, "wal")
        os.makedirs(os.path.join(path, "plant", "autogen", "1"), exist_ok=True)
        return path

    def ours(self, path):
        answer = run("--config.check", f"--wal.directory={self.wal()}", f"--web.config.file={path}")
        self.assertIn(answer.returncode, (0, 1), answer.stderr)
        return answer.returncode == 0, answer.stdout + answer.stderr

    def node_exporter(self, path):
        """It says whether it serves with TLS once it is sure of the file, and ends where it is not."""
        with subprocess.Popen([NODE_EXPORTER, "--web.listen-address=127.0.0.1:0", "--collector.disable-defaults",
                               f"--web.config.file={path}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            try:
                for line in process.stderr:
                    if 'msg="TLS is ' in line:
                        return True
                return False
            finally:
                process.kill()

    def test_verdicts_are_those_of_promtool_and_the_node_exporter(self):
        for name in ("server", "other", "ca"):
            certificate(self.folder, name)
        paths = [self.file(row.yaml.replace("{folder}", self.folder), f"{number:02}.yml")
                 for number, row in enumerate(ROWS)]
        said = subprocess.run([PROMTOOL, "check", "web-config", *paths], capture_output=True, text=True, timeout=60,
                              check=False)
        promtool = {path: f"{path} SUCCESS" in said.stdout + said.stderr for path in paths}
        with ThreadPoolExecutor(4) as pool:
            judged = list(zip(ROWS, paths, pool.map(self.node_exporter, paths), pool.map(self.ours, paths)))
        for row, path, node, (ours, text) in judged:
            with self.subTest(row.key, yaml=row.yaml, why=row.why):
                self.assertEqual((promtool[path], node), (row.toolkit, row.toolkit), said.stdout + said.stderr)
                self.assertEqual(ours, row.ours, text)
                if not ours:
                    self.assertRegex(text, re.escape(path) + r":\d+: ")

    def test_keys_that_are_newer_than_their_toolkit(self):
        certificate(self.folder, "server")
        cert, key = (json.dumps(self.read("server." + end)) for end in ("pem", "key"))
        for since, name, yaml, right in NEWER:
            path = self.file(yaml.replace("{cert}", cert).replace("{key}", key))
            with self.subTest(name, yaml=yaml, since=since):
                said = subprocess.run([PROMTOOL, "check", "web-config", path], capture_output=True, text=True,
                                      timeout=60, check=False)
                field = name.split(".")[1] if name.startswith("tls") else "rate_limit"
                self.assertIn(f"field {field} not found", said.stdout + said.stderr)
                ours, text = self.ours(path)
                self.assertEqual(ours, right, text)
                if not ours:
                    self.assertRegex(text, re.escape(path) + r":\d+: ")

    def running(self, text):
        path = self.file(text)
        exporter = self.exporter(settings({"name": "plant", "wal": {"directory": self.wal()},
                                           "influxdb": {"version": 1}}), arguments=[f"--web.config.file={path}"])
        return exporter

    def test_headers_and_the_limit_on_requests(self):
        exporter = self.running(HEADER + "X-Frame-Options: deny\n    Content-Security-Policy: default-src 'none'\n")
        for path in ("/", "/metrics", "/nowhere"):
            headers = exporter.get(path).headers
            self.assertEqual((headers["X-Frame-Options"], headers["X-Content-Type-Options"]), ("deny", "nosniff"))
            self.assertEqual(headers.get_all("Content-Security-Policy"), ["default-src 'none'"], path)
        self.file("rate_limit:\n  interval: 1h\n  burst: 4\n")
        self.until(lambda: "rate_limit changed" in exporter.log(), "the new file to be read")
        answers = [exporter.get("/metrics") for _ in range(6)]
        self.assertEqual([answer.status for answer in answers], [200] * 4 + [429] * 2)
        self.assertGreater(int(answers[-1].headers["Retry-After"]), 3000)
        checked = run("--healthcheck", f"--state.directory={exporter.state}")
        self.assertEqual(checked.returncode, 0, f"others' requests keep this machine's own out: {checked.stdout}")
        self.file("")
        self.until(lambda: exporter.get("/metrics").status == 200, "the limit to be gone")
        self.assertNotIn("X-Frame-Options", exporter.get("/metrics").headers)

    def test_changes_of_the_file_are_taken_without_a_signal(self):
        exporter = self.running(f"basic_auth_users:\n  alice: '{CHEAP}'\n")
        self.assertEqual(exporter.get("/metrics").status, 401)
        self.assertEqual(exporter.get("/metrics", headers=login()).status, 200)
        self.file(f"basic_auth_users:\n  bob: '{CHEAP}'\n")
        self.until(lambda: exporter.get("/metrics", headers=login("bob")).status == 200, "bob's login to be taken")
        self.assertIn(exporter.get("/metrics", headers=login()).status, (401, 429))

        # Half a file, and one that would open all: told once, and the login stays.
        for text, said in ((f"basic_auth_users:\n  bob: '{CHEAP[:20]}", "not valid YAML"),
                           ("http_server_config: {}\n", "no users any more")):
            self.file(text)
            self.until(lambda: said in exporter.log(), said)
            self.assertEqual(exporter.get("/metrics").status, 401)
            answer = exporter.get("/metrics", headers=login("bob"))
            self.assertIn("influxdb_wal_exporter_config_last_reload_successful 0", answer.text)
        self.file(f"basic_auth_users:\n  bob: '{CHEAP}'\n")
        self.until(lambda: "\ninfluxdb_wal_exporter_config_last_reload_successful 1\n" in
                   exporter.get("/metrics", headers=login("bob")).text, "the mended file to be taken")
        for said in ("not valid YAML", "no users any more"):
            self.assertEqual(exporter.log().count(said), 1)

    def test_what_failed_is_mended_by_what_was_wrong(self):
        """A reload that failed, and a web configuration that was wrong meanwhile, either way round."""
        users = f"basic_auth_users:\n  bob: '{CHEAP}'\n"
        exporter = self.running(users)

        def good():
            return "\ninfluxdb_wal_exporter_config_last_reload_successful 1\n" in exporter.get(
                "/metrics", headers=login("bob")).text
        self.assertTrue(good())
        with open(exporter.config, encoding="utf-8") as file:
            right = file.read()
        exporter.configure("nothing: 1\n")
        exporter.signal(signal.SIGHUP)
        self.until(lambda: not good(), "the reload to fail")
        self.file("basic_auth_users:\n")
        self.until(lambda: "configuration changed and was refused" in exporter.log(), "the web file to be refused")
        self.file(users)
        self.until(lambda: "read anew: as before" in exporter.log(), "it to be mended")
        self.assertFalse(good(), "the settings are as wrong as before")
        exporter.configure(right)
        self.file("http_server_config: {}\n")
        self.until(lambda: "has no users any more" in exporter.log(), "it to be refused")
        exporter.signal(signal.SIGHUP)
        self.until(lambda: exporter.log().count("has no users any more") == 2, "the reload to fail for it")
        self.file(users)
        self.until(good, "nothing but the web file was in its way")

    def test_a_flood_of_wrong_logins_delays_no_scrape(self):
        exporter = self.running(f"basic_auth_users:\n  alice: '{DEAR}'\n")
        said = multiprocessing.Queue()
        attack = multiprocessing.Process(target=flood, args=(exporter.port, 16 if SANITIZED else 8, said))
        attack.start()
        self.addCleanup(attack.join)
        self.until(lambda: exporter.get("/metrics", headers=login("bob", str(time.monotonic()))).status == 429,
                   "the flood to leave no place")
        # The first login of a scraper comes through from the address that the flood comes from.
        def first():
            time.sleep(1)
            return exporter.get("/metrics", headers=login()).status == 200
        self.until(first, "the first login")
        times = []
        while attack.is_alive():
            begin = time.monotonic()
            self.assertEqual(exporter.get("/metrics", headers=login()).status, 200)
            times.append(time.monotonic() - begin)
            self.assertEqual(exporter.get("/-/healthy").status, 200)
        counts = said.get(timeout=10)
        attack.join()
        self.assertEqual(set(counts), {401, 429}, counts)
        self.assertGreater(counts[429], 100)
        self.assertGreater(len(times), 3)
        if not SANITIZED:
            self.assertLess(statistics.median(times), 0.1)
        answer = exporter.get("/metrics", headers=login("alice", "x" * 73))
        self.assertEqual(answer.status, 401, "at once, without a check")

    def test_a_renewed_certificate_is_taken_once_both_its_files_are_there(self):
        for name in ("server", "other"):
            certificate(self.folder, name)
        path = self.file(TLS)
        exporter = self.exporter(settings({"name": "plant", "wal": {"directory": self.wal()},
                                           "influxdb": {"version": 1}}), start=False,
                                 arguments=[f"--web.config.file={path}"])
        exporter.spawn(exporter.command())
        port = self.until(lambda: listening_port(exporter.log()), "the port")

        def shown():
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as connection:
                connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))
                return ssl.DER_cert_to_PEM_cert(connection.getpeercert(True))
        before, after = self.read("server.pem"), self.read("other.pem")
        self.assertEqual(shown(), before)
        os.rename(os.path.join(self.folder, "other.pem"), os.path.join(self.folder, "server.pem"))
        self.until(lambda: "does not belong to the first certificate" in exporter.log(), "the refusal of half of it")
        self.assertEqual(shown(), before)
        os.rename(os.path.join(self.folder, "other.key"), os.path.join(self.folder, "server.key"))
        self.until(lambda: shown() == after, "the renewed certificate")
        self.file("http_server_config: {}\n")
        self.until(lambda: "has no TLS any more" in exporter.log(), "the refusal")
        self.assertEqual(shown(), after)


if __name__ == "__main__":
    main()
