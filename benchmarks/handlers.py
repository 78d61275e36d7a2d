"""Many callbacks that wait at once: Nod's handler on one loop, and the platform's own with its threads.

Each request's callback waits and approves. The platform is the sandbox, over HTTP, in this process; each
handler runs in a process of its own. The platform's own needs `make sdk`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.bots import ROOT, Usage
from benchmarks.sizes import Figures, Sizes
from nod import HITLClient, HITLDecision, HITLHandler, HITLRequest, HITLResponse
from sandbox.platform import open_platform, platform_app
from sandbox.serve import serve

KEY = "benchmark-key"
WINDOW = 600.0  #: seconds that a request waits
SDK = Path(os.environ.get("NOD_SDK_PYTHON", ".sdk/bin/python"))


async def wait(_: HITLRequest) -> HITLResponse:
    """The callback."""
    await asyncio.sleep(float(os.environ["CALLBACK"]))
    return HITLResponse(decision=HITLDecision.APPROVED)


async def handle() -> None:
    """Handle all that waits, once; prints the peak memory in MB and the seconds it took."""
    began = time.monotonic()
    async with HITLClient() as client, HITLHandler(wait, client=client, auto_approve=False) as handler:
        for request in await client.list_pending():
            handler.handle(request)
        await handler.wait_for_pending_decisions(WINDOW)
    print(json.dumps({"mb": Usage.of(os.getpid()).peak, "seconds": time.monotonic() - began}))


#: The same with the platform's own client, in its own environment.
_THEIRS = """
import json, logging, os, time
from glaip_sdk import Client
from glaip_sdk.hitl import HITLDecision, HITLResponse, RemoteHITLHandler
logging.disable(logging.CRITICAL)
began = time.monotonic()
client = Client(api_url=os.environ["AIP_API_URL"], api_key=os.environ["AIP_API_KEY"])
def wait(_):
    time.sleep(float(os.environ["CALLBACK"]))
    return HITLResponse(decision=HITLDecision.APPROVED)
handler = RemoteHITLHandler(callback=wait, client=client.agents)
for item in client.hitl.list_pending():
    hitl = {**item["hitl_metadata"], "request_id": item["request_id"]}
    handler.handle_hitl_event({"metadata": {"hitl": hitl, "tool_info": {"name": item["tool"], "args": {}}}})
for thread in list(handler._active_threads):
    thread.join()
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(json.dumps({"mb": peak, "seconds": time.monotonic() - began}))
"""


async def measure(sizes: Sizes) -> Figures:
    """Both handlers in turn with so many callbacks; the platform's with the smaller counts only."""
    found: Figures = {}
    for count in sizes.callbacks:
        ours = await _handled([sys.executable, "-m", "benchmarks.handlers"], count, sizes, path=str(ROOT))
        found |= {f"nod.{count}.{key}": value for key, value in ours.items()}
    if SDK.exists():
        few = min(sizes.callbacks)
        theirs = await _handled([str(SDK), "-c", _THEIRS], few, sizes, path="")
        found |= {f"sdk.{key}": value for key, value in theirs.items()}
    return found


async def _handled(command: list[str], count: int, sizes: Sizes, *, path: str) -> Figures:
    async with open_platform(api_key=KEY) as platform, serve(platform_app(platform)) as url:
        for number in range(count):
            platform.ask(tool="pay", arguments={"number": number}, timeout_seconds=WINDOW)
        given = {"AIP_API_URL": url, "AIP_API_KEY": KEY, "CALLBACK": str(sizes.callback), "PYTHONPATH": path}
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **given},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        approved = sum((post.decision, post.status) == ("approved", 200) for post in platform.decisions)
        said = json.loads(out.splitlines()[-1]) if process.returncode == 0 else {}
        return {"missing": count - approved, **said}


if __name__ == "__main__":
    asyncio.run(handle())
