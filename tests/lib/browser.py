"""Debian's Chromium, driven through its driver: for the tests of the status page and
its screenshots. Fresh settings at each start, and no request of its own."""

import json
import os
import shutil
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB")


class Browser:
    def __init__(self, patience=60, flags=()):
        self.profile = tempfile.mkdtemp(prefix="wal_exporter-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        for flag in (*FLAGS, *flags, f"--user-data-dir={self.profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(shutil.which("chromedriver") or "/usr/bin/chromedriver",
                          env=dict(os.environ, HOME=self.profile, TZ="UTC"))
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
        except BaseException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(patience)
        self.driver.set_script_timeout(patience)
        self.requested = []
        self.console = []

    def close(self):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def look(self, width=1440, dark=False, height=900):
        """As on a screen of that width, in one of the two themes."""
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 500)

    def scripts(self, on):
        self.command("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """What is there to read, in one line; empty where there is nothing."""
        return self.run("const e = document.querySelector(arguments[0]); return e && !e.closest('[hidden]') ? "
                        "e.innerText.replace(/\\s+/g, ' ').trim() : ''", selector)

    def texts(self, selector):
        """What each of them says, all at one moment: the page may draw them anew at any."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => "
                        "e.innerText.replace(/\\s+/g, ' ').trim())", selector)

    def value(self, selector):
        """Of a <data> element, as a number; None where there is none."""
        return self.run("const e = document.querySelector(arguments[0]); return e && Number(e.value)", selector)

    def attribute(self, selector, name):
        return self.run("const e = document.querySelector(arguments[0]); return e && e.getAttribute(arguments[1])",
                        selector, name)

    def focused(self):
        return self.run("return document.activeElement.id || document.activeElement.innerText")

    def take_logs(self):
        """Collects what the console said and what was asked of whom since the last call."""
        for entry in self.driver.get_log("browser"):
            self.console.append(f"{entry['level']} {entry['message']}")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                url = parameters["url"] if "url" in parameters else parameters["request"]["url"]
                # Its own first page lies inside the program.
                if not url.startswith(("chrome://", "chrome-untrusted://")):
                    self.requested.append(url)

    def screenshot(self, path, height=None):
        """The page from its top, as a PNG; all of it unless a height is given."""
        height = height or self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 500)
        self.driver.save_screenshot(path)


def available():
    """Why there is no browser here; None where there is one."""
    for name in ("chromium", "chromedriver"):
        if not shutil.which(name):
            return f"{name} is not installed; tests/run does that"
    return None


if available():
    sys.exit(available())
