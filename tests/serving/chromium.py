"""A headless Chromium with a fake microphone, driven over its debugging protocol."""

import itertools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from base64 import b64decode
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page, while the block is open.

    `evaluate` gives the value of an expression in the page, awaited if it is a promise.
    """

    def __init__(self, folder, microphone=None):
        flags = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}/profile", "--no-sandbox"]
        flags += ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]
        if microphone is not None:
            flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
            flags += [f"--use-file-for-fake-audio-capture={microphone}"]
        self._command = [PROGRAM, *flags, "about:blank"]
        self._numbers = itertools.count(1)
        self.events = []

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        for line in self._process.stderr:
            if found := re.search(r"ws://([^/]+)/", line):
                break
        with urllib.request.urlopen(f"http://{found[1]}/json") as answer:
            page = next(one for one in json.load(answer) if one["type"] == "page")
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(page["webSocketDebuggerUrl"], max_size=1 << 26))
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self._stack.close()
        self._process.terminate()
        self._process.wait(20)
        self._process.stderr.close()

    def call(self, method, **parameters):
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv(timeout=60))).get("id") != number:
            self.events.append(message)
        assert "error" not in message, message
        return message["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"{expression} never came"
            time.sleep(0.05)

    def press(self, key, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def choose(self, selector, *paths):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def resize(self, width, height, *, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def photograph(self, name):
        """Writes a picture of the page to $SER_TL_SCREENSHOTS, if that is set."""
        if folder := os.environ.get("SER_TL_SCREENSHOTS"):
            picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            (Path(folder) / name).write_bytes(b64decode(picture))

    def requests(self):
        """Addresses that the page asked for."""
        return [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the browser's console says is wrong, and exceptions that nobody caught."""
        found = [one["params"]["entry"] for one in self.events if one["method"] == "Log.entryAdded"]
        thrown = [one["params"] for one in self.events if one["method"] == "Runtime.exceptionThrown"]
        return [one["text"] for one in found if one["level"] == "error"] + thrown
