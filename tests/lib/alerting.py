"""Alertmanager for end to end tests, and who it tells: a mail server, and HTTP
addresses that write down what they get."""

import base64
import email
import email.policy
import glob
import http.server
import json
import os
import re
import shutil
import socketserver
import threading
import urllib.parse

from harness import ROOT, Failure, free_port, get, request
from servers import RULES, SERVERS, Process, program


class Alertmanager(Process):
    """Debian's Alertmanager 0.25 with `config` (text of its YAML file); alone, without
    a cluster. Its files are relative to `folder`."""

    TEMPLATES = b"/usr/share/prometheus/alertmanager"

    def __init__(self, folder, config, port=None):
        super().__init__("alertmanager", folder)
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.config = os.path.join(folder, "alertmanager.yml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config)

    def program(self):
        """Debian's build reads templates from a fixed place, where nothing is unless the
        package is installed: a copy of the program looks into our folder instead."""
        path, name = os.path.join(self.folder, "prometheus-alertmanager"), b"own-templates"
        if not os.path.exists(os.path.join(self.folder, name.decode())):
            os.symlink(SERVERS + self.TEMPLATES.decode(), os.path.join(self.folder, name.decode()))
        with open(program("prometheus-alertmanager"), "rb") as file:
            content = file.read()
        if self.TEMPLATES not in content:
            raise Failure(f"Alertmanager does not read {self.TEMPLATES.decode()} any more: see Alertmanager.program")
        with open(path, "wb") as file:
            # As long as the one it replaces; more slashes are as good as one.
            file.write(content.replace(self.TEMPLATES, b"." + name.rjust(len(self.TEMPLATES) - 1, b"/")))
        os.chmod(path, 0o755)
        return path

    def start(self, environment=None):
        self.spawn([self.program(), f"--config.file={self.config}", f"--storage.path={self.folder}/data",
                    f"--web.listen-address={self.address}", "--cluster.listen-address="], environment)
        self.wait_ready(lambda: get(self.url + "/-/ready").status == 200, 60)
        return self

    def post(self, *alerts):
        """Alerts as Prometheus sends them: {"labels": {...}, "annotations": {...}}."""
        answer = request("POST", self.url + "/api/v2/alerts", body=json.dumps(alerts),
                         headers={"Content-Type": "application/json"})
        if answer.status != 200:
            raise Failure(f"Alertmanager did not take alerts: {answer.status} {answer.text}")

    def alerts(self):
        # Thousands of them, each held against each rule of inhibition.
        return get(self.url + "/api/v2/alerts", timeout=60).json


class Mailbox:
    """An SMTP server on a free port. `messages` holds what came, parsed."""

    def __init__(self):
        mailbox = self
        self.messages, self.recipients, self.logins = [], [], []

        class Session(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                self.say("220 mailbox")
                while line := self.rfile.readline():
                    word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
                    word = word.upper()
                    if word == "EHLO":
                        self.say("250-mailbox")
                        self.say("250 AUTH PLAIN")
                    elif word == "AUTH":
                        mailbox.logins.append(base64.b64decode(rest.split()[1]).decode().split("\0")[1:])
                        self.say("235 welcome")
                    elif word == "RCPT":
                        mailbox.recipients.append(rest)
                        self.say("250 ok")
                    elif word == "DATA":
                        self.say("354 go on")
                        mailbox.messages.append(self.message())
                        self.say("250 ok")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def message(self):
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b"..") else line)
                return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        self.server = Threads(("127.0.0.1", 0), Session)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]

    def close(self):
        self.server.close()


class Inbox:
    """An HTTP server on a free port that answers 200 and keeps what is posted:
    `posts` holds (path, headers, body)."""

    def __init__(self):
        inbox = self
        self.posts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8")
                inbox.posts.append((self.path, self.headers, body))
                # SNS answers XML, the others read nothing.
                answer = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def at(self, path):
        return [body for where, _, body in self.posts if where == path]

    def json_at(self, path):
        return [json.loads(body) for body in self.at(path)]

    def sms(self):
        return [urllib.parse.parse_qs(body) for body in self.at("/sns/")]

    def authorization(self, path):
        return {headers.get("Authorization") for where, headers, _ in self.posts if where == path}

    def close(self):
        self.server.close()


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join(10)


SHIPPED = os.path.join(ROOT, "rules", "alertmanager")
# What the SNS client of Alertmanager finds its (made up) login in.
AWS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_EC2_METADATA_DISABLED": "true"}
SECRETS = {"slack_url": None, "smtp_password": "pass word", "webhook_token": "webhook's", "exporter_token": "exporter's"}


def bundled(folder, mailbox, inbox, instance, wait="2s", exporter=None):
    """rules/alertmanager/alertmanager.yml as it is, but for addresses, files of secrets and times.
    `exporter`: the URL of a real one that alerts go back to, else `inbox` gets them."""
    os.makedirs(folder, exist_ok=True)
    for name, secret in SECRETS.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(secret or inbox.url + "/slack")
    shutil.copytree(os.path.join(SHIPPED, "templates"), os.path.join(folder, "templates"))
    with open(os.path.join(SHIPPED, "alertmanager.yml"), encoding="utf-8") as file:
        text = file.read()
    for old, new in (
            ("smtp_smarthost: mail.example.org:587", f"smtp_smarthost: {mailbox.address}\n  smtp_require_tls: false"),
            ("/etc/prometheus/secrets", folder),
            ("https://hooks.example.org/influxdb-wal", inbox.url + "/webhook"),
            ("http://exporter.example.org:3002/api/v1/alerts", (exporter or inbox.url) + "/api/v1/alerts"),
            ('instance="exporter.example.org:3002"', f'instance="{instance}"'),
            ("      - phone_number:", f"      - api_url: {inbox.url}/sns\n        phone_number:")):
        if old not in text:
            raise Failure(f"rules/alertmanager/alertmanager.yml has no '{old}' any more: see bundled() in tests/lib/alerting.py")
        text = text.replace(old, new)
    text = re.sub(r"group_wait: \w+", f"group_wait: {wait}", text)
    return re.sub(r"group_interval: \w+", f"group_interval: {wait}", text)


def read_rules():
    """{name of the file: its text}"""
    texts = {}
    for path in glob.glob(RULES):
        with open(path, encoding="utf-8") as file:
            texts[os.path.basename(path)] = file.read()
    return texts
