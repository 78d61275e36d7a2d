"""Slack's v0 signature over raw bytes (docs.slack.dev/authentication/verifying-requests-from-slack)."""

import hashlib
import hmac


def signature(*, secret: str, timestamp: str, body: bytes) -> str:
    """`v0=` and the hex HMAC-SHA256 of `v0:timestamp:body`."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def signed_headers(*, secret: str, timestamp: str, body: bytes) -> dict[str, str]:
    """The headers of an interactivity POST."""
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature(secret=secret, timestamp=timestamp, body=body),
    }
