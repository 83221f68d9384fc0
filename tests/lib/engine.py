"""A real Docker engine (Debian's docker.io, unpacked) on a socket of its own, without
a network of its own, and a real InfluxDB in one of its containers. Needs root."""

import http.client
import io
import json
import os
import socket
import subprocess
import tarfile
import urllib.parse

from harness import Failure, Influxd  # it says where servers lies
from servers import SERVERS, Answer, Process, program

IMAGE = "wal_exporter-test:1"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine(Process):
    def __init__(self, folder):
        super().__init__("dockerd", folder)
        self.socket = os.path.join(folder, "docker.sock")

    def start(self):
        paths = [os.path.join(SERVERS, "usr", part) for part in ("bin", "sbin")] + [os.environ["PATH"]]
        self.spawn([program("dockerd"), "-H", f"unix://{self.socket}", "--bridge=none", "--iptables=false",
                    "--ip-forward=false", "--ip-masq=false", "--storage-driver=vfs", "--shutdown-timeout=5",
                    "--data-root", os.path.join(self.folder, "data"), "--exec-root", os.path.join(self.folder, "exec"),
                    "--pidfile", os.path.join(self.folder, "docker.pid")],
                   {"PATH": os.pathsep.join(paths)})
        self.wait_ready(lambda: self.ask("GET", "/_ping").status == 200, 90)
        return self

    def stop(self, seconds=60):
        code = super().stop(seconds)
        # What it leaves mounted (the namespace of containers on the host's network)
        # would keep the folder from being removed.
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(self.folder + "/"):
                subprocess.run(["umount", mount], check=False)
        return code

    def ask(self, method, path, body=None, kind="application/json", timeout=90):
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": kind})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    def must(self, method, path, body=None, **arguments):
        answer = self.ask(method, path, body, **arguments)
        if answer.status not in (200, 201, 204, 304):
            raise Failure(f"Docker answered {answer.status} to {method} {path}: {answer.text}\n{self.tail()}")
        return answer

    def import_image(self):
        """An image with influxd, what it is linked with, and a shell."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            for folder in ("tmp", "proc"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o777
                tar.addfile(entry)
            tar.add(os.path.join(SERVERS, "bin", "busybox"), "bin/sh")
            tar.add(program("influxd"), "bin/influxd")
            for path in libraries(program("influxd")):
                tar.add(os.path.realpath(path), path.lstrip("/"))
        name, tag = IMAGE.split(":")
        self.must("POST", f"/images/create?fromSrc=-&repo={name}&tag={tag}", content.getvalue(),
                  kind="application/x-tar")
        return self

    def create(self, name, command, folder=None):
        settings = {"Image": IMAGE, "Cmd": command,
                    "HostConfig": {"NetworkMode": "host", "Binds": [f"{folder}:{folder}"] if folder else []}}
        self.must("POST", f"/containers/create?name={urllib.parse.quote(name)}", json.dumps(settings))

    def run(self, name, command, folder=None):
        self.create(name, command, folder)
        self.must("POST", f"/containers/{name}/start")

    def inspect(self, name):
        return self.must("GET", f"/containers/{name}/json").json["State"]


def libraries(path):
    """The shared libraries a program is linked with, as the loader of this machine finds them."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    return [word for line in listed.splitlines() for word in line.split() if word.startswith("/")]


class ContainedInfluxd(Influxd):
    """InfluxDB 1.6.7 in a container, in the same folder and on the same ports."""

    def __init__(self, engine, name, folder, **arguments):
        super().__init__(folder, **arguments)
        self.engine, self.container = engine, name

    def spawn(self, argv, environment=None):
        self.engine.run(self.container, ["/bin/influxd", *argv[1:]], self.folder)

    def running(self):
        return self.engine.inspect(self.container)["Running"]

    def stop(self, seconds=30):
        """The engine ends its containers with itself."""
        return 0

    def started_at(self):
        return self.engine.inspect(self.container)["StartedAt"]

