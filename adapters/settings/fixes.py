"""What to do about a variable of the environment that is missing or wrong: one line for each."""

from __future__ import annotations

from collections.abc import Mapping

FIXES: Mapping[str, str] = {
    "AIP_API_URL": (
        "Set it to the platform's address, for example http://localhost:8000, "
        "or try Nod without any account: nod demo"
    ),
    "AIP_API_KEY": "Set it to the platform's API key.",
    "SLACK_BOT_TOKEN": "Copy the Bot User OAuth Token from your app's OAuth & Permissions page.",
    "SLACK_SIGNING_SECRET": "Copy the Signing Secret from your app's Basic Information page.",
    "SLACK_APP_TOKEN": "Create an app-level token with connections:write, or unset it to use HTTP.",
    "SLACK_API_URL": "Unset it for the real Slack, or name a local one with its scheme.",
    "NOD_SECRET": "Set it to the output of `openssl rand -hex 32`; during a rotation to `new,old`.",
    "GLAIP_HITL_AUTO_APPROVE": "Set it to true or false, or unset it.",
    "NOD_AUDIT_WEBHOOK": "Set it to an https address that keeps checkpoints, or unset it.",
    "MicrosoftAppType": "Register the bot as SingleTenant with a client secret, and set it to SingleTenant.",
    "NOD_GRAPH_URL": "Unset it for the real Microsoft Graph.",
    "NOD_LOGIN_URL": "Unset it for the real Microsoft login.",
    "NOD_MICROSOFT_CLOUD": "Set it to Public, GCCHigh, DoD or China.",
    "NOD_TEAMS_OPENID_URL": "Unset it for the public cloud, or name your cloud's OpenID document.",
    "NOD_TEAMS_TOKEN_URL": "Unset it, or name your cloud's token endpoint; {tenant} stands for the tenant.",
    "NOD_TEAMS_SERVICE_HOSTS": "Write hosts with commas between them, such as smba.trafficmanager.net.",
    "NOD_TEAMS_TENANTS": "Write tenant ids with commas between them, or unset it.",
    "NOD_TEAMS_WEBHOOK_HOSTS": "Write hosts with commas between them, or unset it.",
    "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS": "Unset it; true is for a local test client only.",
    "NOD_WEBHOOK_SECRET": "Set it to the output of `openssl rand -hex 32`, and tell it to the receivers.",
    "NOD_PAGERDUTY_URL": "Unset it, or name the service region's address, such as https://events.eu.pagerduty.com.",
    "NOD_OPSGENIE_URL": "Unset it, or name the instance's address, such as https://api.eu.opsgenie.com.",
    "PAGERDUTY_API_KEY": "Set it to a read-only REST API key of PagerDuty, without spaces, or unset it.",
    "OPSGENIE_API_KEY": "Set it to the key of an API integration in Opsgenie, without spaces, or unset it.",
    "NOD_PAGERDUTY_API_URL": "Unset it, or name the service region's address: https://api.eu.pagerduty.com.",
    "NOD_RELAY_TOKEN": "Set it to the output of `openssl rand -hex 32`, the same for the bot and the relay.",
    "NOD_HEARTBEAT_URL": "Set it to the https address that a dead man's switch gave you, or unset it.",
    "NOD_ALLOW_PLAIN_HTTP": "Set it to true or false, or unset it.",
    "NOD_PORT": "Set it to a free port between 0 and 65535.",
    "NOD_KEEP_ALIVE": "Set it to seconds, more than the proxy in front keeps its connections.",
    "NOD_LOG_FORMAT": "Set it to auto, json or text.",
}
