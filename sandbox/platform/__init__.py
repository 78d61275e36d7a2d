"""A faithful GL AIP platform in memory, for trying Nod and for its tests.

async with open_platform(api_key="sandbox") as platform, serve(platform_app(platform)) as url:
    run_id = platform.start("mail_agent", timeout_seconds=30)
    request_id = platform.ask(tool="pay_invoice", arguments={"amount": 12})
"""

from sandbox.platform.agents import Agent, RiskyTool, SafeTool, Say
from sandbox.platform.approvals import Resolution
from sandbox.platform.journal import Line
from sandbox.platform.platform import DecisionPost, Platform, open_platform
from sandbox.platform.quirks import Quirks
from sandbox.platform.routes import platform_app
from sandbox.platform.sample_agents import CAST

__all__ = [
    "CAST",
    "Agent",
    "DecisionPost",
    "Line",
    "Platform",
    "Quirks",
    "Resolution",
    "RiskyTool",
    "SafeTool",
    "Say",
    "open_platform",
    "platform_app",
]
