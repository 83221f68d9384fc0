#!/usr/bin/env python3
"""Who may act without a login: by the user whose program asks, which the kernel tells, also
through a real nginx; and by which names a browser may ask."""

import crypt
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PROGRAM, Case, free_port, get, main, request, run, servers  # noqa: E402

NOBODY = 65534
WWW_DATA = 33
# What Debian's nginx does once 1.29.7's defaults are set: HTTP/1.1, and nothing added.
PLAIN = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;'
# One header of each: as Apache, HAProxy, Caddy and Traefik; Envoy; and the clouds add them.
MARKS = ("X-Forwarded-For", "X-Forwarded-Server", "X-Forwarded-Host", "X-Real-Ip", "Via", "Forwarded",
         "X-Envoy-Expected-Rq-Timeout-Ms", "CF-Connecting-IP", "CDN-Loop", "True-Client-IP", "X-Client-IP",
         "X-Cluster-Client-IP", "Fly-Client-IP", "Fastly-Client-IP", "X-Azure-ClientIP", "X-Appengine-Country",
         "X-Original-Forwarded-For", "X-Amzn-Trace-Id", "X-Cloud-Trace-Context")


class Guard(Case):
    def start(self, web=None, arguments=(), environment=None, wrapper=()):
        wal = os.path.join(self.folder, "wal")
        os.makedirs(os.path.join(wal, "plant", "autogen", "1"))
        self.program = shutil.copy(PROGRAM, os.path.join(self.folder, "influxdb_wal_exporter"))
        os.chmod(self.program, 0o755)
        self.text = {"targets": [{"wal": {"directory": wal}, "influxdb": {"version": 1}}]}
        exporter = self.exporter(json.dumps(dict(self.text, **({"web": web} if web else {}))), start=False,
                                 program=self.program, arguments=arguments)
        os.makedirs(exporter.state, mode=0o700)
        if wrapper:
            os.chown(exporter.state, NOBODY, NOBODY)
        return exporter.start(wrapper, environment).wait_good_sample()

    def start_as_nobody(self, **arguments):
        if os.getuid() != 0:
            self.skipTest("takes root to run programs as several users")
        return self.start(wrapper=self.as_user(NOBODY), **arguments)

    @staticmethod
    def as_user(uid):
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]

    def curl(self, uid, url, *arguments):
        """(status, body) of a POST by curl as that user."""
        result = subprocess.run([*self.as_user(uid), "curl", "-sS", "-X", "POST", "-w", "\n%{http_code}", *arguments,
                                 url], capture_output=True, text=True, timeout=20, check=False)
        body, _, status = result.stdout.rpartition("\n")
        return int(status or 0), body + result.stderr

    def nginx(self, upstream, user, lines=PLAIN):
        listen = free_port()
        self.start_nginx(f"server {{ listen 127.0.0.1:{listen}; location / {{\n"
                         f"  proxy_pass http://{upstream}; {lines} }} }}",
                         lambda: get(f"http://127.0.0.1:{listen}/-/healthy").status == 200, user)
        return f"http://127.0.0.1:{listen}/-/reload"

    def test_root_and_the_exporters_user_act_and_nobody_else(self):
        exporter = self.start_as_nobody()
        url = f"http://localhost:{exporter.port}/-/reload"
        for uid in (0, NOBODY):
            status, body = self.curl(uid, url)
            self.assertEqual(status, 200, f"{uid}: {body}")
        status, body = self.curl(WWW_DATA, url)
        self.assertEqual(status, 403, body)
        for text in ("this one is of user www-data (uid 33)", "user root (uid 0), user nobody (uid 65534)",
                     "web.local_users", "--web.config.file"):
            self.assertIn(text, body)
        self.assertIn("www-data", exporter.log())
        # The remedy: the setting, by name.
        exporter.configure(json.dumps(dict(self.text, web={"local_users": ["www-data"]})))
        self.assertEqual(self.curl(0, url)[0], 200)
        self.assertEqual(self.curl(WWW_DATA, url)[0], 200)
        self.assertEqual(self.curl(4711, url)[0], 403)
        # By a number without a name, for a page of another place still not.
        exporter.configure(json.dumps(dict(self.text, web={"local_users": [4711]})))
        self.assertEqual(self.curl(0, url)[0], 200)
        self.assertEqual(self.curl(4711, url)[0], 200)
        self.assertEqual(self.curl(WWW_DATA, url)[0], 403)
        self.assertEqual(self.curl(4711, url, "-e", "http://evil.example/form")[0], 403)

    def test_the_environment_and_a_login_are_remedies(self):
        hashed = crypt.crypt("s3cret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 5))
        users = os.path.join(self.folder, "web.yml")
        with open(users, "w", encoding="utf-8") as file:
            file.write(f'basic_auth_users:\n  alice: "{hashed}"\n')
        exporter = self.start_as_nobody(environment={"INFLUXDB_WAL_EXPORTER_LOCAL_USERS": "www-data, 4711"})
        url = f"http://localhost:{exporter.port}/-/reload"
        self.assertEqual([self.curl(uid, url)[0] for uid in (WWW_DATA, 4711, 4712)], [200, 200, 403])
        exporter.stop()
        exporter.arguments = [f"--web.config.file={users}"]
        exporter.start(self.as_user(NOBODY)).wait_ready(lambda: exporter.get("/-/ready").status == 200, 20)
        url = f"http://localhost:{exporter.port}/-/reload"
        self.assertEqual(self.curl(0, url)[0], 401)
        self.assertEqual(self.curl(4712, url, "-u", "alice:s3cret")[0], 200)

    def test_nobody_acts_through_nginx(self):
        exporter = self.start_as_nobody()
        local = {"Host": f"localhost:{exporter.port}"}
        answer = request("POST", self.nginx(f"127.0.0.1:{exporter.port}", "www-data"), headers=local)
        self.assertEqual(answer.status, 403, answer.text)
        self.assertIn("user www-data (uid 33)", answer.text)
        # Where the proxy runs as root, what it adds gives it away, and the name it is asked for.
        marks = PLAIN + " ".join(f"proxy_set_header {name} $http_x_test_{name.lower().replace('-', '_')};"
                                 for name in MARKS)
        url = self.nginx(f"127.0.0.1:{exporter.port}", "root", marks)
        for name in MARKS:
            answer = request("POST", url, headers=dict(local, **{f"X-Test-{name}": "203.0.113.7"}))
            self.assertEqual(answer.status, 403, f"{name}: {answer.text}")
            self.assertIn(f"{name} was sent", answer.text)
        answer = request("POST", url, headers={"Host": "wal.example.com"})
        self.assertEqual(answer.status, 403, answer.text)
        self.assertIn("wal.example.com", answer.text)

    def test_over_a_unix_socket_it_is_the_user_who_connects(self):
        folder = os.path.join(self.folder, "run")
        os.mkdir(folder)
        os.chown(folder, NOBODY if os.getuid() == 0 else -1, -1)
        path = os.path.join(folder, "exporter.sock")
        self.start_as_nobody(arguments=[f"--web.listen-address=unix:{path}", "--web.unix-socket-mode=0666"])
        by = ("--unix-socket", path)
        self.assertEqual([self.curl(uid, "http://localhost/-/reload", *by)[0] for uid in (0, NOBODY, WWW_DATA)],
                         [200, 200, 403])
        # No browser gets there, so it does not matter by which name.
        self.assertEqual(self.curl(0, "http://wal.example.com/-/reload", *by)[0], 200)
        answer = request("POST", self.nginx(f"unix:{path}:", "www-data"), headers={"Host": "localhost"})
        self.assertEqual(answer.status, 403, answer.text)
        self.assertIn("user www-data (uid 33)", answer.text)

    def test_a_browser_asks_by_our_own_names_alone(self):
        exporter = self.start(web={"own_names": ["wal.example.com"]})
        browser = {"User-Agent": "Mozilla/5.0 (X11)", "Accept-Language": "en"}
        page = dict(browser, Host=f"rebound.example:{exporter.port}")
        for path in ("/", "/metrics", "/api/v1/targets"):
            answer = exporter.get(path, headers=page)
            self.assertEqual(answer.status, 421, answer.text)
            self.assertIn("web.own_names", answer.text)
        for host in ("wal.example.com", f"127.0.0.1:{exporter.port}", os.uname().nodename, "wal-exporter:3002"):
            self.assertEqual(exporter.get("/", headers=dict(browser, Host=host)).status, 200, host)
        # Who scrapes by any name goes on doing so.
        for agent in ("Prometheus/2.42.0", "curl/7.88.1", "python-requests/2.28.1"):
            answer = exporter.get("/metrics", headers={"Host": "db1.dc7.example.net:3002", "User-Agent": agent})
            self.assertEqual(answer.status, 200, agent)

    def test_settings_name_what_is_wrong_by_line(self):
        path = os.path.join(self.folder, "config.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("web:\n  local_users:\n    - root\n    - promtheus\n  own_names: [http://wal.example.com]\n"
                       "targets: [{wal: {directory: /tmp}}]\n")
        result = run("--config.check", f"--config.file={path}")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{path}:4: web.local_users: there is no user 'promtheus' on this machine", result.stderr)
        self.assertIn(f"{path}:5: web.own_names: 'http://wal.example.com' is not a host name", result.stderr)
        result = run("--config.check", "--wal.directory=/tmp", "--web.local-users=promtheus")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--web.local-users: there is no user 'promtheus'", result.stderr)


if __name__ == "__main__":
    main()
