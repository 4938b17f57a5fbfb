"""Drive the browser call in Chromium and take pictures of it: a check by hand, not by the suite.

Needs ``chromium`` and the development environment; starts a server with a simulated model of its
own, lets Chromium's microphone play a question, and prints what the page shows.

    PYTHONPATH=src:tests .venv/bin/python scripts/talk_in_chromium.py [--shots build/shots]
"""

import argparse
import asyncio
import base64
import json
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect

from e2e.test_browser import open_to_browsers
from fwai.simulator.common.clips import ClipLibrary

SIZES: Final = {"desktop": (1280, 800), "phone": (390, 844)}
FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"),
)


class Tab:
    """One page, over the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self.troubles: list[str] = []

    async def do(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        await self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            said = json.loads(await self._socket.recv())
            if said.get("id") == self._last:
                return dict(said.get("result", said))
            if said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.troubles.append(json.dumps(said["params"])[:400])

    async def value(self, script: str) -> Any:  # noqa: ANN401 - whatever the page says
        """Return what a script comes to."""
        result = await self.do(
            "Runtime.evaluate", expression=script, returnByValue=True, userGesture=True
        )
        return result.get("result", {}).get("value")

    async def until(self, script: str, within_s: float) -> bool:
        """Wait until a script is true."""
        try:
            async with asyncio.timeout(within_s):
                while not await self.value(script):  # noqa: ASYNC110 - a page has no events here
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        return True

    async def picture(self, path: Path) -> None:
        """Save what is to be seen."""
        shot = await self.do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def chromium(port: int, wav: Path, *flags: str) -> AsyncIterator[Tab]:
    """Run a fresh Chromium with one tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            "chromium",
            *FLAGS,
            *flags,
            f"--use-file-for-fake-audio-capture={wav}%noloop",
            f"--user-data-dir={profile}",
            f"--remote-debugging-port={port}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with connect(await _tab_url(port), max_size=None) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await tab.do(f"{domain}.enable")
                yield tab
        finally:
            process.terminate()
            await process.wait()


async def _tab_url(port: int) -> str:
    async with httpx.AsyncClient() as http, asyncio.timeout(20):
        while True:
            try:
                tabs = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
            except httpx.TransportError:
                tabs = []
            for tab in tabs:
                if tab["type"] == "page":
                    return str(tab["webSocketDebuggerUrl"])
            await asyncio.sleep(0.1)


def question(path: Path) -> Path:
    """Write what the microphone hears: a while of silence, a question, and silence."""
    pcm = ClipLibrary.load()["ask_ai"].pcm(16_000)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(bytes(32_000 * 8) + pcm + bytes(32_000 * 60))
    return path


AGENTS: Final = {
    "FWAI_Core": {
        "name": "Asha",
        "description": "Answers the phone of FWAI Academy in English and Hindi: courses, prices, "
        "details by message, demos, callbacks.",
        "prompt": "You are an AI assistant.",
    },
    "Reminder": {"name": "Ravi", "description": "Reminds of a class.", "prompt": "You are an AI."},
    "Desk": {"name": "Meera", "description": "", "prompt": "You are an AI."},
}
KEYS: Final = {"Tab": 9, "ArrowDown": 40, "Enter": 13}


async def press(tab: Tab, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        text = {"text": "\r"} if key == "Enter" else {}
        how = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        await tab.do("Input.dispatchKeyEvent", type="keyDown", **how, **text)
        await tab.do("Input.dispatchKeyEvent", type="keyUp", **how)


async def by_keyboard(tab: Tab, shots: Path) -> None:
    """Choose the second agent, call, hang up and call again, without a pointer."""
    await press(tab, "Tab", "ArrowDown")
    await tab.picture(shots / "desktop-chosen.png")
    await press(tab, "Enter")
    talking = await tab.until("document.getElementById('app').dataset.state === 'talking'", 20)
    focus = "document.activeElement.id"
    in_call = await tab.value(focus)
    await asyncio.sleep(1.5)
    await tab.picture(shots / "desktop-keyboard.png")
    await press(tab, "Enter")  # the focus is on Hang up
    over = await tab.until("document.getElementById('app').dataset.state === 'over'", 5)
    print(  # noqa: T201
        f"keyboard: talking={talking} focus={in_call!r} over={over} then={await tab.value(focus)!r}"
        f" with={await tab.value('chosen()')!r}"
    )


async def look(tab: Tab, url: str, size: tuple[int, int], dark: bool) -> None:
    """Open the page in a window of a size."""
    width, height = size
    await tab.do(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await tab.do("Emulation.setEmulatedMedia", features=[scheme])
    await tab.do("Page.navigate", url=f"{url}/console/talk")
    await tab.until("document.readyState === 'complete' && !!document.getElementById('call')", 10)
    await asyncio.sleep(0.4)


async def call(tab: Tab, name: str, shots: Path) -> None:
    """Make a call, look at it, and hang up."""
    await tab.picture(shots / f"{name}-ready.png")
    await tab.value("document.getElementById('call').click()")
    talking = await tab.until("document.getElementById('app').dataset.state === 'talking'", 20)
    await asyncio.sleep(1.5)
    await tab.picture(shots / f"{name}-speaking.png")
    asked = await tab.until("!!document.querySelector('.caller')", 30)
    answered = await tab.until("document.querySelectorAll('.agent').length > 1", 20)
    await asyncio.sleep(2.5)
    await tab.picture(shots / f"{name}-talking.png")
    await tab.value("document.getElementById('mute').click()")
    await tab.picture(shots / f"{name}-muted.png")
    text = await tab.value("document.getElementById('lines').innerText")
    await tab.value("document.getElementById('hangup').click()")
    await asyncio.sleep(0.5)
    await tab.picture(shots / f"{name}-over.png")
    print(f"{name}: talking={talking} asked={asked} answered={answered}\n{text}\n")  # noqa: T201
    print("  troubles:", tab.troubles)  # noqa: T201


async def main() -> None:
    """Talk in both sizes, then without a microphone."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--shots", type=Path, default=Path("build/shots"))
    shots: Path = arguments.parse_args().shots
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wav = question(Path(folder) / "question.wav")
        prompts = Path(folder) / "prompts.json"
        prompts.write_text(json.dumps(AGENTS), encoding="utf-8")
        async with open_to_browsers(
            Path(folder) / "alone", demo=True, allow_local_without_key=True
        ) as house:
            for port, (name, size) in enumerate(SIZES.items(), 9350):
                async with chromium(port, wav, "--use-fake-ui-for-media-stream") as tab:
                    await look(tab, house.url, size, dark=False)
                    await tab.picture(shots / f"{name}-demo.png")
        async with open_to_browsers(
            Path(folder) / "data", prompts_file=prompts, allow_local_without_key=True
        ) as house:
            async with chromium(9341, wav, "--use-fake-ui-for-media-stream") as tab:
                await look(tab, house.url, SIZES["desktop"], dark=False)
                await by_keyboard(tab, shots)
            await house.quiet(40)
            for port, (name, size) in enumerate(SIZES.items(), 9333):
                async with chromium(port, wav, "--use-fake-ui-for-media-stream") as tab:
                    await look(tab, house.url, size, dark=name == "phone")
                    await call(tab, name, shots)
                await house.quiet(40)
            print("model heard:", [one.heard for one in house.world.model.sessions])  # noqa: T201
            async with chromium(9340, wav, "--deny-permission-prompts") as tab:
                await look(tab, house.url, SIZES["phone"], dark=False)
                await tab.value("document.getElementById('call').click()")
                await tab.until("!document.getElementById('error').hidden", 10)
                await tab.picture(shots / "phone-denied.png")
                await tab.value("complain('key-needed')")
                await tab.picture(shots / "phone-key.png")
                await look(tab, house.url, SIZES["desktop"], dark=False)
                await tab.value("complain('busy')")
                await tab.picture(shots / "desktop-busy.png")


if __name__ == "__main__":
    asyncio.run(main())
