"""What nobody may overlook is said at the start, and again for each policy that comes into force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from tests.servers.system import POLICY, open_system, until

EVENTS = ("auto_approval_is_on", "route_without_approver")


def heard(logs: list[Any]) -> list[tuple[str, str]]:
    """The announcements so far: the event, and why or for which route."""
    return [
        (entry["event"], entry.get("because") or entry["route"]) for entry in logs if entry["event"] in EVENTS
    ]


async def test_a_new_policy_is_announced_as_the_first_was(tmp_path: Path) -> None:
    """Each version once: its routes without an approver, and that nobody is asked, when that is so."""
    with capture_logs() as logs:
        async with open_system(tmp_path, policy=POLICY) as system:
            first = [("route_without_approver", "nobody")]
            await until(lambda: bool(heard(logs)), what="the first announcement")
            assert first == heard(logs)

            (system.folder / "nod.yaml").write_text(f"{POLICY}\nlog_only: true\n")
            await until(lambda: len(heard(logs)) >= 3, within=10, what="the second announcement")

            (system.folder / "nod.yaml").write_text(f"{POLICY}\nlog_only: true\n# reviewed\n")
            await until(lambda: len(heard(logs)) >= 5, within=10, what="the third announcement")

    loud = [("auto_approval_is_on", "log_only"), *first]
    assert [*first, *loud, *loud] == heard(logs)
