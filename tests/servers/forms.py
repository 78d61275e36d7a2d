"""Hostile requests that come as far as they can: true forms with one thing wrong, forged proofs, broken bytes.

Everything is made of one seed. None of them may decide anything, whatever else is wrong with it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.slack.signing import signed_headers
from sandbox.teams.forgery import FORGERIES, Forger

Json = dict[str, Any]
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
SLACK, TEAMS, RELAY = "/slack/events", "/api/messages", "/relay/wake"
LOOKS = ("/healthz", "/readyz", "/metrics", "/openapi.json")
#: Values in a place where another type belongs.
OTHER: tuple[Any, ...] = (
    None, True, -1, 2**63, 1e308, "", "x", "\x00", "\u202e", "x" * 4000, [], {}, [[]], [None], {"id": 1},
    "v1.a.b.c.d.e",
)  # fmt: skip
#: Seconds after which a new true token is bought.
BEARER_LIFE = 600
#: Seconds by which a replayed request is too old or too new.
AGES = (-100_000, -400, 400, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request, and what it is, for the count."""

    kind: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """True forms of one open and one decided request, and the keys with which chats sign."""

    eve: tuple[Json, ...]  #: of Slack, on the open card; Eve may not decide
    stale: tuple[Json, ...]  #: of Slack, by Ann, on the card that is decided; presses and submitted forms
    ann: Json  #: Ann's account in Slack
    activity: Json  #: of Teams, by Eve, on the open card
    ann_in_teams: Json  #: Ann, as Teams names senders
    secret: str
    bearer: str
    token: str  #: the relay's
    forger: Forger


class Hostile:
    """Makes requests for ever, from a seed."""

    def __init__(self, corpus: Corpus, *, seed: int) -> None:
        self._corpus, self._chance = corpus, random.Random(seed)
        self._bearer, self._bearer_at = corpus.bearer, time.monotonic()
        self._kinds = (
            *(self._eve, self._stale, self._wrong_seal, self._wrong_place, self._said_twice, self._unsigned),
            *(
                self._teams_eve,
                self._teams_wrong_seal,
                self._teams_forged,
                self._relay,
                self._broken,
                self._elsewhere,
            ),
        )

    def one(self) -> Sent:
        """The next request."""
        return self._chance.choice(self._kinds)()

    # Slack, truly signed

    def _eve(self) -> Sent:
        return self._slack("not-approver", self._bent(self._of(self._corpus.eve)))

    def _stale(self) -> Sent:
        return self._slack("stale", self._bent(self._of(self._corpus.stale)))

    def _wrong_seal(self) -> Sent:
        payload = self._as_slack_ann()
        action = payload["actions"][0]
        action["value"] = self._bent_value(action["value"])
        return self._slack("wrong-seal", self._bent(payload) if self._coin() else payload)

    def _wrong_place(self) -> Sent:
        """Ann's press, in the message of another card."""
        payload, other = self._as_slack_ann(), next(p for p in self._corpus.stale if "container" in p)
        payload["container"] = other["container"]
        payload["message"] = other.get("message")
        return self._slack("moved", payload)

    def _said_twice(self) -> Sent:
        """Eve's press, in which Ann is named, too: who reads the second word for it sees Ann's."""
        eve = json.dumps(self._of(self._corpus.eve))
        ann = json.dumps(self._corpus.ann)
        text = f'{eve[:-1]}, "user": {ann}}}' if self._coin() else f'{{"user": {ann}, {eve[1:]}'
        return self._signed("said-twice", urlencode({"payload": text}).encode())

    # Slack, not signed so

    def _unsigned(self) -> Sent:
        """Ann's true Approve, from an attacker who has seen one."""
        body = urlencode({"payload": json.dumps(self._as_slack_ann())}).encode()
        true = self._signature(body)
        headers = self._chance.choice(
            [
                {"Content-Type": FORM},
                {**true, "X-Slack-Signature": "v0=" + "0" * 64},
                {**true, "X-Slack-Signature": true["X-Slack-Signature"][3:]},
                self._signature(body, secret="another secret that is long enough"),
                self._signature(body + b"&"),
                self._signature(body, age=self._chance.choice(AGES)),
                {**true, "X-Slack-Request-Timestamp": str(int(time.time()) + self._chance.choice(AGES))},
            ]
        )
        return Sent(kind="unsigned", method="POST", path=SLACK, headers=headers, body=body)

    # Teams

    def _teams_eve(self) -> Sent:
        return self._teams("teams-not-approver", self._bent(json.loads(json.dumps(self._corpus.activity))))

    def _teams_wrong_seal(self) -> Sent:
        activity = self._as_ann()
        data = activity["value"]["action"]["data"]
        data["value"] = self._bent_value(data["value"])
        return self._teams("teams-wrong-seal", activity)

    def _teams_forged(self) -> Sent:
        # Made now: a token that is not valid yet becomes a true one with time.
        kind = self._chance.choice(list(FORGERIES))
        activity, headers = self._corpus.forger.forge(kind, self._as_ann())
        body = json.dumps(activity).encode()
        return Sent(
            kind=f"forged {kind}",
            method="POST",
            path=TEAMS,
            headers={**headers, "Content-Type": JSON},
            body=body,
        )

    # Anything

    def _relay(self) -> Sent:
        token = self._chance.choice([self._corpus.token, self._corpus.token[:-1], "", "x" * 9000, "é"])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON}
        body = self._chance.choice([b"", b"{", b"[" * 5000, json.dumps({"runs": self._of(OTHER)}).encode()])
        return Sent(kind="wake", method="POST", path=RELAY, headers=headers, body=body)

    def _broken(self) -> Sent:
        """Signed, and then some bytes are others; or signed, and nothing that can be read."""
        raw = bytearray(json.dumps(self._of(self._corpus.eve)).encode())
        for _ in range(self._chance.randint(1, 20)):
            raw[self._chance.randrange(len(raw))] = self._chance.randrange(256)
        body = bytes(raw) if self._coin() else self._chance.randbytes(self._chance.randint(0, 300))
        if self._coin():
            headers = {"Authorization": self._true(), "Content-Type": JSON}
            return Sent(kind="broken", method="POST", path=TEAMS, headers=headers, body=body)
        return self._signed("broken", body if self._coin() else urlencode({"payload": body}).encode())

    def _elsewhere(self) -> Sent:
        method = self._chance.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
        path = self._chance.choice([*LOOKS, SLACK, TEAMS, RELAY, "/", "/../x", "/%00", "/agents/hitl/decision"])
        path += self._chance.choice(["", "", "/", "?" + "a=b&" * 50, "%2e%2e", ";x=1"])
        return Sent(kind="elsewhere", method=method, path=path, headers={}, body=b"")

    # How they are made

    def _of(self, several: Any) -> Any:
        return json.loads(json.dumps(self._chance.choice(several)))

    def _coin(self) -> bool:
        return self._chance.random() < 0.5

    def _as_slack_ann(self) -> Json:
        press = self._of([p for p in self._corpus.eve if p["type"] == "block_actions"])
        return {**press, "user": self._corpus.ann}

    def _as_ann(self) -> Json:
        return self._named({**json.loads(json.dumps(self._corpus.activity)), "from": self._corpus.ann_in_teams})

    def _true(self) -> str:
        """A true token; one lives for an hour, and a long run longer."""
        if time.monotonic() - self._bearer_at > BEARER_LIFE:
            self._bearer = self._corpus.forger.signed(self._corpus.activity)["Authorization"]
            self._bearer_at = time.monotonic()
        return self._bearer

    def _named(self, activity: Json) -> Json:
        """With an id of its own: what Teams repeats is answered from memory."""
        return {**activity, "id": f"f:{self._chance.getrandbits(64):x}"}

    def _bent(self, form: Json) -> Json:
        """With up to three of its values replaced, left out or wrapped, at any depth; now and then as it is."""
        for _ in range(self._chance.randint(0, 3)):
            place: Any = form
            while True:
                key = self._chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
                inner = place[key]
                if isinstance(inner, dict | list) and inner and self._chance.random() < 0.8:
                    place = inner
                    continue
                match self._chance.randrange(3):
                    case 0 if isinstance(place, dict) and len(place) > 1:
                        del place[key]
                    case 1:
                        place[key] = [inner]
                    case _:
                        place[key] = deepcopy(self._chance.choice(OTHER))
                break
        return form

    def _bent_value(self, value: str) -> str:
        """Another value than this one: a sign, a part, or all of it."""
        parts = value.split(".")
        number = self._chance.randrange(len(parts))
        match self._chance.randrange(4):
            case 0:
                parts[number] = parts[number][:-1] + ("A" if parts[number][-1:] != "A" else "B")
            case 1:
                del parts[number]
            case 2:
                parts[number] = self._chance.choice(["", "reject", "approve ", "0" * 64, "\u0430", "v2"])
            case _:
                parts.append(parts[number])
        bent = ".".join(parts)
        return bent if bent != value else value + "."

    def _slack(self, kind: str, payload: Json) -> Sent:
        return self._signed(kind, urlencode({"payload": json.dumps(payload)}, errors="surrogatepass").encode())

    def _signed(self, kind: str, body: bytes) -> Sent:
        return Sent(kind=kind, method="POST", path=SLACK, headers=self._signature(body), body=body)

    def _signature(self, body: bytes, *, secret: str | None = None, age: int = 0) -> dict[str, str]:
        at = str(int(time.time()) + age)
        return signed_headers(secret=secret or self._corpus.secret, timestamp=at, body=body)

    def _teams(self, kind: str, activity: Json) -> Sent:
        headers = {"Authorization": self._true(), "Content-Type": JSON}
        body = json.dumps(self._named(activity)).encode()
        return Sent(kind=kind, method="POST", path=TEAMS, headers=headers, body=body)
