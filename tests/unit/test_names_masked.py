"""A secret in the name of a tool or an agent is masked wherever the name is shown; the call stays the same."""

from collections.abc import Callable

import pytest

from adapters.cli.audit_export import entry_of
from bot.alerts import ending
from bot.call import HIDES_TEXT, sight_of
from bot.card import card_of
from bot.policy import Policy
from bot.protocol import HITLRequest
from bot.redaction import Redaction
from bot.seal import Seal
from bot.wording import name_of, quoted_name
from tests.contract.values import NOW, an_approval

KEY = "AKIAIOSFODNN7EXAMPLE"
SEAL = Seal("0" * 32)


@pytest.mark.parametrize(
    "name", ["send_email", "rotate_api_key", "mcp__github__create_pull_request", "deploy v2"]
)
def test_an_ordinary_name_stays(name: str) -> None:
    """Also one that names a kind of secret."""
    assert name == name_of(name)


def test_a_secret_in_a_name_is_masked() -> None:
    """Two names that differ elsewhere still look different; what an agent writes cannot pass for a mask."""
    assert "deploy_‹redacted 20 chars›" == name_of(f"deploy_{KEY}")
    assert "“deploy_‹redacted 20 chars›”" == quoted_name(f"deploy_{KEY}")
    assert name_of(f"deploy_{KEY}") != name_of(f"destroy_{KEY}")
    assert name_of("deploy_‹redacted 20 chars›") != name_of(f"deploy_{KEY}")
    assert KEY[:8] not in name_of(f"{'x' * 70}_{KEY}")


def test_no_card_shows_it(make_request: Callable[..., HITLRequest], policy: Policy) -> None:
    """Neither title nor notification, sentences or call; and the card warns as for an argument."""
    request = make_request(tool_name=f"deploy_{KEY}", agent_id=f"agent_{KEY}")
    approval = an_approval("r1", request=request)

    card = card_of(approval, card_id="c1", policy=policy, seal=SEAL, now=NOW)

    assert KEY not in repr(card)
    assert any("is not shown" in warning or "are not shown" in warning for warning in card.warnings)
    assert (
        request.digest == card.digest == make_request(tool_name=f"deploy_{KEY}", agent_id=f"agent_{KEY}").digest
    )
    assert KEY not in ending(approval)
    assert KEY not in repr(entry_of("r1", (), call=request, redaction=None).fields(with_arguments=False))


def test_a_name_that_hides_text_is_not_approved(make_request: Callable[..., HITLRequest]) -> None:
    """As an argument would not be: the mask could hide what would run."""
    request = make_request(tool_name="secret=please_do_this_now and that")

    assert HIDES_TEXT == sight_of(request, redaction=Redaction()).never
