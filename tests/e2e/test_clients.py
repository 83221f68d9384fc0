#!/usr/bin/env python3
"""The exporter as a client: InfluxDB 1.6 behind nginx over https with certificates of every
kind, and receivers of hooks with a CA of their own. Each remedy that a message names is tried."""

import json
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from alerting import Alertmanager  # noqa: E402
from certificates import Authority, openssl  # noqa: E402
from harness import ROOT, Case, free_port, main, run, servers, settings, target  # noqa: E402

NAMED = "localhost"  # what the certificate of the server with another name is for


class SecureAlertmanager(Alertmanager):
    """Over TLS, and for those alone whose client certificate `authority` signed."""

    def __init__(self, folder, authority):
        super().__init__(folder, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.url = f"https://{self.address}"
        self.certificate, self.key = authority.sign("alertmanager")
        self.authority = authority
        self.web = os.path.join(folder, "web.yml")
        with open(self.web, "w", encoding="utf-8") as file:
            json.dump({"tls_server_config": {"cert_file": self.certificate, "key_file": self.key,
                                             "client_auth_type": "RequireAndVerifyClientCert",
                                             "client_ca_file": authority.file}}, file)

    def start(self, environment=None):
        self.spawn([self.program(), f"--config.file={self.config}", f"--storage.path={self.folder}/data",
                    f"--web.listen-address={self.address}", f"--web.config.file={self.web}",
                    "--cluster.listen-address="], environment)
        self.wait_ready(lambda: servers.port_taken(self.port), 60)
        return self

    def alerts(self):
        return json.loads(subprocess.run(
            ["curl", "-sS", "--cacert", self.authority.file, "--cert", self.certificate, "--key", self.key,
             self.url + "/api/v2/alerts"], check=True, capture_output=True, timeout=20).stdout)


class Clients(Case):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.folder)
        self.other = Authority(self.folder, "other")
        self.client = self.ca.sign("client", "DNS:client")
        self.influx = self.influxd()
        self.ports = {}

    def nginx(self, **certificates):
        """One server for each: a pair, or a pair with lines that belong beside it. All hand on
        to InfluxDB, but for /hook, which is noted in hooks.log."""
        blocks = ""
        for name, (certificate, key, *lines) in certificates.items():
            self.ports[name] = free_port()
            blocks += (f"server {{ listen 127.0.0.1:{self.ports[name]} ssl; ssl_certificate {certificate}; "
                       f"ssl_certificate_key {key}; {' '.join(lines)}\n"
                       f"location /hook {{ access_log {self.folder}/hooks.log told; client_body_in_single_buffer on; "
                       f"proxy_pass {self.influx.url}/ping; }}\n"
                       f"location / {{ proxy_pass {self.influx.url}; }} }}\n")
        return self.start_nginx(f"log_format told '$request_method $ssl_client_s_dn';\n{blocks}",
                                lambda: all(servers.port_taken(port) for port in self.ports.values()))

    def url(self, name, host="127.0.0.1"):
        return f"https://{host}:{self.ports[name]}"

    def write(self, name, *targets, hooks=()):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"targets": list(targets), "hooks": list(hooks)}, file, indent=1)
        return path

    def ask(self, url, **tls):
        """What --once says of the server: "" where it is up, else why not."""
        config = self.write("once.yml", target(self.influx, influxdb={"url": url, **tls}))
        result = run("--once", "--format=json", f"--config.file={config}", f"--state.directory={self.folder}/none")
        server = json.loads(result.stdout)["targets"][0]["server"]
        error = server.get("error") or ""
        self.assertEqual(server["up"], not error, server)
        return error

    def says(self, url, *parts, **tls):
        error = self.ask(url, **tls)
        for part in parts:
            self.assertIn(part, error)

    def test_certificates(self):
        certificate, key = self.client
        wants = ("ssl_verify_client on;", f"ssl_client_certificate {self.ca.file};")
        alone = os.path.join(self.folder, "alone.pem"), os.path.join(self.folder, "alone.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=alone", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", alone[1], "-out", alone[0])
        self.nginx(good=self.ca.sign("good"), old=self.ca.sign("old", days=-1),
                   named=self.ca.sign("named", f"DNS:{NAMED}"), alone=alone, wants=(*self.ca.sign("wants"), *wants))
        ca = {"ca_file": self.ca.file}
        mine = {"client_cert_file": certificate, "client_key_file": key}
        good = self.url("good")

        self.says(good, f"GET {good}/", "signed by an authority that this machine does not know; name that "
                                        "authority's certificate (PEM) in influxdb.ca_file")
        self.assertEqual(self.ask(good, **ca), "")
        self.says(good, "not signed by an authority in influxdb.ca_file", self.other.file, ca_file=self.other.file)
        self.assertEqual(self.ask(good, insecure_skip_verify=True), "")

        self.says(self.url("alone"), "signed by itself", "name that certificate (PEM) in influxdb.ca_file")
        self.assertEqual(self.ask(self.url("alone"), ca_file=alone[0]), "")

        self.says(self.url("old"), "has expired; renew it on the server", **ca)
        self.says(self.url("named"), f"its certificate is for DNS:{NAMED}, not for the host of this URL; write a host "
                                     "that it is for", **ca)
        self.assertEqual(self.ask(self.url("named", NAMED), **ca), "")

        self.says(self.url("wants"), "asks for a client certificate; name one in influxdb.client_cert_file and its "
                                     "key in influxdb.client_key_file", **ca)
        self.assertEqual(self.ask(self.url("wants"), **ca, **mine), "")
        certificate, key = self.other.sign("stranger", "DNS:client")
        self.says(self.url("wants"), "the server refuses the certificate of influxdb.client_cert_file",
                  client_cert_file=certificate, client_key_file=key, **ca)
        self.says(self.influx.url.replace("http:", "https:"), "write http:// in place of https://")
        self.says(good.replace("https:", "http:"), "write https:// in place of http://")

        # Without a settings file.
        arguments = "--once", f"--wal.directory={self.influx.wal}", f"--influxdb.url={good}", "--format=json"
        for environment, up in (({}, False), ({"INFLUXDB_CA_FILE": self.ca.file}, True),
                                ({"INFLUXDB_INSECURE_SKIP_VERIFY": "true"}, True)):
            result = run(*arguments, f"--state.directory={self.folder}/none", environment=environment)
            self.assertEqual(json.loads(result.stdout)["targets"][0]["server"]["up"], up, environment)

    def test_files_that_cannot_be_used(self):
        certificate, key = self.client
        locked, plain, der = (os.path.join(self.folder, name) for name in ("locked.key", "plain.key", "ca.der"))
        openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
        openssl("x509", "-in", self.ca.file, "-outform", "DER", "-out", der)
        hook = {"name": "ops", "type": "webhook", "url": "https://127.0.0.1:1/"}

        def check(hooks=(), **tls):
            config = self.write("check.yml", target(self.influx, influxdb={"url": "https://127.0.0.1:1", **tls}),
                                hooks=hooks)
            result = run("--config.check", f"--config.file={config}")
            with open(config, encoding="utf-8") as file:
                lines = file.read().splitlines()
            return result.returncode, result.stderr, lambda part: next(
                f"check.yml:{number}: " for number, line in enumerate(lines, 1) if part in line)

        for key_of, wrong, why in (
                ("ca_file", {"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
                ("ca_file", {"ca_file": der}, "holds no certificate in PEM form (-----BEGIN ...); convert it"),
                ("ca_file", {"ca_file": key}, "holds no certificate"),
                ("client_key_file", {"client_cert_file": certificate, "client_key_file": locked},
                 "protected by a passphrase; write it without one with openssl pkey"),
                ("client_key_file", {"client_cert_file": certificate, "client_key_file": self.ca.key},
                 "not the key of the first certificate in client_cert_file"),
                ("client_cert_file", {"client_cert_file": certificate}, "go together; write both")):
            code, said, at = check(**wrong)
            self.assertEqual(code, 1, said)
            self.assertIn(f"{at(key_of)}influxdb.{key_of}: ", said)
            self.assertIn(why, said)
            if "together" not in why:
                code, said, at = check(hooks=[{**hook, **wrong}])
                self.assertEqual(code, 1, said)
                self.assertIn(f"{at(key_of)}{key_of}: hook ops: ", said)
        # The remedies.
        openssl("x509", "-in", der, "-out", der + ".pem")
        openssl("pkey", "-in", locked, "-passin", "pass:secret", "-out", plain)
        code, said, _ = check(ca_file=der + ".pem", client_cert_file=certificate, client_key_file=plain)
        self.assertEqual((code, said.count("check.yml:")), (0, 0), said)
        code, said, at = check(insecure_skip_verify=True, hooks=[{**hook, "insecure_skip_verify": True}])
        self.assertEqual(code, 0, said)
        self.assertIn(at("insecure_skip_verify") + "influxdb.insecure_skip_verify: INSECURE", said)
        self.assertIn("hook ops: INSECURE", said)

    def test_a_running_exporter_and_its_hooks(self):
        certificate, key = self.client
        manager = SecureAlertmanager(os.path.join(self.folder, "manager"), self.ca)
        self.addCleanup(manager.stop)
        manager.start()
        self.nginx(good=self.ca.sign("good"),
                   wants=(*self.ca.sign("wants"), "ssl_verify_client on;", f"ssl_client_certificate {self.ca.file};"))
        trusted = os.path.join(self.folder, "trusted.pem")
        os.link(self.other.file, trusted)
        mine = {"ca_file": self.ca.file, "client_cert_file": certificate, "client_key_file": key}
        quick = {"retry": {"first": "100ms", "longest": "200ms"}}
        hooks = [{"name": "am", "type": "alertmanager", "urls": [manager.url], **mine, **quick},
                 {"name": "am-unknown", "type": "alertmanager", "urls": [manager.url], **quick},
                 {"name": "am-stranger", "type": "alertmanager", "urls": [manager.url], "ca_file": self.ca.file, **quick},
                 {"name": "web", "type": "webhook", "url": self.url("wants") + "/hook", **mine, **quick}]
        plant = target(self.influx, influxdb={"url": self.url("good"), "ca_file": trusted},
                       thresholds={"max_size": "1KiB"}, checkpoint={"method": "none"})
        exporter = self.exporter(json.dumps({"targets": [plant], "hooks": hooks}), start=False).start()
        self.until(lambda: "not signed by an authority in influxdb.ca_file" in str(exporter.target("plant")["server"]),
                   "the server's certificate is refused")
        # Another CA in the same file counts from the next question on, and so does its going again.
        os.unlink(trusted)
        os.link(self.ca.file, trusted)
        self.until(lambda: exporter.target("plant")["server"]["up"], "the new CA is taken without a reload")
        os.unlink(trusted)
        os.link(self.other.file, trusted)
        self.until(lambda: not exporter.target("plant")["server"]["up"], "the old CA is trusted no more")

        self.influx.create_database("plant")
        self.influx.write("plant", servers.points(4096))
        self.until(lambda: any(alert["labels"]["alertname"] == "InfluxDBWALWatchdog" for alert in manager.alerts()),
                   "Alertmanager has the watchdog")
        told = os.path.join(self.folder, "hooks.log")
        self.until(lambda: os.path.exists(told) and os.path.getsize(told), lambda: f"a hook; {exporter.tail()}")
        with open(told, encoding="utf-8") as file:
            self.assertEqual(file.readline().split(None, 1), ["POST", "CN=client\n"])
        for name, why in (("am-unknown", "name that authority's certificate (PEM) in hooks.ca_file"),
                          ("am-stranger", "the server asks for a client certificate")):
            self.until(lambda n=name, w=why: any(
                hook["name"] == n and w in hook.get("last_error", "") for hook in exporter.get("/api/v1/hooks").json["hooks"]),
                       lambda: f"{why} in {exporter.get('/api/v1/hooks').text}")

        plant["influxdb"] = {"url": self.url("good"), "insecure_skip_verify": True}
        exporter.configure(json.dumps({"targets": [plant]}))
        exporter.signal(signal.SIGHUP)
        self.until(lambda: (exporter.target("plant")["server"] or {}).get("up"), "no certificate is asked for any more")
        self.assertIn("influxdb.insecure_skip_verify: INSECURE", exporter.log())


class WayIn(Case):
    """How the command line reaches the exporter that runs."""

    def setUp(self):
        super().setUp()
        self.influx = self.influxd(databases=["plant"], grow=1)

    def serve(self, listen, *arguments, **options):
        exporter = self.exporter(settings(target(self.influx)), start=False, listen=listen, arguments=arguments,
                                 **options)
        exporter.spawn(exporter.command())
        exporter.wait_ready(lambda: run("--healthcheck", f"--state.directory={exporter.state}").returncode == 0, 30)
        return exporter

    def healthcheck(self, exporter, *addresses, code=0):
        result = run("--healthcheck", f"--state.directory={exporter.state}",
                     *(f"--web.listen-address={address}" for address in addresses))
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def smoke(self, url, *arguments):
        result = subprocess.run([os.path.join(ROOT, "tests", "smoke"), url, *arguments], capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def asked_through(self, exporter):
        """The exporter that runs is asked to prepare a restart; the command does not do it by itself."""
        result = run("--prepare-restart", "--max-wait=10s", f"--config.file={exporter.config}",
                     f"--state.directory={exporter.state}")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("reason: pre_restart", exporter.log())

    def test_over_ipv6_and_unix_sockets(self):
        path = os.path.join(self.folder, "exporter.sock")
        exporter = self.serve("[::1]:0", f"--web.listen-address=unix:{path}")
        port = servers.listening_port(exporter.log())
        self.assertIn(f"unix://{exporter.state}/control.sock/-/healthy answered 200", self.healthcheck(exporter))
        said = self.healthcheck(exporter, f"[::1]:{port}", f"unix:{path}")
        self.assertIn(f"http://[::1]:{port}/-/healthy answered 200 (the address given)\n"
                      f"unix://{path}/-/healthy answered 200 (the address given)\n", said)
        self.assertIn("no such file", self.healthcheck(exporter, f"unix:{path}x", f"[::1]:{port}", code=1).lower())
        self.assertEqual(os.stat(exporter.state + "/control.sock").st_mode & 0o777, 0o600)
        self.smoke(f"http://[::1]:{port}")
        self.smoke(f"unix:{path}")
        self.asked_through(exporter)
        # A directory that is mounted elsewhere.
        elsewhere = os.path.join(self.folder, "elsewhere")
        os.symlink(exporter.state, elsewhere)
        shown = run("--healthcheck", f"--state.directory={elsewhere}")
        self.assertIn(f"unix://{elsewhere}/control.sock", shown.stdout)
        exporter.stop()
        self.assertFalse(os.path.exists(exporter.state + "/control.sock"))

    def test_over_tls_for_those_with_a_client_certificate(self):
        ca = Authority(self.folder)
        (certificate, key), mine = ca.sign("exporter", "DNS:exporter.example.org"), ca.sign("client", "DNS:client")
        web = os.path.join(self.folder, "web.yml")

        def write(certificate, key, **more):
            with open(web, "w", encoding="utf-8") as file:
                json.dump({"tls_server_config": {"cert_file": certificate, "key_file": key, **more}}, file)

        write(certificate, key, client_auth_type="RequireAndVerifyClientCert", client_ca_file=ca.file)
        exporter = self.serve("127.0.0.1:0", "--web.listen-address=[::1]:0", f"--web.config.file={web}")
        port = servers.listening_port(exporter.log())
        self.assertIn("control.sock/-/healthy answered 200", self.healthcheck(exporter))
        self.assertRegex(self.healthcheck(exporter, f"127.0.0.1:{port}"),
                         f"https://127.0.0.1:{port} takes no client without a certificate of its own; unix://.*control.sock/-/healthy answered")
        refused = run("--healthcheck", f"--state.directory={exporter.state}x", f"--web.listen-address=127.0.0.1:{port}")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stdout, "asks for a client certificate .TLS alert .* give its --state.directory")
        self.smoke(f"https://127.0.0.1:{port}", "--insecure", "--cert", mine[0], "--key", mine[1])
        self.asked_through(exporter)
        write(*ca.sign("exporter"))
        self.until(lambda: "answered 200 (the address given)" in run(
            "--healthcheck", f"--state.directory={exporter.state}x", f"--web.listen-address=127.0.0.1:{port}").stdout,
            "no client certificate is asked for any more")
        self.smoke(f"https://127.0.0.1:{port}", "--ca", ca.file)

    def test_another_program_that_wants_certificates_is_not_taken_for_the_exporter(self):
        exporter = self.exporter(settings(target(self.influxd())))
        authority = Authority(self.folder)
        cert, key = authority.sign("other")
        port = free_port()
        other = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key,
                                  "-Verify", "1", "-quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.addCleanup(other.stdin.close)

        def said():
            answer = run("--healthcheck", f"--state.directory={exporter.state}", f"--web.listen-address=127.0.0.1:{port}")
            self.assertEqual(answer.returncode, 1, answer.stdout)
            return answer.stdout if "certificate" in answer.stdout else None
        self.assertIn("does not listen there", self.until(said, "the other program"))

    def test_over_tls_where_there_is_no_control_socket(self):
        ca, other = Authority(self.folder), Authority(self.folder, "other")
        web = os.path.join(self.folder, "web.yml")

        def write(certificate, key):
            with open(web, "w", encoding="utf-8") as file:
                json.dump({"tls_server_config": {"cert_file": certificate, "key_file": key}}, file)

        write(*ca.sign("exporter", "DNS:exporter.example.org"))
        exporter = self.exporter(settings(target(self.influx)), start=False, listen="[::1]:0",
                                 arguments=[f"--web.config.file={web}"])
        exporter.state = os.path.join(self.folder, "long" * 30)
        exporter.start()
        self.until(lambda: run("--healthcheck", f"--state.directory={exporter.state}").returncode == 0, "it is healthy")
        self.assertIn(f"https://[::1]:{exporter.port}/-/healthy answered 200", self.healthcheck(exporter))
        control = os.path.join(exporter.state, "control")
        with open(control, encoding="utf-8") as file:
            before = file.read()
        # A renewed certificate is the one that is expected from then on.
        write(*other.sign("exporter", "DNS:exporter.example.org"))
        self.until(lambda: open(control, encoding="utf-8").read() != before, "the control file follows")
        self.healthcheck(exporter)
        self.asked_through(exporter)
        # Another server in its place gets no token.
        with open(control, "w", encoding="utf-8") as file:
            file.write(before)
        self.assertIn("its key is not the one that was expected", self.healthcheck(exporter, code=1))

    def test_where_the_path_of_a_socket_would_be_too_long(self):
        exporter = self.exporter(settings(target(self.influx)), start=False)
        exporter.state = os.path.join(self.folder, "long" * 30)
        exporter.start()
        self.assertRegex(exporter.log(), r"no control socket: state directory \S+ is too long for a control socket in it: "
                                         r"\d+ bytes with its name, and 107 are the most that Linux takes")
        self.assertIn(f"http://127.0.0.1:{exporter.port}/-/healthy answered 200", self.healthcheck(exporter))
        exporter.wait_good_sample()
        self.asked_through(exporter)


if __name__ == "__main__":
    main()
