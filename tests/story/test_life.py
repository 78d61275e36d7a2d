"""The whole life of an approval, through the real adapters, a real platform and a real chat on loopback."""

from pathlib import Path

from structlog.testing import capture_logs

from tests.servers.system import ANN, APPROVALS, BOB, EVE, FINANCE, OLU, buttons, open_system, said, until


async def test_approve_reaches_the_agent_and_the_card(tmp_path: Path) -> None:
    """A pending request becomes a card, Ann's click reaches the platform with her name, the card says so."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(tool="send_email", timeout_seconds=60)
        card = await system.shown()
        assert ["nod_approve", "nod_reject", "nod_skip", "nod_more"] == buttons(card)

        pressed = await system.press(ANN, card, "approve")

        assert pressed.ok
        assert pressed.took < 3
        done = await system.says(card, "Approved: send_email")
        assert "by Ann Albers" in said(done)
        assert [] == buttons(done)
        assert ["approved"] == system.effects(request_id)
        post = system.sandbox.platform.decisions[0]
        assert "Ann Albers <ann@acme.example>" in str(post.operator_input)
        assert [request_id] == system.sandbox.platform.executed


async def test_each_metric_moves(tmp_path: Path) -> None:
    """An approval, a refused click, an expiry with its ping, and polls: what /metrics says of them."""
    async with open_system(tmp_path) as system:

        def measured(line: str) -> bool:
            return any(
                found.startswith(line) for found in system.nod.metrics.exposition()[0].decode().splitlines()
            )

        system.ask(timeout_seconds=60)
        card = await system.shown()
        await system.press(EVE, card, "approve")
        await until(
            lambda: measured('nod_pending{route="default",source="glaip"} 1.0'), what="what waits", within=15
        )
        await system.press(ANN, card, "approve")
        await system.says(card, "Approved: send_email")
        system.ask(timeout_seconds=4)
        await until(
            lambda: measured('nod_outcomes_total{outcome="timeout_skip",route="default"} 1.0'), what="the end"
        )

        for line in (
            "nod_time_to_card_seconds_count 2.0",
            'nod_time_to_decision_seconds_count{decision="approved",route="default"} 1.0',
            'nod_click_ack_seconds_count{chat="slack"} 2.0',
            'nod_click_to_source_seconds_count{source="glaip"} 1.0',
            'nod_outcomes_total{outcome="approved",route="default"} 1.0',
            'nod_escalations_total{step="ping"} 1.0',
            'nod_refusals_total{code="not-approver"} 1.0',
            'nod_deliveries_total{result="accepted",source="glaip"} 1.0',
            'nod_polls_total{result="good",source="glaip"}',
            'nod_last_good_poll_timestamp_seconds{source="glaip"} 1.',
            'nod_build_info{version="',
            "process_open_fds",
        ):
            assert measured(line), line


async def test_reject_asks_for_the_reason_and_passes_it_on(tmp_path: Path) -> None:
    """Where the route wants a reason, an empty one is refused in the form and a given one reaches the agent."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(tool="pay_invoice", timeout_seconds=60)
        card = await system.shown(FINANCE)
        await system.press(BOB, card, "reject")
        workspace = system.sandbox.workspace
        await until(lambda: bool(workspace.views(BOB)), what="the form")
        view = workspace.views(BOB)[-1]

        await workspace.submit(user=BOB, view_id=view.id, values={"nod_note": "It was *cancelled*"})

        done = await system.says(card, "Rejected: pay_invoice")
        assert "It was *cancelled*" in said(done)
        assert ["rejected"] == system.effects(request_id)
        assert "It was *cancelled*" in str(system.sandbox.platform.decisions[0].operator_input)


async def test_skip_lets_the_agent_go_on(tmp_path: Path) -> None:
    """Skip is the third answer, and differs from a rejection everywhere."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        await system.press(ANN, card, "skip")

        await system.says(card, "Skipped: send_email")
        assert ["skipped"] == system.effects(request_id)
        assert [] == system.sandbox.platform.executed


async def test_left_alone_it_escalates_once_and_expires(tmp_path: Path) -> None:
    """Nobody answers: the thread pings the route's people once; then the card says so, never "rejected"."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=4)
        card = await system.shown()

        await until(lambda: bool(system.replies(card)), what="the ping")
        (ping,) = system.replies(card)
        assert f"<@{OLU}>" in said(ping)
        await system.says(card, "Escalated")
        done = await system.says(card, "Nobody answered by")

        assert [] == buttons(done)
        assert "eject" not in said(done)
        assert [] == system.posts(request_id)
        others = [said(reply) for reply in system.replies(card) if reply.ts != ping.ts]
        assert not any(f"<@{OLU}>" in text for text in others)


async def test_only_the_approvers_of_the_route_may_decide(tmp_path: Path) -> None:
    """Eve is refused in private with the reason; the card does not change; nothing reaches the platform."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        with capture_logs() as logs:
            for button in ("approve", "reject", "skip"):
                assert (await system.press(EVE, card, button)).ok
                await system.whispered(EVE, " can decide this.")

        assert said(card) == said(system.now(card))
        assert [] == system.posts(request_id)
        refused = [event["approval_id"] for event in logs if event["event"] == "click_refused"]
        assert [request_id] * 3 == refused


async def test_no_approvers_means_nobody(tmp_path: Path) -> None:
    """A route with an empty list lets nobody decide, and its card says so."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(tool="forbidden_tool", timeout_seconds=60)
        card = await system.shown()
        assert "nobody" in said(card)

        await system.press(ANN, card, "approve")

        await system.whispered(ANN, "Nobody can decide this in the chat.")
        assert [] == system.posts(request_id)


async def test_two_people_at_once_have_one_winner(tmp_path: Path) -> None:
    """Ann's and Bob's clicks race: one decision, and the other person reads who won."""
    import asyncio

    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        await asyncio.gather(system.press(ANN, card, "approve"), system.press(BOB, card, "skip"))

        await until(lambda: len(system.effects(request_id)) == 1, what="the decision")
        winner = system.effects(request_id)[0]
        loser, name = (BOB, "Ann Albers") if winner == "approved" else (ANN, "Bob Brandt")
        await system.whispered(loser, f"{name} {winner} it")
        assert 1 == len(system.posts(request_id))


async def test_double_clicks_late_clicks_and_replays_change_nothing(tmp_path: Path) -> None:
    """A second click, a byte-identical replay and a click on an old look are answered with what is true."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        await system.press(ANN, card, "approve")

        replayed = await system.sandbox.workspace.replay()
        await system.whispered(ANN, "You approved it")
        await system.says(card, "Approved: send_email")
        await system.press(BOB, card, "skip", version=0)
        await system.whispered(BOB, "Ann Albers approved it")

        assert replayed.ok
        assert [200] == system.posts(request_id)


async def test_answered_on_the_platform_the_card_says_so(tmp_path: Path) -> None:
    """A person approves on the platform: the card loses its buttons and says what the audit says."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        assert 200 == system.sandbox.platform.decide(request_id, "approved")

        done = await system.says(card, "Answered on the platform: approved")
        assert [] == buttons(done)
        await system.press(ANN, card, "approve", version=0)
        await system.whispered(ANN, "answered on the platform")
        assert [200] == system.posts(request_id)


async def test_a_long_call_is_approved_only_after_all_of_it_was_shown(tmp_path: Path) -> None:
    """Too long for the card: no Approve there, but behind View all, which shows everything."""
    async with open_system(tmp_path) as system:
        text = "\n".join(f"line {n} of a long letter" for n in range(600))
        request_id = system.ask(arguments={"body": text}, timeout_seconds=60)
        card = await system.shown()
        assert "nod_approve" not in buttons(card)

        await system.press(ANN, card, "view_all")
        workspace = system.sandbox.workspace
        await until(lambda: bool(workspace.views(ANN)), what="the whole call")
        view = workspace.views(ANN)[-1]
        assert "line 599 of a long letter" in str(view.definition)
        await workspace.submit(user=ANN, view_id=view.id)

        await system.says(card, "Approved: send_email")
        assert ["approved"] == system.effects(request_id)


async def test_a_call_that_the_platform_cut_can_never_be_approved(tmp_path: Path) -> None:
    """A preview hides a part of the call from everybody: Reject and Skip work, Approve is not there."""
    async with open_system(tmp_path) as system:
        system.ask(arguments="{\n" + "x" * 2043 + "...", timeout_seconds=60)

        card = await system.shown()

        assert {"nod_reject", "nod_skip", "nod_more"} == set(buttons(card)) - {"nod_view_all"}
        assert "nobody can see all of it" in said(card)


async def test_cards_go_where_the_route_says(tmp_path: Path) -> None:
    """The first matching route decides the channel; no other channel gets the card."""
    async with open_system(tmp_path) as system:
        system.ask(tool="pay_invoice", timeout_seconds=60)

        await system.shown(FINANCE)

        assert [] == system.cards(APPROVALS)


async def test_the_same_life_over_socket_mode(tmp_path: Path) -> None:
    """With SLACK_APP_TOKEN clicks come over a socket that the bot opened: no public address is needed."""
    async with open_system(tmp_path, SLACK_APP_TOKEN="xapp-sandbox-app", SLACK_SIGNING_SECRET="") as system:
        system.sandbox.workspace.request_url = None
        await until(lambda: system.sandbox.workspace.sockets.connected, what="the socket")
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        assert (await system.press(ANN, card, "approve")).ok

        await system.says(card, "Approved: send_email")
        assert ["approved"] == system.effects(request_id)
