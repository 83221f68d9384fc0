#!/usr/bin/env python3
"""TLS as a network of strangers meets it: Prometheus, curl, openssl, nginx and Chromium, with the certificates
and files that exporter/web/SECURITY.md tells to make."""

import base64
import contextlib
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PROGRAM, ROOT, SANITIZED, Case, FakeServer, Prometheus, free_port, get, main  # noqa: E402
from harness import servers, settings  # noqa: E402
from browser import Browser  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

EXPIRY = "influxdb_wal_exporter_tls_certificate_expiry_timestamp_seconds"
PASSWORD = "s3cret"
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()}


def documented():
    """SECURITY.md's blocks in turn: (kind, text)."""
    with open(os.path.join(ROOT, "exporter", "web", "SECURITY.md"), encoding="utf-8") as file:
        return re.findall(r"^```(\w+)\n(.*?)^```$", file.read(), re.S | re.M)


def documented_file(name):
    return next(text for _, text in documented() if text.startswith(f"# {name}\n"))


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = os.path.join(tempfile.mkdtemp(prefix="wal_exporter-"), "tls")
        os.mkdir(cls.made)
        cls.addClassCleanup(shutil.rmtree, os.path.dirname(cls.made))
        make = next(text for kind, text in documented() if kind == "sh" and "openssl req" in text)
        cls.shell(make.replace("influxdb.example.org", "localhost").replace("DNS:$host",
                                                                            "DNS:$host,IP:127.0.0.1,IP:::1"))
        # A certificate of an authority that nobody here trusts.
        cls.shell('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stranger '
                  '-addext subjectAltName=DNS:prometheus -keyout stranger.key -out stranger.crt')

    @classmethod
    def shell(cls, script):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=cls.made, check=True, capture_output=True,
                              text=True, timeout=20).stdout

    def path(self, name):
        return os.path.join(self.made, name)

    def context(self, client="prometheus"):
        made = ssl.create_default_context(cafile=self.path("ca.crt"))
        if client:
            made.load_cert_chain(self.path(client + ".crt"), self.path(client + ".key"))
        return made

    def web_config(self, **keys):
        """The documented file; `keys` of tls_server_config are changed, or taken out where they are None."""
        text = documented_file("/etc/influxdb_wal_exporter/web.yml")
        hashed = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 5))
        text = re.sub(r"(?<=prometheus: )\$2.*", f'"{hashed}"', text)
        for key, value in keys.items():
            text = re.sub(rf"^  {key}:.*\n", "" if value is None else f"  {key}: {value}\n", text, flags=re.M)
        return text

    def spawn(self, name, web_config, *addresses):
        folder = os.path.join(self.folder, name)
        shutil.copytree(self.made, os.path.join(folder, "tls"))
        web = os.path.join(folder, "web.yml")
        with open(web, "w", encoding="utf-8") as file:
            file.write(web_config)
        wal = os.path.join(folder, "wal")
        os.makedirs(os.path.join(wal, "plant", "autogen", "1"))
        first, *more = addresses or ("127.0.0.1:0",)
        exporter = servers.Exporter(
            folder, PROGRAM, settings({"name": "plant", "wal": {"directory": wal}, "influxdb": {"version": 1}}),
            listen=first, arguments=[f"--web.config.file={web}", *(f"--web.listen-address={one}" for one in more)])
        exporter.base = "https://127.0.0.1"
        exporter.asking = {"context": self.context(), "headers": LOGIN}
        self.addCleanup(self.end, exporter)
        return exporter

    def serve(self, name="exporter", *addresses, **keys):
        return self.spawn(name, self.web_config(**keys), *addresses).start().wait_good_sample()

    def counting(self, port):
        """Hands on each connection, and counts them."""
        def forward(client):
            with socket.create_connection(("127.0.0.1", port)) as server:
                def pump(source, sink):
                    with contextlib.suppress(OSError):
                        while data := source.recv(1 << 16):
                            sink.sendall(data)
                        sink.shutdown(socket.SHUT_WR)
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()
        server = FakeServer(forward)
        self.addCleanup(server.close)
        return server

    def jobs(self, **targets):
        """The documented job for each target; by its name without the certificate or the login."""
        text = documented_file("/etc/prometheus/prometheus.yml").partition("scrape_configs:\n")[2]
        text = text.replace("influxdb_wal/", self.made + "/")
        made = ""
        for name, address in targets.items():
            job = text.replace("influxdb.example.org:3002", address)
            job = job.replace("job_name: influxdb_wal", f"job_name: {name}")
            if name == "no_certificate":
                job = re.sub(r"^ *(cert|key)_file:.*\n", "", job, flags=re.M)
            if name == "no_login":
                job = re.sub(r"^ *basic_auth:\n.*\n.*\n", "", job, flags=re.M)
            made += "\n" + job
        return made

    def serial(self, port):
        """Of the certificate that a new connection is shown."""
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            with self.context().wrap_socket(plain, server_hostname="localhost") as connection:
                return connection.getpeercert()["serialNumber"]

    def test_prometheus_scrapes_with_certificate_and_login_while_the_certificate_is_renewed(self):
        port = free_port()
        exporter = self.serve("exporter", f"127.0.0.1:{port}", f"[::1]:{port}")
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        counted = self.counting(port)
        prometheus = Prometheus(os.path.join(self.folder, "prometheus"), interval="1s")
        self.addCleanup(prometheus.stop)
        prometheus.start(scrape=self.jobs(v4=counted.address, v6=f"[::1]:{port}", no_certificate=f"127.0.0.1:{port}",
                                          no_login=f"127.0.0.1:{port}"))

        def scraped(job):
            return prometheus.value(f'count_over_time(up{{job="{job}"}}[5m])') or 0
        self.until(lambda: min(scraped("v4"), scraped("v6")) >= 2, "two scrapes")
        ends = prometheus.value(f'{EXPIRY}{{job="v4"}}')
        self.assertAlmostEqual(ends, time.time() + 365 * 86400, delta=600)
        self.assertEqual(counted.connections, 1, "one connection, one handshake, for all scrapes")

        old = self.serial(port)
        renewed = os.path.join(exporter.folder, "tls")
        self.shell('ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"; openssl req $ec -subj /CN=localhost '
                   '-addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -keyout new.key | openssl x509 -req '
                   '-CA ca.crt -CAkey ca.key -days 200 -copy_extensions copy -out new.crt')
        os.replace(shutil.copy(self.path("new.crt"), renewed), os.path.join(renewed, "server.crt"))
        # The key is not there yet: the pair before goes on.
        half = scraped("v4")
        self.until(lambda: self.serial(port) and scraped("v4") >= half + 2, "two scrapes between the two files")
        self.assertEqual(self.serial(port), old)
        os.replace(shutil.copy(self.path("new.key"), renewed), os.path.join(renewed, "server.key"))
        self.until(lambda: self.serial(port) != old, "the renewed certificate")
        whole = scraped("v4")
        self.until(lambda: scraped("v4") >= whole + 3, "three more scrapes")

        for job in ("v4", "v6"):
            self.assertEqual(prometheus.value(f'min_over_time(up{{job="{job}"}}[5m])'), 1, job)
            self.assertGreater(prometheus.value(f'min_over_time(scrape_samples_scraped{{job="{job}"}}[5m])'), 50)
            samples = prometheus.api("query", query=f'up{{job="{job}"}}[5m]')["result"][0]["values"]
            self.assertLess(max(b[0] - a[0] for a, b in zip(samples, samples[1:])), 1.9, "no scrape was left out")
        self.assertAlmostEqual(prometheus.value(f'{EXPIRY}{{job="v4"}}'), time.time() + 200 * 86400, delta=600)
        self.assertEqual(counted.connections, 2, "and one more for the renewed certificate")
        errors = {one["labels"]["job"]: one["lastError"] for one in prometheus.api("targets")["activeTargets"]}
        self.assertIn("401", errors["no_login"])
        self.assertIn("certificate", errors["no_certificate"])
        self.assertEqual((errors["v4"], errors["v6"]), ("", ""))

    def curl(self, port, *arguments, ca="ca.crt", client=None):
        if client:
            arguments += ("--cert", self.path(client + ".crt"), "--key", self.path(client + ".key"))
        done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", self.path(ca), "-o", os.devnull, "-w",
                               "%{http_code}", *arguments, f"https://localhost:{port}/-/healthy"],
                              capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_curl_is_let_in_as_each_client_auth_type_says(self):
        # Without a certificate, with one of our authority, with a stranger's.
        expected = {"NoClientCert": (True, True, True), "RequestClientCert": (True, True, True),
                    "RequireAnyClientCert": (False, True, True), "VerifyClientCertIfGiven": (True, True, False),
                    "RequireAndVerifyClientCert": (False, True, False)}
        started = {kind: self.spawn(kind, self.web_config(
            client_auth_type=kind, client_allowed_sans=None,
            **({"client_ca_file": None} if kind == "NoClientCert" else {}))) for kind in expected}
        for kind, exporter in started.items():
            exporter.start()
        for kind, verdicts in expected.items():
            started[kind].wait_good_sample()
            for client, good in zip((None, "prometheus", "stranger"), verdicts):
                code, status, error = self.curl(started[kind].port, client=client)
                with self.subTest(kind=kind, client=client):
                    self.assertEqual((code == 0, status), (good, "200" if good else "000"), error)
        code, _, error = self.curl(started["NoClientCert"].port, ca="stranger.crt")
        self.assertEqual(code, 60, error)

    def test_openssl_agrees_on_nothing_weak(self):
        exporter = self.serve()

        def handshake(*arguments):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{exporter.port}", "-CAfile", self.path("ca.crt"),
                 "-cert", self.path("prometheus.crt"), "-key", self.path("prometheus.key"), "-verify_return_error",
                 "-brief", *arguments], input="", capture_output=True, text=True, timeout=20, check=False)
            if done.returncode != 0:
                return done.stderr
            return re.findall(r"(?:Protocol version|Ciphersuite): (\S+)", done.stderr)

        self.assertEqual(handshake("-tls1_3"), ["TLSv1.3", "TLS_AES_256_GCM_SHA384"])
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            self.assertEqual(handshake("-tls1_2", "-cipher", cipher), ["TLSv1.2", cipher])
        for old in ("-tls1", "-tls1_1"):
            self.assertIn("alert protocol version", handshake(old, "-cipher", "ALL:@SECLEVEL=0"))
        for weak in ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES256-SHA", "AES256-GCM-SHA384",
                     "ADH-AES256-GCM-SHA384", "NULL"):
            self.assertIn("alert handshake failure", handshake("-tls1_2", "-cipher", weak + ":@SECLEVEL=0"), weak)
        self.assertIn("alert no application protocol", handshake("-alpn", "h2"))

    def test_nginx_in_front(self):
        exporter = self.serve()
        listen = free_port()
        text = documented_file("/etc/nginx/conf.d/influxdb_wal.conf")
        for given, here in (("listen 443 ssl", f"listen 127.0.0.1:{listen} ssl"),
                            ("server_name wal.example.org;", ""),
                            ("https://influxdb.example.org:3002", f"https://127.0.0.1:{exporter.port}"),
                            ("influxdb.example.org", "localhost"),
                            ("/etc/nginx/influxdb_wal/", self.made + "/"),
                            ("/etc/nginx/wal.", self.made + "/server.")):
            self.assertIn(given, text)
            text = text.replace(given, here)
        url = f"https://localhost:{listen}"
        outside = self.context(client=None)
        self.start_nginx(text, lambda: get(url + "/-/healthy", context=outside).status == 200)
        self.assertEqual(get(url + "/metrics", context=outside).status, 401)
        answer = get(url + "/metrics", context=outside, headers=LOGIN)
        self.assertEqual(answer.status, 200)
        self.assertIn("influxdb_wal_", answer.text)
        # Events come at once, not when nginx has a bufferful.
        stream = http.client.HTTPSConnection("localhost", listen, timeout=4, context=outside)
        self.addCleanup(stream.close)
        stream.request("GET", "/api/v1/events/stream", headers=LOGIN)
        self.assertIn(b"connected", stream.getresponse().read1())

    @unittest.skipIf(SANITIZED, "a browser is far too slow for it")
    def test_the_page_over_tls_with_a_login(self):
        exporter = self.serve(client_auth_type="NoClientCert", client_ca_file=None, client_allowed_sans=None)
        # This key and no other counts as trusted.
        key = self.shell("openssl x509 -noout -pubkey -in server.crt | openssl pkey -pubin -outform DER | "
                         "openssl dgst -sha256 -binary | base64").strip()
        browser = Browser(flags=[f"--ignore-certificate-errors-spki-list={key}"])
        self.addCleanup(browser.close)
        browser.look()
        browser.open(f"https://prometheus:{PASSWORD}@localhost:{exporter.port}/")
        self.until(lambda: browser.text("#health"), "the page shows a health")
        self.until(lambda: browser.attribute("#link", "data-link") == "live", "the event stream")
        self.assertTrue(browser.run("return isSecureContext && location.protocol === 'https:'"))
        browser.take_logs()
        self.assertEqual([line for line in browser.console if "401" not in line], [])
        for url in browser.requested:
            self.assertRegex(url, rf"^(https://([^/]*@)?localhost:{exporter.port}/|data:)")
        if "WAL_EXPORTER_SCREENSHOT" in os.environ:
            browser.screenshot(os.environ["WAL_EXPORTER_SCREENSHOT"])


if __name__ == "__main__":
    main()
