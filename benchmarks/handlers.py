"""Many callbacks that wait at once: Nod's handler on one loop, and the platform's own with its threads.

Run: `.venv/bin/python -m benchmarks.handlers` (about two minutes; for the second half `make sdk` before). Each
request's callback waits 2 s and approves. The platform is the sandbox, over HTTP, in this process; each handler
runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from nod import HITLClient, HITLDecision, HITLHandler, HITLRequest, HITLResponse
from sandbox.platform import Platform, open_platform, platform_app
from sandbox.serve import serve

KEY = "benchmark-key"
#: Seconds that a callback takes, and that a request waits.
CALLBACK, WINDOW = 2.0, 600.0
OURS, THEIRS = (1_000, 10_000), (200, 1_000, 3_000)
SDK = Path(os.environ.get("NOD_SDK_PYTHON", ".sdk/bin/python"))


async def wait(_: HITLRequest) -> HITLResponse:
    """The callback."""
    await asyncio.sleep(CALLBACK)
    return HITLResponse(decision=HITLDecision.APPROVED)


async def handle() -> None:
    """Handle whatever waits, once; prints the peak memory in MB and the seconds it took."""
    began = time.monotonic()
    async with HITLClient() as client, HITLHandler(wait, client=client, auto_approve=False) as handler:
        for request in await client.list_pending():
            handler.handle(request)
        await handler.wait_for_pending_decisions(WINDOW)
    report(time.monotonic() - began)


def report(seconds: float) -> None:
    """One line of JSON on standard output."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"mb": round(peak), "seconds": round(seconds, 1)}))


#: The same with the platform's own client, in its own environment.
_THEIRS = """
import json, logging, os, resource, time
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
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"mb": round(peak), "seconds": round(time.monotonic() - began, 1)}))
"""


def there() -> bool:
    """Whether the platform's client is installed."""
    return SDK.exists()


async def measure(command: list[str], count: int, extra: Mapping[str, str]) -> None:
    """Let one handler decide so many requests, and print the row."""
    async with open_platform(api_key=KEY) as platform, serve(platform_app(platform)) as url:
        for number in range(count):
            platform.ask(tool="pay", arguments={"number": number}, timeout_seconds=WINDOW)
        env = {**os.environ, "AIP_API_URL": url, "AIP_API_KEY": KEY, "CALLBACK": str(CALLBACK), **extra}
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        out, _ = await process.communicate()
        print(f"{count:6,}  {row(platform, out, process.returncode)}", flush=True)


def row(platform: Platform, out: bytes, code: int | None) -> str:
    """What became of it."""
    approved = sum(1 for post in platform.decisions if (post.decision, post.status) == ("approved", 200))
    said = json.loads(out.splitlines()[-1]) if code == 0 else None
    cost = f"{said['mb']:5} MB  {said['seconds']:6} s" if said else f"ended with {code}"
    return f"{approved:6,} approved  {len(platform.decisions):6,} posts  {cost}"


async def main() -> None:
    """Both handlers, each at its counts."""
    print("Nod's HITLHandler, one loop")
    for count in OURS:
        await measure([sys.executable, "-m", "benchmarks.handlers", "child"], count, {})
    if not there():
        print(f"The platform's client is not at {SDK}: `make sdk`.")
        return
    print("The platform's RemoteHITLHandler, a thread for each")
    for count in THEIRS:
        await measure([str(SDK), "-c", _THEIRS], count, {"PYTHONPATH": ""})


if __name__ == "__main__":
    asyncio.run(handle() if sys.argv[1:] == ["child"] else main())
