#!/usr/bin/env python3
"""The status page in Debian's Chromium, on the exporter watching a real InfluxDB."""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, ROOT, FakeServer, free_port, main, settings, target  # noqa: E402
from browser import Browser  # noqa: E402
from nodes import SECOND, NodeCase  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

AXE = os.path.join(ROOT, "build", "axe-core", "axe.min.js")
WIDTHS = (390, 768, 1440)
SCRIPT = "<script>alert(1)</script>"
ARABIC = "مصنع الخرسانة \u202eabc"
LONG = "n" * 200


class Page(NodeCase):
    def setUp(self):
        super().setUp()
        self.browser = Browser()
        self.addCleanup(self.browser.close)

    def until(self, condition, what, seconds=60):
        # A browser on a busy machine takes its time.
        return super().until(condition, what, seconds)

    def start(self, grow=3 * MIB, arguments=(), listen="127.0.0.1:0", **sections):
        self.server = self.influxd(databases=("plant",), grow=grow)
        return self.exporter(settings(target(self.server, **sections)), arguments=list(arguments), listen=listen)

    def open(self, exporter, fragment=""):
        self.browser.open(exporter.url + "/" + fragment)
        self.until(lambda: self.browser.text("#health"), lambda: f"the page shows a health; console: {self.said()}")

    def said(self):
        self.browser.take_logs()
        return self.browser.console

    def clean(self, exporter):
        """Nothing to say on the console, and nobody was asked but the exporter."""
        self.browser.take_logs()
        self.assertEqual(self.browser.console, [])
        self.assertTrue(self.browser.requested)
        for url in self.browser.requested:
            self.assertTrue(url.startswith((exporter.url + "/", "data:")), f"a request left for {url}")

    def wait_text(self, selector, part):
        self.until(lambda: part in self.browser.text(selector),
                   lambda: f"'{part}' in {selector}, where it says '{self.browser.text(selector)}'; {self.said()}")

    def test_it_shows_the_numbers_of_metrics(self):
        exporter = self.start(thresholds={"max_size": "7MiB", "max_files": 12})
        self.open(exporter)
        browser = self.browser
        bytes_pending = self.counter(exporter, "influxdb_wal_bytes", state="pending")
        files = self.counter(exporter, "influxdb_wal_files", state="pending")
        self.assertGreater(bytes_pending, 3 * MIB)
        self.until(lambda: browser.value("#meters data[data-what=bytes]") == bytes_pending, "the same bytes")
        self.assertEqual(browser.value("#meters data[data-what=files]"), files)
        self.assertEqual(browser.value("#restart data[data-what=bytes]"), bytes_pending)
        self.assertIn("warning above 12", browser.text("#meters"))
        self.assertIn(f"critical above {self.counter(exporter, 'influxdb_wal_threshold_files', level='critical'):.0f}",
                      browser.text("#meters"))
        self.assertIn("warning above 7.0 MiB", browser.text("#meters"))
        self.assertIn("critical above 21.0 MiB", browser.text("#meters"))
        self.assertEqual(browser.text("#health"), "healthy")
        self.assertEqual(self.counter(exporter, "influxdb_wal_health", status="healthy"), 1)
        # A person sees whether a restart would be quick, what the WAL does, and what the exporter does.
        self.assertEqual(browser.text("#restart .big"), "would be quick")
        seconds = self.counter(exporter, "influxdb_wal_replay_estimate_seconds")
        self.assertIn(f"about {seconds * 1000:.0f}ms", browser.text("#restart"))
        self.assertEqual(browser.text("#exporter .big"), "has nothing to do")
        self.assertIn(exporter.target()["decision"]["explanation"], browser.text("#decision"))
        self.until(lambda: browser.all("#chart canvas"), "a chart")
        self.assertIn("now ", browser.attribute("#chart", "aria-label"))
        self.assertEqual(browser.attribute("#link", "data-link"), "live")
        self.clean(exporter)

    def test_it_turns_without_being_loaded_again(self):
        exporter = self.start(grow=1 * MIB, thresholds={"max_size": "4MiB"}, checkpoint={"method": "none"})
        self.open(exporter)
        self.assertEqual(self.browser.text("#health"), "healthy")
        self.browser.run("window.stillHere = true")
        self.server.grow("plant", 5 * MIB)
        self.wait_text("#health", "warning")
        self.wait_text("#events", "health: healthy -> warning")
        self.wait_text("#announce", "plant is now warning")
        self.wait_text("#decision", "method_disabled")
        self.assertEqual(self.browser.text("#exporter .big"), "is held back")
        self.server.grow("plant", 9 * MIB)
        self.wait_text("#health", "critical")
        self.until(lambda: self.browser.value("#meters data[data-what=bytes]") == self.server.wal_bytes(), "the new size")
        self.assertTrue(self.browser.run("return window.stillHere"))
        self.clean(exporter)

    def test_the_button_makes_a_checkpoint_and_shows_its_outcome(self):
        exporter = self.start()
        self.open(exporter)
        browser = self.browser
        browser.one("#checkpoint").click()
        self.until(lambda: browser.all("#start"), "a plan")
        self.assertIn("backup", browser.text("#dialog-body"))
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total"), 0, "the plan alone did something")
        self.assertEqual(browser.focused(), "start")
        browser.one("#start").click()
        self.until(lambda: browser.attribute("#dialog .result", "data-outcome"), "an outcome")
        self.assertEqual(browser.attribute("#dialog .result", "data-outcome"), "succeeded", browser.text("#dialog"))
        self.assertIn("Freed", browser.text("#dialog-body"))
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason="manual", outcome="succeeded"), 1)
        self.assertEqual(self.server.wal_bytes(), 0)
        browser.one("#dialog-buttons button").click()
        self.assertEqual(browser.focused(), "checkpoint")
        self.wait_text("#runs", "succeeded")
        self.assertIn("manual", browser.text("#runs"))
        self.wait_text("#restart .say", "nothing")
        self.wait_text("#events", "checkpoint succeeded")
        # Nothing is pending now, and that is said too.
        browser.one("#checkpoint").click()
        self.until(lambda: browser.all("#start"), "a plan")
        browser.one("#start").click()
        self.until(lambda: browser.attribute("#dialog .result", "data-outcome") == "no_op",
                   lambda: f"nothing to do; it says {browser.text('#dialog')}")
        self.clean(exporter)

    def test_a_refused_checkpoint_shows_the_blocker(self):
        exporter = self.start(checkpoint={"method": "none"})
        self.open(exporter)
        browser = self.browser
        browser.one("#checkpoint").click()
        self.until(lambda: browser.all("#start"), "a plan")
        self.assertEqual(browser.attribute("#dialog [data-blocker]", "data-blocker"), "method_disabled")
        browser.one("#start").click()
        self.until(lambda: browser.attribute("#dialog .result", "data-outcome") == "blocked", "the refusal")
        self.assertEqual(browser.attribute("#dialog .result [data-blocker]", "data-blocker"), "method_disabled")
        self.assertIn("checkpoint.method is none", browser.text("#dialog"))
        browser.one("body").send_keys(Keys.ESCAPE)
        self.until(lambda: not browser.run("return document.getElementById('dialog').open"), "the dialog closes")
        self.browser.take_logs()
        # The 409 itself is told by the browser; nothing else is.
        others = [line for line in self.browser.console if "409" not in line]
        self.assertEqual(others, [])
        self.assertGreater(self.server.wal_bytes(), 0)

    def test_a_checkpoint_that_takes_long_is_followed_to_its_end(self):
        asked, released = threading.Event(), threading.Event()

        def answer(connection):
            head = connection.recv(65536)
            if head.startswith(b"POST /slow"):
                asked.set()
                released.wait(90)
            connection.sendall(b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\nConnection: close\r\n\r\n")
        slow = FakeServer(answer)
        self.addCleanup(slow.close)
        self.addCleanup(released.set)
        exporter = self.start(influxdb={"url": f"http://{slow.address}", "version": "1"},
                              checkpoint={"method": "http", "http": {"path": "/slow"}, "timeout": "25s"})
        self.open(exporter)
        self.browser.one("#checkpoint").click()
        self.until(lambda: self.browser.all("#start"), "a plan")
        self.browser.one("#start").click()
        self.until(asked.is_set, "the request that the settings describe")
        self.wait_text("#exporter .big", "makes a checkpoint")
        self.wait_text("#runs", "running")

        def followed():
            self.browser.take_logs()
            return any("/api/v1/targets/plant/checkpoints/" in url for url in self.browser.requested)
        self.until(followed, "that its Location is followed", 60)
        released.set()
        self.until(lambda: self.browser.attribute("#dialog .result", "data-outcome") == "unverified",
                   lambda: f"what the WAL shows; it says {self.browser.text('#dialog')}", 90)
        self.wait_text("#runs", "unverified")
        self.clean(exporter)

    def test_without_a_place_for_its_stream_it_asks_every_few_seconds(self):
        exporter = self.start(grow=1 * MIB, thresholds={"max_size": "4MiB"}, checkpoint={"method": "none"})
        streams = []
        self.addCleanup(lambda: [stream.close() for stream in streams])
        while len(streams) < 100:
            stream = socket.create_connection(("127.0.0.1", exporter.port), timeout=30)
            streams.append(stream)
            stream.sendall(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if stream.recv(12).endswith(b"503"):
                break
        self.assertLess(len(streams), 100)
        self.open(exporter)
        self.until(lambda: self.browser.attribute("#link", "data-link") == "polling", "it polls")
        self.server.grow("plant", 5 * MIB)
        self.wait_text("#health", "warning")
        self.wait_text("#events", "health: healthy -> warning")
        while streams:
            streams.pop().close()
        self.until(lambda: self.browser.attribute("#link", "data-link") == "live", "there is a place again", 120)

    def test_a_checkpoint_that_is_not_allowed_says_why_and_what_helps(self):
        exporter = self.start()
        # As through a proxy that changes what the browser says of itself.
        self.browser.command("Network.enable")
        self.browser.command("Network.setExtraHTTPHeaders", headers={"X-Forwarded-For": "192.0.2.1"})
        self.open(exporter)
        self.browser.one("#checkpoint").click()
        self.until(lambda: self.browser.all("#start"), "a plan")
        self.browser.one("#start").click()
        self.wait_text("#dialog", "Not allowed")
        self.assertIn("through a proxy", self.browser.text("#dialog"))
        self.assertIn("--web.config.file", self.browser.text("#dialog"))
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total"), 0)

    def test_without_scripts_it_shows_what_is_known(self):
        exporter = self.start(thresholds={"max_size": "1MiB"}, checkpoint={"method": "none"})
        self.until(lambda: exporter.target()["health"] == "critical", "critical")
        self.browser.scripts(False)
        self.browser.open(exporter.url + "/")
        table = self.browser.one("#static table").text
        files, size = (exporter.target()["pending"][key] for key in ("files", "bytes"))
        self.assertIn("critical", table)
        self.assertIn(f"{files} file{'s' * (files != 1)} (limit 30), {size / MIB:.1f} MiB (limit 1.0 MiB)", table)
        self.assertIn("method_disabled", table)
        self.assertIn("none yet", table)
        self.assertFalse(self.browser.one("#app").is_displayed())

    def test_it_goes_on_when_the_exporter_comes_back(self):
        exporter = self.start(listen=f"127.0.0.1:{free_port()}")
        self.open(exporter)
        self.browser.run("window.stillHere = true")
        points = len(exporter.get("/api/v1/targets/plant/samples").json["samples"])
        self.assertEqual(exporter.stop(), 0)
        self.wait_text("#notices", "The exporter does not answer")
        self.assertEqual(self.browser.attribute("#link", "data-link"), "lost")
        self.assertEqual(self.browser.text("#health"), "healthy", "what was known stays")
        self.server.grow("plant", 1 * MIB)
        exporter.start().wait_good_sample()
        self.until(lambda: not self.browser.text("#notices"), "the notice goes")
        self.until(lambda: self.browser.value("#meters data[data-what=bytes]") == self.server.wal_bytes(), "the new size")
        self.until(lambda: self.browser.attribute("#link", "data-link") == "live", "the stream is back", 90)
        self.assertGreaterEqual(len(exporter.get("/api/v1/targets/plant/samples").json["samples"]), points)
        self.assertTrue(self.browser.run("return window.stillHere"))

    def test_a_reload_that_failed_shows(self):
        exporter = self.start()
        self.open(exporter)
        exporter.configure("targets: 7\n")
        self.assertEqual(exporter.post("/-/reload").status, 400)
        self.wait_text("#notices", "The last reload of the settings failed")
        self.clean(exporter)

    def test_logins(self):
        path = os.path.join(self.folder, "web.yml")
        self.write_user(path, "s3cret")
        self.server = self.influxd(databases=("plant",), grow=2 * MIB)
        exporter = self.exporter(settings(target(self.server)), arguments=[f"--web.config.file={path}"])
        self.browser.open(f"http://alice:s3cret@127.0.0.1:{exporter.port}/")
        self.wait_text("#health", "healthy")
        self.until(lambda: self.browser.attribute("#link", "data-link") == "live", "the event stream")
        self.browser.one("#checkpoint").click()
        self.until(lambda: self.browser.all("#start"), "a plan")
        self.browser.one("#start").click()
        self.until(lambda: self.browser.attribute("#dialog .result", "data-outcome") == "succeeded",
                   lambda: f"success; it says {self.browser.text('#dialog')}")
        self.browser.take_logs()
        self.assertEqual([line for line in self.browser.console if "401" not in line], [])

    def copy_of(self, wal, name):
        """A WAL of its own with the same files: two targets on one are warned of."""
        return shutil.copytree(wal, os.path.join(self.folder, "copies", name), copy_function=os.link)

    def several(self, count):
        """Settings of `count` targets: hostile names, one critical, one that never answered, the rest alike."""
        self.server = self.influxd(databases=("plant",), grow=2 * MIB)
        watched = {"checkpoint": {"method": "none"}, "sampling": {"interval": "5s"}}
        targets = [target(self.server, f"line {number:03}", **watched) for number in range(count - 4)]
        for name, sections in ((SCRIPT, {"thresholds": {"max_size": "1MiB"}}), (ARABIC, {}), (LONG, {})):
            targets.append(target(self.server, name, **{**watched, **sections}))
        for index, one in enumerate(targets):
            one["wal"] = {"directory": self.copy_of(self.server.wal, str(index))}
        never = target(self.server, "never answered", **watched)
        never["wal"] = {"directory": os.path.join(self.folder, "nowhere")}
        never["influxdb"]["url"] = "http://127.0.0.1:9"
        return settings(*targets, never)

    def test_two_hundred_targets_with_names_that_are_out_to_harm(self):
        exporter = self.exporter(self.several(200), start=False)
        exporter.start().wait_good_sample(60)
        browser = self.browser
        browser.look(390)
        self.open(exporter)
        self.until(lambda: len(browser.all("#targets a")) == 200, "200 targets")
        names = browser.run("return [...document.querySelectorAll('#targets bdi')].map((e) => e.textContent)")
        self.until(lambda: browser.run("return document.querySelector('#targets bdi').textContent") == SCRIPT,
                   "the worst one first")
        self.assertEqual(set(names) & {ARABIC, LONG, SCRIPT, "never answered"}, {ARABIC, LONG, SCRIPT, "never answered"})
        self.assertIn("1 critical, 1 unknown of 200 targets", browser.text("#summary"))
        for name, health in ((SCRIPT, "critical"), (ARABIC, "healthy"), (LONG, "healthy"), ("never answered", "unknown")):
            browser.run("document.querySelector(`#targets a[title=${CSS.escape(arguments[0])}]`).click()", name)
            self.until(lambda: browser.run("return document.querySelector('#name bdi').textContent") == name, name)
            self.wait_text("#health", health)
            for width in WIDTHS:
                browser.look(width)
                self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), width, name)
            browser.look(390)
        self.assertEqual(browser.text("#restart .big"), "is not known")
        self.assertIn("nowhere", browser.text("#troubles"))
        browser.one("#filter").send_keys("line 01")
        self.until(lambda: len(browser.all("#targets a")) == 10, "ten that fit")
        browser.one("#filter").clear()
        browser.one("#filter").send_keys("critical")
        self.until(lambda: len(browser.all("#targets a")) == 1, "the critical one")
        browser.one("#filter").clear()
        browser.one("#filter").send_keys("no such")
        self.wait_text("#none-found", "No target matches")
        self.clean(exporter)
        browser.scripts(False)
        browser.open(exporter.url + "/")
        self.assertEqual(len(browser.all("#static tbody tr")), 200)
        self.assertEqual(len(browser.all("#static script")), 0)

    def test_with_the_keyboard_alone(self):
        exporter = self.exporter(self.several(6), start=False)
        exporter.start().wait_good_sample()
        browser = self.browser
        self.open(exporter)
        press = browser.driver.switch_to.active_element.send_keys
        press(Keys.TAB)
        self.assertEqual(browser.focused(), "Skip to the content")
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        self.assertEqual(browser.focused(), "filter")
        browser.driver.switch_to.active_element.send_keys("line 001")
        self.until(lambda: len(browser.all("#targets a")) == 1, "one that fits")
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        self.until(lambda: "line 001" in browser.focused(), "the target has the focus")
        outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
        self.assertEqual(outline, "solid", "what has the focus can be seen")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.wait_text("#name", "line 001")
        self.assertEqual(browser.focused(), "name")
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        self.assertEqual(browser.focused(), "checkpoint")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.until(lambda: browser.focused() == "start", "the plan has the focus")
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.until(lambda: browser.focused() == "checkpoint", "the focus goes back")
        self.clean(exporter)

    def test_choosing_a_mode_leaves_the_focus_on_it(self):
        node = self.node()
        node.write(3)
        exporter = self.exporter(settings(self.node_target(node)))
        self.until(lambda: (exporter.target()["server"] or {}).get("up"), "the server is known")
        self.open(exporter)
        browser = self.browser
        press = lambda key: browser.driver.switch_to.active_element.send_keys(key)  # noqa: E731
        mode = "const e = document.activeElement; return e.name === 'mode' && e.checked && e.value"
        browser.one("#checkpoint").click()
        self.until(lambda: browser.focused() == "start", "the plan has the focus")
        self.assertIn("Mode patient", browser.text("#dialog-body"))
        browser.run("document.querySelector('#dialog input:checked').focus()")
        for key, value, text in ((Keys.ARROW_DOWN, "at_once", "at once"), (Keys.ARROW_UP, "patient", "patient")):
            press(key)
            self.wait_text("#dialog-body", f"Mode {text}")
            self.assertEqual(browser.run(mode), value, f"the focus is on {browser.focused()}")
            press(Keys.SPACE)
        self.assertEqual(browser.text("#start"), "Start the checkpoint")
        self.assertIsNone(exporter.target()["checkpoint"]["running"])
        self.assertEqual(node.points(), 0, "a point was written")
        press(Keys.TAB)
        press(Keys.TAB)
        self.assertEqual(browser.focused(), "start")
        self.clean(exporter)

    def test_events_are_those_of_the_chosen_target(self):
        self.server = self.influxd(databases=("plant",), grow=1 * MIB)
        other = self.influxd("other", databases=("office",), grow=1 * MIB)
        exporter = self.exporter(settings(target(self.server, "quiet"), target(other, "busy")))
        for name in ("quiet", "busy"):
            self.assertEqual(exporter.post(f"/api/v1/targets/{name}/checkpoint").json["success"], True)

        def do_nothing(times):
            for _ in range(times):
                self.assertEqual(exporter.post("/api/v1/targets/busy/checkpoint").json["state"], "no_op")
        do_nothing(120)
        self.assertEqual({event["target"] for event in exporter.get("/api/v1/events?limit=100").json["events"]}, {"busy"})
        count = lambda: len(exporter.get("/api/v1/events?target=quiet").json["events"])  # noqa: E731
        before = count()
        browser = self.browser
        # Of the one that nobody looks at first, so that it has to be chosen.
        self.open(exporter, "#target=busy")
        self.wait_text("#events", "checkpoint skipped")
        browser.one("#targets a[title=quiet]").click()
        self.wait_text("#events", "checkpoint succeeded")
        self.assertEqual(len(browser.all("#events li")), before)
        self.until(lambda: browser.attribute("#link", "data-link") == "live", "live")
        do_nothing(310)
        browser.one("#events-all").click()
        self.wait_text("#events", "busy")
        self.assertEqual(len(browser.all("#events li")), 60)
        browser.one("#events-all").click()
        self.wait_text("#events", "checkpoint succeeded")
        self.assertEqual(len(browser.all("#events li")), before)
        # What happens now is told of the chosen one too.
        exporter.post("/api/v1/targets/quiet/checkpoint")
        self.wait_text("#events", "checkpoint skipped")
        self.assertEqual((count(), len(browser.all("#events li"))), (before + 1, before + 1))
        self.clean(exporter)

    def test_checkpoints_stay_in_their_list_whatever_else_is_recorded(self):
        exporter = self.start(grow=1 * MIB)
        for _ in range(3):
            self.server.grow("plant", 1 * MIB)
            self.assertEqual(exporter.post("/api/v1/targets/plant/checkpoint").json["outcome"], "succeeded")
        for _ in range(110):
            exporter.post("/api/v1/targets/plant/pause")
            exporter.post("/api/v1/targets/plant/resume")
        self.assertNotIn("wal.checkpoint", {entry["kind"] for entry in exporter.history("plant", 200)})
        self.open(exporter)
        self.wait_text("#runs", "succeeded")
        rows = self.browser.texts("#runs tbody tr")
        self.assertEqual(len(rows), 3)
        for row in rows:
            self.assertRegex(row, r"manual succeeded \d+ files?, [\d.]+ [KM]iB [\d.]+m?s$")
        # One that does nothing is in the list too, at once.
        exporter.post("/api/v1/targets/plant/checkpoint")
        self.wait_text("#runs", "no_op")
        self.clean(exporter)

    def test_a_new_state_directory_is_shown_as_it_is(self):
        exporter = self.start(listen=f"127.0.0.1:{free_port()}")
        post = lambda: exporter.post("/api/v1/targets/plant/checkpoint").json  # noqa: E731
        self.assertEqual(post()["outcome"], "succeeded")
        for _ in range(5):
            self.assertEqual(post()["state"], "no_op")
        self.open(exporter)
        ids = lambda: [event["id"] for event in exporter.get("/api/v1/events").json["events"]]  # noqa: E731
        before = ids()
        self.until(lambda: len(self.browser.all("#events li")) == len(before), "the events of before")
        self.until(lambda: self.browser.attribute("#link", "data-link") == "live", "live")
        exporter.kill()
        shutil.rmtree(exporter.state)
        self.server.grow("plant", 1 * MIB)
        exporter.start().wait_good_sample()
        self.assertEqual(post()["outcome"], "succeeded")
        events = exporter.get("/api/v1/events").json["events"]
        self.assertLess(events[0]["id"], before[0])
        times = "return [...document.querySelectorAll('#events time')].map((e) => e.dateTime)"
        self.until(lambda: self.browser.run(times) == [event["time"] for event in events],
                   lambda: f"the new events alone; it shows {self.browser.text('#events')}")
        self.until(lambda: len(self.browser.all("#runs tbody tr")) == 1, "the new checkpoint alone")
        self.until(lambda: self.browser.attribute("#link", "data-link") == "live", "live again")
        self.assertEqual(post()["state"], "no_op")
        self.wait_text("#events", "checkpoint skipped")
        self.assertEqual(len(self.browser.all("#events li")), len(events) + 1)

    def write_user(self, path, password):
        hashed = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 5))
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'basic_auth_users:\n  alice: "{hashed}"\n')

    def test_a_login_that_is_no_longer_taken_is_told_as_that(self):
        path = os.path.join(self.folder, "web.yml")
        self.write_user(path, "before")
        self.server = self.influxd(databases=("plant",), grow=1 * MIB)
        exporter = self.exporter(settings(target(self.server)), arguments=[f"--web.config.file={path}"])
        browser = self.browser
        browser.open(f"http://alice:before@127.0.0.1:{exporter.port}/")
        self.wait_text("#health", "healthy")
        self.write_user(path, "after")
        exporter.signal(signal.SIGHUP)
        self.wait_text("#notices", "login")
        self.assertIn("Load", browser.text("#notices button"))
        self.assertNotIn("does not answer", browser.text("#notices"))
        self.assertEqual(browser.text("#link"), "login refused")
        self.assertEqual(browser.text("#health"), "healthy", "what was known stays")
        self.assertIn("login", browser.text("#announce"))
        # What will hardly be taken is not asked again and again.
        self.browser.take_logs()
        asked = len(browser.requested)
        browser.run("window.later = false; setTimeout(() => { window.later = true; }, 7000)")
        self.until(lambda: browser.run("return window.later"), "two rounds pass")
        self.browser.take_logs()
        self.assertEqual(browser.requested[asked:], [])
        browser.open(f"http://alice:after@127.0.0.1:{exporter.port}/")
        self.wait_text("#health", "healthy")
        self.assertEqual(browser.text("#notices"), "")
        # As from a proxy that lets one no longer through, for a while.
        browser.run("window.known = window.fetch; window.fetch = async () => "
                    "new Response('{\"error\": \"alice may not\"}', {status: 403})")
        self.wait_text("#notices", "alice may not")
        self.assertNotIn("does not answer", browser.text("#notices"))
        browser.run("window.fetch = window.known")
        self.until(lambda: not browser.text("#notices"), "it goes on")

    def test_a_target_that_goes_is_named_and_nothing_is_done_to_another(self):
        self.server = self.influxd(databases=("plant",), grow=2 * MIB)
        office, plant, site = (target(self.server, name, wal={"directory": self.copy_of(self.server.wal, name)})
                               for name in ("office", "plant", "site"))
        exporter = self.exporter(settings(office, plant))
        browser = self.browser

        def reload(*targets):
            exporter.configure(settings(*targets))
            self.assertEqual(exporter.post("/-/reload").status, 200)

        def shown():
            return (browser.text("#name"), browser.run("return location.hash"), browser.one("#checkpoint").is_enabled())
        self.open(exporter, "#target=plant")
        self.assertEqual(shown(), ("plant", "#target=plant", True))
        reload(office)
        self.wait_text("#notices", "plant")
        self.assertIn("plant", browser.text("#announce"))
        self.assertEqual(shown(), ("office", "#target=office", False))
        # It comes back: it is still what was chosen.
        reload(office, plant)
        self.until(lambda: not browser.text("#notices"), "the notice goes")
        self.assertEqual(shown(), ("plant", "#target=plant", True))
        # It goes while its dialog is open: that asks for no other.
        browser.one("#checkpoint").click()
        self.until(lambda: browser.all("#start"), "a plan")
        reload(office)
        self.wait_text("#notices", "plant")
        browser.one("#start").click()
        self.wait_text("#dialog .result", "plant")
        browser.one("#dialog-buttons button").click()
        self.assertEqual(exporter.get("/api/v1/events?type=wal.checkpoint").json["events"], [])
        browser.one("#notices button").click()
        self.until(lambda: not browser.text("#notices"), "the notice goes")
        self.assertEqual(shown(), ("office", "#target=office", True))
        # Another takes its place, and is chosen in the list.
        reload(plant, site)
        self.wait_text("#notices", "office")
        name = browser.text("#name")
        browser.one(f"#targets a[title={name}]").click()
        self.until(lambda: not browser.text("#notices"), "the notice goes")
        self.assertEqual(shown(), (name, f"#target={name}", True))
        # An address of one that is not there.
        browser.open("about:blank")
        self.open(exporter, "#target=laboratory")
        self.wait_text("#notices", "laboratory")
        self.assertFalse(browser.one("#checkpoint").is_enabled())

    def test_the_wal_card_says_the_name_of_a_file_once(self):
        node = self.node()
        node.write(1, when=(int(time.time()) + 3 * 86400) * SECOND)
        exporter = self.exporter(settings(self.node_target(node)))
        self.open(exporter)
        self.wait_text("#wal .big", "future_data")
        self.assertEqual(self.browser.text("#wal .say").count("00000000001.wal"), 1, self.browser.text("#wal .say"))

    def test_without_scripts_a_cell_on_a_phone_is_one_piece(self):
        exporter = self.start(grow=1 * MIB, influxdb={"url": "http://127.0.0.1:9"})
        self.assertEqual(exporter.post("/api/v1/targets/plant/checkpoint").json["outcome"], "succeeded")
        self.until(lambda: exporter.target()["server"] and not exporter.target()["server"]["up"], "InfluxDB is down")
        browser = self.browser
        browser.scripts(False)
        browser.look(390)
        browser.open(exporter.url + "/")
        self.assertIn("UTC, succeeded", browser.one("#static [data-name='Last checkpoint']").text)
        self.assertIn("InfluxDB does not answer: ", browser.one("#static [data-name=Decision]").text)
        browser.scripts(True)
        pieces = browser.run("return [...document.querySelectorAll('#static td')].map((e) => e.childNodes.length)")
        self.assertEqual(set(pieces), {1}, "each piece would be a column of its own")
        for width in WIDTHS:
            browser.look(width)
            self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), width)

    def axe(self, what):
        """What axe-core finds in the page as it is."""
        with open(AXE, encoding="utf-8") as file:
            # Run as the driver's own script: the page's policy lets no foreign one in.
            self.browser.run(file.read())
        result = self.browser.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(done, (error) => done({violations: [String(error)]}))")
        found = [violation if isinstance(violation, str) else
                 {"rule": violation["id"], "help": violation["help"],
                  "nodes": [f"{node['html'][:200]} {node.get('failureSummary', '')}" for node in violation["nodes"]][:5]}
                 for violation in result["violations"]]
        self.assertEqual(found, [], f"{what}: {json.dumps(found, indent=1, ensure_ascii=False)}")

    def test_axe_finds_nothing(self):
        self.assertTrue(os.path.exists(AXE), f"{AXE} is missing; tests/run fetches it")
        exporter = self.exporter(self.several(6), start=False)
        exporter.start().wait_good_sample()
        browser = self.browser
        self.open(exporter)
        self.until(lambda: browser.all("#chart canvas"), "a chart")
        exporter.configure("targets: 7\n")
        exporter.post("/-/reload")
        self.wait_text("#notices", "The last reload of the settings failed")
        for dark in (False, True):
            for width in WIDTHS:
                browser.look(width, dark)
                self.axe(f"{'dark' if dark else 'light'}, {width} px")
                browser.run("document.getElementById('numbers').open = true;"
                            "document.querySelector('#targets a[title=\"never answered\"]').click()")
                self.wait_text("#health", "unknown")
                self.axe(f"{'dark' if dark else 'light'}, {width} px, never answered")
                browser.run("document.getElementById('numbers').open = false;"
                            "document.querySelector('#targets a[title^=\"<script>\"]').click()")
                self.wait_text("#health", "critical")
            browser.one("#checkpoint").click()
            self.until(lambda: browser.all("#start"), "a plan")
            self.axe("the dialog")
            browser.one("body").send_keys(Keys.ESCAPE)
        browser.scripts(False)
        browser.open(exporter.url + "/")
        browser.scripts(True)
        for dark in (False, True):
            for width in WIDTHS:
                browser.look(width, dark)
                self.axe(f"without scripts, {'dark' if dark else 'light'}, {width} px")


if __name__ == "__main__":
    main()
