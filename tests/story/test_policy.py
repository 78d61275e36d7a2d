"""Only the right people, only what they saw: policy and consent through the real adapters."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers.system import ANN, APPROVALS, BOB, EVE, System, buttons, open_system, said, until

PEOPLE = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  eve: {email: eve@acme.example}
  gil: {slack: U0GUEST}
groups: {approvers: [ann, bob]}
alerts: [slack:C0ALERTS]
"""


def policy(route: str = "", more: str = "") -> str:
    """A policy whose one route has these further keys, with these further sections."""
    routes = (
        f"routes: [{{name: default, match: {{}}, cards: [slack:C0APPROVALS], approvers: [approvers]{route}}}]"
    )
    return f"{PEOPLE}\n{routes}\n{more}\n"


async def decided(system: System, request_id: str) -> str:
    await until(lambda: bool(system.effects(request_id)), within=10, what="the decision")
    return system.effects(request_id)[0]


def journal(system: System, kind: str) -> list[dict[str, Any]]:
    """The audit's rows of one kind, read from the database of the running bot."""
    return [row for row in system.audit() if row["kind"] == kind]


async def test_two_people_must_approve(tmp_path: Path) -> None:
    """Ann's vote shows and is not enough, her second click adds nothing, Bob's makes it two."""
    async with open_system(tmp_path, policy=policy(", quorum: 2")) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        assert "0 of 2 approvals" in said(card)

        await system.press(ANN, card, "approve")
        await system.says(card, "1 of 2 approvals: Ann ✓")
        await system.press(ANN, card, "approve")
        await system.whispered(ANN, "You have already approved. Waiting for 1 more.")
        assert [] == system.posts(request_id)
        await system.press(BOB, card, "approve")

        assert "approved" == await decided(system, request_id)
        told = str(system.sandbox.platform.decisions[0].operator_input)
        assert "Ann Albers <ann@acme.example>, Bob Brandt <bob@acme.example>" in told
        await system.says(card, "by Ann Albers and Bob Brandt")


async def test_one_rejection_ends_a_quorum(tmp_path: Path) -> None:
    """Approving is hard, rejecting is cheap: one Skip ends it although Ann approved."""
    async with open_system(tmp_path, policy=policy(", quorum: 2")) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        await system.press(ANN, card, "approve")
        await system.says(card, "1 of 2 approvals")

        await system.press(BOB, card, "skip")

        assert "skipped" == await decided(system, request_id)


async def test_not_enough_votes_is_no_refusal(tmp_path: Path) -> None:
    """A quorum that is not reached expires; the card says who voted and never "rejected"."""
    async with open_system(tmp_path, policy=policy(", quorum: 2")) as system:
        system.ask(timeout_seconds=3)
        card = await system.shown()
        await system.press(ANN, card, "approve")

        done = await system.says(card, "Not enough people answered by")

        assert "Ann Albers approved" in said(done)
        assert "ejected" not in said(done)


async def test_nobody_approves_what_she_asked_for(tmp_path: Path) -> None:
    """The run names Ann as the requester: Ann is refused, Bob can decide."""
    async with open_system(tmp_path, policy=policy(", requester: arguments.by")) as system:
        request_id = system.ask(arguments={"by": "ann@acme.example"}, timeout_seconds=60)
        card = await system.shown()

        await system.press(ANN, card, "approve")
        await system.whispered(ANN, "You asked for this yourself")
        await system.press(BOB, card, "approve")

        assert "approved" == await decided(system, request_id)
        assert ["self-approval"] == [row["body"]["code"] for row in journal(system, "refused")]


async def test_who_asked_is_neither_counted_nor_asked(tmp_path: Path) -> None:
    """Two must approve, and Ann, one of two, asked: the card leaves her out, and an alert goes out at once."""
    ladder = ", ladder: [{at: 10%, do: ping, who: [approvers]}]"
    more = f", quorum: 2, requester: arguments.by{ladder}"
    async with open_system(tmp_path, policy=policy(more)) as system:
        system.ask(arguments={"by": ["<@U0ANN>", "mailto:ann@acme.example"]}, timeout_seconds=20)
        card = await system.shown()

        assert "0 of 2 approvals. Bob can decide." in said(card)
        await until(
            lambda: "Ann Albers may have asked for it" in str(system.alerts()), what="the alert", within=3
        )
        messages = system.sandbox.workspace.messages
        await until(lambda: f"<@{BOB}>" in str([said(one) for one in messages(APPROVALS)]), what="the ping")
        assert f"<@{ANN}>" not in str([said(one) for one in messages(APPROVALS) if one.ts != card.ts])
        await system.press(ANN, card, "reject")
        await system.whispered(ANN, "You asked for this yourself")


async def test_a_call_that_changes_under_its_card_is_asked_about_anew(tmp_path: Path) -> None:
    """Between card and click the platform lists other arguments: no POST, a new card, an audit row."""
    async with open_system(tmp_path, policy=policy()) as system:
        request_id = system.ask(arguments={"amount": 5}, timeout_seconds=60)
        card = await system.shown()
        change(system, request_id, {"amount": 5000})

        old = await system.says(card, "This request changed, see below")
        new = await system.shown(count=2)
        await system.press(ANN, card, "approve", version=0)
        await system.whispered(ANN, "This request changed.")

        assert [] == buttons(old)
        assert [] == system.posts(request_id)
        assert "5000" in said(new)
        assert 1 == len(journal(system, "changed"))
        await system.press(ANN, new, "approve")
        assert "approved" == await decided(system, request_id)


async def test_a_call_that_changes_after_the_click_is_never_posted(tmp_path: Path) -> None:
    """The fresh read before the POST finds another call: the decision is void and people are asked again."""
    async with open_system(tmp_path, policy=policy()) as system:
        request_id = system.ask(arguments={"amount": 5}, timeout_seconds=60)
        card = await system.shown()
        system.sandbox.faults.add(method="GET", path="/agents/hitl/pending", delay=0.4)
        await system.press(ANN, card, "approve")

        change(system, request_id, {"amount": 5000})
        new = await system.shown(count=2)

        assert [] == system.posts(request_id)
        assert "5000" in said(new)
        assert "nod_approve" in buttons(new)


async def test_why_me_tells_the_route_and_why_not(tmp_path: Path) -> None:
    """The private button explains the route, the lists and what is missing; to Eve, why she cannot decide."""
    async with open_system(tmp_path, policy=policy(", quorum: 2")) as system:
        system.ask(timeout_seconds=60)
        card = await system.shown()

        await system.press(EVE, card, "why")
        await system.press(ANN, card, "why")

        await system.whispered(EVE, "This request matches the route default (all other requests).")
        await system.whispered(EVE, "Ann Albers or Bob Brandt can decide.")
        await system.whispered(EVE, "Needs 2 approvals (0 so far). One Reject or Skip ends it.")
        await system.whispered(EVE, "Only Ann Albers or Bob Brandt can decide this.")
        await system.whispered(ANN, "You can decide this")
        told = {user: [said(one) for one in system.sandbox.workspace.ephemerals(user)] for user in (ANN, EVE)}
        assert {ANN: 1, EVE: 1} == {user: len(texts) for user, texts in told.items()}
        assert "Only" not in told[ANN][0]


async def test_a_guest_decides_only_where_the_route_names_her(tmp_path: Path) -> None:
    """A guest among the approvers is refused as a guest, until the route lists them as an outsider."""
    for outsiders, told in (("", "Guests and external users"), (", outsiders: [gil]", None)):
        folder = tmp_path / (told or "named")[:6]
        folder.mkdir()
        text = policy(outsiders).replace("approvers: [approvers]", "approvers: [approvers, gil]")
        async with open_system(folder, policy=text) as system:
            request_id = system.ask(timeout_seconds=60)
            card = await system.shown()
            await join(system, "U0GUEST")
            await system.press("U0GUEST", card, "approve")
            if told:
                await system.whispered("U0GUEST", told)
                assert [] == system.posts(request_id)
            else:
                assert "approved" == await decided(system, request_id)


@pytest.mark.parametrize(
    ("rules", "arguments", "verdict", "told"),
    [
        ('automatic: [{match: {tool: "send_*"}, decide: approved, note: "read-only"}]', {}, "approved", "read-only"),
        ('automatic: [{match: {arguments.amount: ">= 1000"}, decide: rejected}]', {"amount": 2000}, "rejected", ""),
        ("deny: [{match: {tool: send_email}, note: never}]\nlog_only: true", {}, "rejected", "never"),
        ("log_only: true", {}, "approved", "nobody was asked"),
        ("automatic: [{match: {}, callback: 'tests.servers.callbacks:careful'}]", {"amount": 5}, "approved", "amount"),
        ("automatic: [{match: {}, callback: 'tests.servers.callbacks:careful_later'}]", {"amount": 500}, "rejected", ""),
        ("automatic: [{match: {}, callback: 'tests.servers.callbacks:raises'}]", {}, "rejected", "the ledger is closed"),
        ("automatic: [{match: {}, callback: 'tests.servers.callbacks:rubbish'}]", {}, "rejected", "invalid response type"),
        ("automatic: [{match: {}, callback: 'tests.servers.callbacks:hangs'}]", {}, "rejected", "timeout"),
    ],
)  # fmt: skip
async def test_rules_answer_in_place_of_people(
    tmp_path: Path, rules: str, arguments: dict[str, Any], verdict: str, told: str
) -> None:
    """The verdict reaches the platform on time, the card is collapsed and names the rule, the audit too."""
    async with open_system(tmp_path, policy=policy(more=rules)) as system:
        began = time.monotonic()
        request_id = system.ask(arguments=arguments, timeout_seconds=10)

        assert verdict == await decided(system, request_id)
        took = time.monotonic() - began

        assert took < 9.5, "later than the callback's 80 % and the network's 20 %"
        assert told in str(system.sandbox.platform.decisions[0].operator_input)
        card = await system.shown()
        done = await system.says(card, "by rule ")
        assert [] == buttons(done)
        assert [True] == [row["body"]["person"].startswith("rule:") for row in journal(system, "voted")]


async def test_auto_approval_by_the_environment_shows_on_the_card(tmp_path: Path) -> None:
    """GLAIP_HITL_AUTO_APPROVE comes before people, and every card says that nobody was asked."""
    async with open_system(tmp_path, policy=policy(), GLAIP_HITL_AUTO_APPROVE="True") as system:
        request_id = system.ask(timeout_seconds=60)

        assert "approved" == await decided(system, request_id)
        card = await system.shown()
        await system.says(card, "by rule auto-approve")
        await system.says(card, "nobody was asked")


async def test_a_secret_never_leaves(tmp_path: Path) -> None:
    """A token in the arguments is redacted on the card and in the whole view, and named as such."""
    token = "ghp_" + "A1b2C3d4E5f6G7h8I9j0" + "K1l2M3n4O5p6Q7r8"
    async with open_system(tmp_path, policy=policy()) as system:
        system.ask(arguments={"password": "hunter2hunter2", "note": f"use {token} here"}, timeout_seconds=60)

        card = await system.shown()

        assert "‹redacted 14 chars›" in said(card)
        calls = str([call.args for call in system.sandbox.workspace.calls])
        assert "hunter2" not in calls
        assert token not in calls


async def test_a_changed_policy_takes_effect_and_a_bad_one_does_not(tmp_path: Path) -> None:
    """The file is reloaded live; a bad one is refused with an alert and the old one stays in force."""
    async with open_system(tmp_path, policy=policy()) as system:
        (tmp_path / "nod.yaml").write_text(policy().replace("approvers: [approvers]", "approvers: [ana]"))
        await until(lambda: any("policy" in text for text in system.alerts()), within=6, what="the alert")
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        (tmp_path / "nod.yaml").write_text(policy().replace("approvers: [approvers]", "approvers: [eve]"))
        await until(lambda: len(journal(system, "policy_in_force")) == 2, within=6, what="the new policy")

        await system.press(ANN, card, "approve")
        await system.whispered(ANN, "Only")
        await system.press(EVE, card, "approve")

        assert "approved" == await decided(system, request_id)


async def test_a_card_by_somebody_else_decides_nothing(tmp_path: Path) -> None:
    """A look-alike whose button carries another value than ours is refused, and the refusal is on record."""
    async with open_system(tmp_path, policy=policy()) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        forged = replace(card, blocks=tuple(_forged(block) for block in card.blocks))
        system.sandbox.workspace.conversations.put(forged)

        await system.press(ANN, forged, "approve")

        await system.whispered(ANN, "This button was not made by Nod")
        assert [] == system.posts(request_id)
        assert ["forged"] == [row["body"]["code"] for row in journal(system, "refused")]


def _forged(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "actions":
        return block
    elements = [{**e, "value": e["value"][:-4] + "AAAA"} if "value" in e else e for e in block["elements"]]
    return {**block, "elements": elements}


def change(system: System, request_id: str, arguments: dict[str, Any]) -> None:
    """The platform lists other arguments under the same id from now on."""
    system.sandbox.platform.change(request_id, arguments)


async def join(system: System, account: str, channel: str = APPROVALS) -> None:
    system.sandbox.workspace.invite(channel, account)


TWO_ROUTES = """
routes:
  - {name: big, match: {arguments.amount: ">= 1000"}, cards: [slack:C0FINANCE], approvers: [bob]}
  - {name: default, match: {}, cards: [slack:C0APPROVALS], approvers: [ann]}
"""


async def test_a_changed_call_is_for_the_people_of_its_new_route(tmp_path: Path) -> None:
    """Harmless when it was admitted, it becomes a large payment: the stricter route's people are asked."""
    async with open_system(tmp_path, policy=PEOPLE + TWO_ROUTES) as system:
        request_id = system.ask(arguments={"amount": 10}, timeout_seconds=60)
        card = await system.shown()
        change(system, request_id, {"amount": 1_000_000})

        new = await system.shown("C0FINANCE")
        await system.says(card, "This request changed")
        await join(system, ANN, "C0FINANCE")
        await system.press(ANN, new, "approve")
        await system.whispered(ANN, "Only Bob Brandt can decide this")
        assert [] == system.posts(request_id)
        await system.press(BOB, new, "approve")

        assert "approved" == await decided(system, request_id)


async def test_a_deny_wins_over_a_vote_that_was_given_before(tmp_path: Path) -> None:
    """Approved while the platform was down; then the policy denies it: it is never passed on."""
    async with open_system(tmp_path, policy=policy()) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        system.sandbox.faults.add(method="POST", path="/agents/hitl/decision", status=503)
        await system.press(ANN, card, "approve")
        await until(lambda: any(True for _ in journal(system, "delivery_begun")), what="a first try")
        (tmp_path / "nod.yaml").write_text(policy(more="deny: [{match: {tool: send_email}, name: no-mail}]"))
        await until(lambda: len(journal(system, "policy_in_force")) == 2, within=6, what="the new policy")
        system.sandbox.faults.clear()

        await until(lambda: bool(journal(system, "voided")), within=10, what="the decision to be void")

        assert [] == system.effects(request_id)
        again = await system.says(card, "Approve send_email?")
        await system.press(ANN, again, "approve")
        await system.whispered(ANN, "nod.yaml denies this call")
