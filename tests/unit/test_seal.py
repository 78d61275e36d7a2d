"""A button's value: what Nod sealed comes back as it was, and nothing else opens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.seal import Kind, Seal, Sealed, Signing, _mac

OLD, NEW = "old secret of thirty-two letters", "new secret of thirty-two letters"
DIGEST = "d" * 64
SEAL = Seal(NEW)
VALUE = SEAL.value(card_id="card-1", verb="approve", digest=DIGEST)


def test_a_genuine_value_opens_to_what_was_sealed() -> None:
    """Card, verb and call, and it fits into any chat's button."""
    assert Sealed(card_id="card-1", verb="approve", digest=DIGEST) == SEAL.open(VALUE)
    assert len(VALUE) <= 200
    assert VALUE.isascii()
    assert VALUE.isprintable()


def test_two_secrets_are_valid_during_a_rotation() -> None:
    """Cards that were sealed before still work; new ones are sealed with the new secret."""
    both = Seal(NEW, OLD)

    assert Seal(OLD).value(card_id="c", verb="skip", digest=DIGEST) != both.value(
        card_id="c", verb="skip", digest=DIGEST
    )
    assert both.open(Seal(OLD).value(card_id="c", verb="skip", digest=DIGEST)) is not None
    assert both.open(VALUE) is not None
    assert Seal(OLD).open(VALUE) is None


def test_a_seal_cannot_be_guessed() -> None:
    """192 bits of it are on the button and beside what was shown (RFC 2104 asks for 80 at least)."""
    seals = (VALUE.rpartition(".")[2], SEAL.look(SEAL.current, ["page"]))
    assert [24, 24] == [len(base64.urlsafe_b64decode(seal)) for seal in seals]


def test_a_value_names_its_version() -> None:
    """Cards of the release before are pressed after an upgrade; a version that is not known opens nothing."""
    assert VALUE.startswith(f"v1.{SEAL.current}.card-1.approve.")
    text = VALUE.replace("v1", "v2").rpartition(".")[0]
    assert SEAL.open(f"{text}.{_mac(SEAL._keys[SEAL.current], text)}") is None


def test_a_seal_needs_a_secret() -> None:
    """No secret must never mean that anything opens."""
    for kind in (Seal, Signing):
        with pytest.raises(ValueError, match="secret"):
            kind()


@pytest.mark.parametrize("value", ["", "approve", "v1.k.c.approve.d", "v1.k.c.approve.d.s.x"])
def test_a_value_of_another_form_names_no_verb(value: str) -> None:
    """Whatever a chat hands over, sealed or not."""
    assert Seal.claimed_verb(value) == ""
    assert Seal.claimed_verb(VALUE) == "approve"


def test_an_empty_seal_is_no_seal() -> None:
    """An unknown key makes an empty one, and that fits nothing, not even another empty one."""
    assert SEAL.look("unknown", ["page"]) == ""
    assert not Seal.same("", "")


def test_rows_are_signed_as_the_release_before_signed_them() -> None:
    """An upgrade that signs in another form takes back what was acknowledged."""
    signature = Signing(NEW, OLD).sign(Kind.VOTE, ["é", 1, None])
    assert signature == "49866612.o-RDgR3NJZYs5kVWXuLmA-2WEA2chEKPQoFRvoSIlsE"
    assert Signing(OLD, NEW).holds(signature, Kind.VOTE, ["é", 1, None])
    assert Signing(OLD, NEW).knows(signature)
    assert not Signing(OLD).holds(signature, Kind.VOTE, ["é", 1, None])
    assert not Signing(OLD).knows(signature)


@pytest.mark.parametrize("signature", [None, 7, b"x", "", "x", "{name}.é", "{name}."])
def test_a_column_that_holds_anything_holds_no_signature(signature: object) -> None:
    """And is no error either."""
    signing = Signing(NEW)
    name, _, _ = signing.sign(Kind.VOTE, []).partition(".")
    given = signature.format(name=name) if isinstance(signature, str) else signature
    assert not signing.holds(given, Kind.VOTE, [])
    assert signing.knows(given) is str(given).startswith(f"{name}.")


def test_the_secret_is_not_in_the_value() -> None:
    """Nor is anything that names it."""
    assert NEW not in VALUE
    assert NEW not in repr(SEAL.open(VALUE))


@given(place=st.integers(0, len(VALUE) - 1), sign=st.characters())
def test_one_other_sign_and_it_does_not_open(place: int, sign: str) -> None:
    """Wherever it is changed."""
    changed = VALUE[:place] + sign + VALUE[place + 1 :]

    assert (SEAL.open(changed) is not None) is (changed == VALUE)


@given(value=st.text())
@example("")
@example("v1.....")
@example(VALUE.rpartition(".")[0])
@example(VALUE + "=")
@example(VALUE.replace("approve", "reject"))
@example(VALUE.replace("v1", "v2"))
@example("." + VALUE)
def test_whatever_comes_in_is_refused_without_an_error(value: str) -> None:
    """A click is never answered with a traceback."""
    assert SEAL.open(value) is None


@given(length=st.integers(0, len(VALUE) - 1))
def test_a_part_does_not_open(length: int) -> None:
    """Cut anywhere."""
    assert SEAL.open(VALUE[:length]) is None


def test_parts_cannot_be_moved_between_values() -> None:
    """A seal is about card, verb and call together."""
    other = SEAL.value(card_id="card-2", verb="reject", digest="e" * 64)
    mine, theirs = VALUE.split("."), other.split(".")
    for place in range(2, 5):
        mixed = [*mine[:place], theirs[place], *mine[place + 1 :]]
        assert SEAL.open(".".join(mixed)) is None
