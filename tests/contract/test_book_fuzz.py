"""No content of nod.yaml ends the running bot: a bad file is refused, and a good one can be used."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import PolicyFile
from bot.call import lines_of
from bot.errors import ConfigError
from bot.flow.quorum_check import quorum_shortages
from bot.protocol import HITLRequest, Json
from bot.wording import name_of
from tests.contract.book_rig import NOW, Rig

GUID = "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e"
WHOLE: dict[str, Any] = {
    "poll_every": "2s",
    "default_window": "3m",
    "retention": "400d",
    "flood": 30,
    "log_only": False,
    "people": {"ann": {"name": "Ann", "email": "ann@acme.example"}, "bob": {"slack": "U0BOB", "teams": GUID}},
    "groups": {"finance": ["ann", "bob", "slack-usergroup:S0FINANCE"]},
    "hours": {"office": {"zone": "Europe/Berlin", "days": ["mon"], "from": "09:00", "to": "17:30"}},
    "oncall": {
        "turns": {
            "people": ["ann", "bob"],
            "every": "week",
            "on": "mon",
            "at": "09:00",
            "zone": "Europe/Berlin",
            "begins": "2026-01-05",
            "overrides": [{"who": "bob", "from": "2026-12-24T09:00:00+01:00", "until": "2026-12-27T09:00:00Z"}],
        },
        "desk": {"ical": "desk.ics", "otherwise": "ann"},
    },
    "calendar_hosts": ["calendar.acme.example"],
    "routes": [
        {
            "name": "large",
            "match": {"tool": "pay_*", "arguments.order.amount": ">= 1000", "not": {"arguments.to": "ann"}},
            "cards": ["slack:C0A", "teams:finance"],
            "approvers": ["finance", "turns"],
            "quorum": 2,
            "requester": "arguments.requested_by",
            "outsiders": ["bob"],
            "reason": {"rejected": "required"},
            "presets": ["Wrong"],
            "claim": "20%",
            "ladder": [
                {"at": "50%", "do": "ping", "who": ["ann"], "during": "office"},
                {"at": "60s before", "do": "fallback", "cards": ["slack:C0B"]},
            ],
            "why": "moves money",
        },
        {"name": "default", "match": {}, "cards": ["slack:C0A"], "approvers": ["ann"]},
    ],
    "deny": [{"name": "no", "match": {"tool": "drop_*"}, "note": "never"}],
    "automatic": [{"match": {"tool": "read_*"}, "decide": "approved"}],
    "redact": {"names": ["employee number"], "shapes": ["ACME-[0-9]{8}"]},
    "delegations": [{"from": "ann", "to": "bob", "until": "2026-12-24"}],
    "alerts": ["slack:C0ALERTS", "webhook:https://acme.example/nod"],
}


class Raw(str):
    """A value as YAML writes it."""

    __slots__ = ()


#: Values, each as YAML has it; divided by blanks where none holds one.
NASTY = [
    *[
        "NO",
        "~",
        "010",
        "0x1F",
        "1:30:00",
        "2026-13-45",
        "null",
        "true",
        "-1",
        "0",
        "1.5",
        "99999999999999d",
        "0s",
        "1e9d",
        "100%",
        "1e999999999",
    ],
    *[
        "'(?R)'",
        "'((((a*)*)*)*)*'",
        "'a{1000}{1000}'",
        "'[z-a]'",
        "'(?P<x>'",
        "'*'",
        "'!'",
        "'[!'",
        "'(?i)x|'",
        "'\\'",
        "'(?<=a*)b'",
    ],
    *(r'"\ud800" "\0" "\x07" "\U0010FFFF" "\UFFFFFFFF" "\u202e"' + " '\u200b' '' {} [] [[[[[]]]]]").split(),
    *[
        "*gone",
        "@",
        "%",
        "`",
        "|",
        ">",
        "{<<:*nobody}",
        "${HOME}",
        "webhook:${PATH}",
        "run_id",
        "arguments.x",
        "slack:C0A",
        "ann",
        "finance",
    ],
    *(
        "!!int x",
        "!!binary '##'",
        "!!set {a, b}",
        "!!python/object/apply:os.abort []",
        "!!python/name:os.abort",
    ),
    *("&a [*a]", "&m {<<: *m}", "{<<: *nobody}", "- - -", "? [a]", "' '", "'\n'", "'>= 1e999'"),
    *("9" * 5000, "-" + "9" * 5000, "." + "9" * 400, "a" * 100_000, "[" * 2000, "{a: " * 500),
    *("{arguments.0.00: x}", "{arguments.a.b.c: '[a-'}", "{not: {not: {not: {tool: x}}}}"),
    "{name: default, match: {}, cards: [slack:C0A], approvers: [ann]}",
    "{arguments." + "9" * 5000 + ": x}",
    "{arguments." + "a." * 2000 + "a: x}",
]
ARGUMENTS: list[Json] = [
    {"order": {"amount": 5000, "lines": [{"sku": "x"}]}, "to": "ann", "requested_by": "ann"},
    {"order": [1], "a": {"b": {"c": "d"}}, "note": "ACME-12345678 aaaaaaaaaaaaaaaaaaaaaaaab"},
    [[1], "x"],
    "text",
    None,
]


def changed(value: Any, dice: random.Random) -> Any:
    """The settings with one thing changed, somewhere."""
    if dice.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return Raw(dice.choice(NASTY))
    if isinstance(value, list):
        at = dice.randrange(len(value))
        again = [value[at]] if dice.random() < 0.1 else []
        return [*value[:at], changed(value[at], dice), *again, *value[at + 1 :]]
    key = dice.choice(list(value))
    rest = {name: inner for name, inner in value.items() if name != key}
    match dice.randrange(8):
        case 0:
            return rest
        case 1:
            return {**rest, Raw(dice.choice(NASTY)): value[key]}
        case 2:
            return {**value, dice.choice(["x-y", "on", "<<", "name", "match", "who"]): Raw(dice.choice(NASTY))}
        case _:
            return {**value, key: changed(value[key], dice)}


def written(value: Any) -> str:
    """As YAML in flow style."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def a_file(dice: random.Random) -> bytes:
    settings: Any = WHOLE
    for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
        settings = changed(settings, dice) if isinstance(settings, dict) else settings
    if isinstance(settings, dict) and dice.random() < 0.8:
        content = "\n".join(f"{written(key)}: {written(inner)}" for key, inner in settings.items()).encode()
    else:
        content = written(settings).encode()
    match dice.randrange(40):
        case 0 | 5 | 6:
            at = dice.randrange(len(content) + 1)
            return content[:at] + dice.randbytes(dice.choice([1, 4])) + content[at:]
        case 1 | 7 | 8:
            return content[: dice.randrange(len(content) + 1)]
        case 2:
            return (
                dice.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"%YAML 1.1\n---\n", b"%YAML 9.99\n---\n"]) + content
            )
        case 3:
            nine = [", ".join([f"*n{n}"] * 9) for n in range(11)]
            levels = "".join(f"x-{n}: &n{n} [{nine[n - 1]}]\n" for n in range(1, 12))
            return f"x-0: &n0 [lol]\n{levels}".encode() + content
        case 4:
            levels = "".join(f"x-{n}: &n{n} {{<<: [*n{n - 1}, *n{n - 1}]}}\n" for n in range(1, 25))
            return f"x-0: &n0 {{a: b}}\n{levels}".encode() + content
    return content


def use(file: PolicyFile) -> None:
    """What a bot does with a policy as soon as it is in force."""
    policy = file.policy
    for tool in ("pay_invoice", "read_x", "drop_db"):
        for arguments in ARGUMENTS:
            request = HITLRequest(request_id="r1", tool_name=tool, agent_id="a", arguments=arguments)
            route = policy.route_of(request)
            policy.rules.rule_for(request)
            policy.members(route.approvers)
            lines_of(request, redaction=policy.redaction)
            name_of(tool)
    quorum_shortages(policy, {"gone": 1}, now=NOW)
    json.dumps([str(place) for place in file.places]).encode()


async def fuzzed(folder: Path, *, seed: int, cases: int) -> int:
    """Files one after the other, each as a change of the one before; how many came into force."""
    dice, rig, used = random.Random(seed), Rig(folder), 0
    async with rig.kept(look_every=0.001):
        for case in range(cases):
            content = a_file(dice) + f"\n# {case}\n".encode()
            was, refusals = rig.policy_in_force.file, len(rig.refused)
            beside = rig.path.with_suffix(".new")
            beside.write_bytes(content)
            beside.replace(rig.path)
            async with asyncio.timeout(600):  # a machine may be busy; what hangs, hangs for good
                while rig.policy_in_force.file is was and len(rig.refused) == refusals:
                    await asyncio.sleep(0.001)
            if rig.policy_in_force.file is not was:
                used += 1
                use(rig.policy_in_force.file)
            rig.policy_in_force.policy()
            for error in rig.refused[refusals:]:
                assert isinstance(error, ConfigError)
                assert "\n" not in str(error)
                str(error).encode()
                assert "cannot be used" not in error.what, (error, content[:2000])
    return used


async def test_no_file_ends_the_bot(tmp_path: Path) -> None:
    """Each is in force or refused in one line; nothing is left to the last catch."""
    assert await fuzzed(tmp_path, seed=5, cases=60) > 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
async def test_none_of_twenty_thousand_files_ends_the_bot(tmp_path: Path, seed: int) -> None:
    """The same at length."""
    assert await fuzzed(tmp_path, seed=seed, cases=2_000) > 100
