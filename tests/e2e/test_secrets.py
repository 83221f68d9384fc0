#!/usr/bin/env python3
"""Servers that repeat what they were sent: no secret is shown, kept or told on."""

import base64
import http.server
import json
import os
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, main  # noqa: E402

TOKEN = "kF9-mXy7q2K_9vLrT0bZ4nW8sJ3hG6fD1cA5eQuPiOxYwBtRkMlNj=="
PASSWORD = "correct horse"
HOOK_TOKEN = "hook-7Qd2Lr8Xn4Vb6Tz1"
HOOK_PATH = "/services/T0SECRET/B0SECRET/4Xslacksecret"


class Parrot:
    """Says all that it was asked again: in the status line, in headers and in a body of JSON."""

    def __init__(self, status):
        parrot = self
        self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                login = self.headers.get("Authorization", "nothing")
                parrot.heard.append((self.path, login))
                decoded = base64.b64decode(login[6:]).decode() if login.startswith("Basic ") else login
                said = f"unauthorized: {login} ({decoded}, {urllib.parse.quote(decoded)}) at {self.path}"
                body = json.dumps({"message": said, "error": said, "version": login, "code": login}).encode()
                self.send_response(status, "No " + login)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Influxdb-Version", login.rpartition(" ")[2])
                self.send_header("X-Influxdb-Build", decoded)
                self.send_header("WWW-Authenticate", login)
                self.send_header("Location", f"http://127.0.0.1:1/{login}")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_HEAD = do_POST = answer

            def log_message(self, *_):
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Secrets(Case):
    def parrot(self, status):
        parrot = Parrot(status)
        self.addCleanup(parrot.close)
        return parrot

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        return path

    def wal(self, name):
        folder = os.path.join(self.folder, name, "wal", "0123456789abcdef", "autogen", "1")
        os.makedirs(folder)
        with open(os.path.join(folder, "_00001.wal"), "wb") as file:
            file.write(bytes([1, 0, 0, 0, 20]) + b"x" * 20)
        return os.path.join(self.folder, name, "wal")

    def test_none_is_shown_kept_or_told_on(self):
        refusing, wrong, moved = self.parrot(401), self.parrot(500), self.parrot(302)
        receiver = self.parrot(500)
        token = self.file("token", TOKEN)
        login = self.file("login", "admin:" + PASSWORD)
        common = {"sampling": {"interval": "300ms"}, "thresholds": {"max_size": "1GiB"}}
        checkpoint = {"schedule": "off", "timeout": "5s"}

        def target(name, parrot, version, method, secret):
            return dict(common, name=name, wal={"directory": self.wal(name)}, checkpoint=dict(checkpoint, **method),
                        influxdb={"version": version, "url": parrot.url, "token_file": secret})

        request = {"method": "http", "http": {"method": "POST", "path": "/checkpoint"}}
        targets = [target("two", refusing, 2, {"method": "backup"}, token),
                   target("one", wrong, 1, request, login),
                   target("asks", moved, 1, request, token)]
        retry = {"first": "50ms", "longest": "100ms"}
        hooks = [{"name": "chat", "type": "slack", "retry": retry,
                  "url_file": self.file("url", receiver.url + HOOK_PATH)},
                 {"name": "told", "type": "webhook", "retry": retry, "url": receiver.url + "/told",
                  "bearer_token_file": self.file("hook", HOOK_TOKEN)},
                 {"name": "login", "type": "webhook", "retry": retry, "url": receiver.url + "/login",
                  "username": "admin", "password_file": self.file("password", PASSWORD)}]
        exporter = self.exporter(json.dumps({"targets": targets, "hooks": hooks}), arguments=["--log.level=debug"])
        for name in ("two", "one", "asks"):
            exporter.post(f"/api/v1/targets/{name}/checkpoint?wait=10s")
            self.until(lambda: exporter.history(name), f"an outcome of {name}")
        self.until(lambda: len({path for path, _ in receiver.heard}) == 3, "the hooks")
        heard = [login for parrot in (refusing, wrong, moved, receiver) for _, login in parrot.heard]
        basic = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        for login in (f"Token {TOKEN}", f"Basic {basic}", f"Bearer {HOOK_TOKEN}"):
            self.assertIn(login, heard)

        places = {path: exporter.get(path).text
                  for path in ("/", "/metrics", "/api/v1/targets", "/api/v1/status", "/api/v1/hooks", "/api/v1/events",
                               "/api/v1/targets/two/history", "/api/v1/targets/one/history",
                               "/api/v1/targets/asks/history", "/wal-management/health?target=two")}
        self.assertIn("[secret]", places["/api/v1/targets/two/history"])
        self.assertIn("[secret]", places["/api/v1/targets/one/history"])
        exporter.stop()
        places["log"] = exporter.log()
        for folder, _, names in os.walk(exporter.state):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    places[name] = file.read().decode("latin-1")
        for place, content in places.items():
            for secret in (TOKEN, TOKEN[:20], urllib.parse.quote(TOKEN), PASSWORD, urllib.parse.quote(PASSWORD), basic,
                           HOOK_TOKEN, "T0SECRET", "slacksecret"):
                self.assertNotIn(secret, content, f"a secret is in {place}")


if __name__ == "__main__":
    main()
