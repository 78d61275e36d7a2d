"""The whole life once more, with PostgreSQL under it: only the address of the database changes."""

from pathlib import Path

from tests.servers.town import ANN, BOB, open_town, said


async def test_a_life_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """Card, refusal of a second answer, decision, delivery and the final card, from one setting."""
    async with open_town(tmp_path, NOD_DATABASE_URL=postgres_url) as town:
        request_id = town.ask(timeout_seconds=60)
        card = await town.shown()

        assert (await town.press(ANN, card, "approve")).ok
        await town.press(BOB, card, "skip", version=0)

        done = await town.says(card, "Approved: send_email")
        assert "Ann Albers approved this" in said(done)
        await town.whispered(BOB, "Ann Albers approved it")
        assert ["approved"] == town.effects(request_id)
