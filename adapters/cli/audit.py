"""`nod audit …`: verify the chain so that an outsider can repeat it, print the key, export."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.checkpoints import Checkpoint, NoCheckpoint, What, read_checkpoints, read_or_make_key
from adapters.cli.audit_meaning import Meaning
from adapters.settings import read_policy_file
from adapters.store.audit import Anchor, AuditReader, open_audit_reader
from adapters.store.proofs import Proofs
from bot.audit import GENESIS, Break, Row, first_break
from bot.canonical import NotCanonical
from bot.errors import ConfigError
from bot.seal import Signing

#: How many differences are printed.
MOST_TOLD = 20


async def verify(
    url: str,
    *,
    checkpoints: Path | None = None,
    keys: Sequence[str] = (),
    signing: Signing | None = None,
    retention: bool | None = None,
) -> int:
    """Print whether the chain in this database is intact; 0 if so, 1 with the first invalid row and the reason.

    `checkpoints` is a file that was kept elsewhere: it reveals a cut tail and a rewritten chain. `keys` are the
    public keys that can have signed it. `signing` holds the secret that answers are signed with, if known.
    `retention` says whether the policy file sets one; None: not looked up.

    Raises ConfigError.
    """
    if keys and checkpoints is None:
        what = "is given without --checkpoints, so there is nothing to verify with it"
        raise ConfigError("--key", what, "Add --checkpoints FILE.")
    try:
        signed = await asyncio.to_thread(read_checkpoints, checkpoints) if checkpoints else ()
    except NoCheckpoint as error:
        print(f"✗ {error}")
        return 1
    if checkpoints is not None and not signed:
        print(f"✗ {checkpoints} contains no checkpoint")
        return 1
    forged = next((one for one in signed if not one.genuine or (keys and one.key not in keys)), None)
    if forged is not None:
        print(f"✗ the checkpoint for row {forged.number} is not signed by {' or '.join(keys) or forged.key}")
        return 1
    async with open_audit_reader(url) as audit_reader:
        found = await examine(audit_reader, signed, proofs=Proofs(signing) if signing else None)
    if found.broken is not None:
        print(f"✗ row {found.broken.number}: {found.broken.why}")
        return 1
    if found.differences:
        for difference in found.differences[:MOST_TOLD]:
            print(f"✗ {difference}")
        if len(found.differences) > MOST_TOLD:
            print(f"  and {len(found.differences) - MOST_TOLD} more")
        return 1
    _print_what_holds(
        found, signed=len(signed), named=bool(keys), known=signing is not None, retention=retention
    )
    return 0


def _print_what_holds(found: Found, *, signed: int, named: bool, known: bool, retention: bool | None) -> None:
    """What holds, and what was not checked. `named`: a key was given. `known`: NOD_SECRET was given."""
    print(f"✓ {_counted(found.rows, 'row is valid', 'rows are valid')}{found.reach}")
    if not signed:
        print("  Without --checkpoints, Nod cannot tell whether the last rows were deleted.")
    else:
        agree = _counted(found.compared, "checkpoint matches these rows", "checkpoints match these rows")
        ours = "." if named else ". Without --key, Nod cannot tell who signed them."
        gone = _counted(
            signed - found.compared,
            "is for a removed row and proves",
            "are for removed rows and prove",
        )
        print(f"  {agree}{ours}" + (f" {gone} nothing." if signed > found.compared else ""))
    if found.retired is not None and retention is False:
        print("  Old rows were removed, but nod.yaml sets no retention. Find out who set it earlier.")
    if not known:
        print("  NOD_SECRET is not set, so no signature was checked.")
    elif found.unjudged:
        answers = _counted(
            found.unjudged,
            "vote or decision on a closed request is",
            "votes and decisions on closed requests are",
        )
        print(f"  {answers} signed with an earlier NOD_SECRET, or unsigned, and could not be checked.")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


async def key(path: Path) -> int:
    """Print the public key that checkpoints are signed with, made on first use. Raises ConfigError."""
    print((await asyncio.to_thread(read_or_make_key, path)).public)
    return 0


@dataclass(slots=True, kw_only=True)
class Found:
    """What the verification has seen so far."""

    rows: int = 0
    first: int | None = None
    last: Row | None = None
    broken: Break | None = None
    compared: int = 0  #: signed lines about a row that is there, or about the last one removed
    #: The last removed row according to the last row about retention: number and hash.
    retired: tuple[object, object] | None = None
    signed: Mapping[int, Sequence[str]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)  #: between the tables and the chain
    unjudged: int = 0  #: answers of closed requests, signed with a secret that was not given

    @property
    def reach(self) -> str:
        """From which row to which, in words."""
        return f" ({self.first} to {self.last.number})" if self.last and self.first else ""


async def examine(
    audit_reader: AuditReader, signed: Iterable[Checkpoint] = (), *, proofs: Proofs | None = None
) -> Found:
    """Check the whole chain against itself, its anchor and the (genuine) checkpoints."""
    hashes, lines = defaultdict(list), tuple(signed)
    for one in lines:
        if one.number:  # 0 is a chain that had no rows yet
            hashes[one.number].append(one.hash)
    anchor = await audit_reader.anchor()
    before = _before(anchor) if anchor else None
    found = Found(signed=hashes)
    if before is not None:
        found.broken = _unsigned(before, lines) or _against(before, hashes)
        found.compared += len(hashes.get(before.number, ()))
    meaning = Meaning()
    async for row in audit_reader.rows():
        found.broken = found.broken or _next_break(row, found.last or before) or _against(row, hashes)
        found.broken = found.broken or _meant(meaning, row)
        if found.broken is not None:
            return found
        found.rows, found.last, found.first = found.rows + 1, row, found.first or row.number
        found.compared += len(hashes.get(row.number, ()))
        if row.kind == "retired":
            body = json.loads(row.body)
            found.retired = (body.get("number"), body.get("hash"))
    found.broken = found.broken or _cut(found, before)
    if found.broken is None:
        met = set()
        async for record in audit_reader.records():
            met.add(record.approval_id)
            told = meaning.differences(record, proofs)
            found.differences += [f"request {record.approval_id}: {why}" for why in told]
        found.differences += [f"request {one}: its record is missing" for one in meaning.missing(met)]
        found.differences += [
            f"request {one}: it has a vote or decision but no record" for one in await audit_reader.strays()
        ]
        found.unjudged = meaning.unjudged
    return found


def _meant(meaning: Meaning, row: Row) -> Break | None:
    why = meaning.take(row)
    return Break(number=row.number, why=why) if why else None


def _next_break(row: Row, after: Row | None) -> Break | None:
    try:
        return first_break([row], after=after)
    except NotCanonical:
        return Break(
            number=after.number + 1 if after else 1, why="its content has a form that Nod never writes"
        )


def _against(row: Row, signed: Mapping[int, Sequence[str]]) -> Break | None:
    if any(hash_ != row.hash for hash_ in signed.get(row.number, ())):
        return Break(number=row.number, why="its checkpoint was signed for different content")
    return None


def _unsigned(before: Row, lines: Sequence[Checkpoint]) -> Break | None:
    """Rows are gone, and no `retirement` says that Nod removed them. Only the checkpoints can tell."""
    retired = {(one.number, one.hash) for one in lines if one.what is What.RETIREMENT}
    if not lines or (before.number, before.hash) in retired:
        return None
    gone = f"it is missing, as are the rows up to {before.number}"
    if all(one.what is What.CHECKPOINT for one in lines):
        fix = "If retention removed them under an earlier release, start this release once to sign the removal"
        return Break(number=1, why=f"{gone}. {fix}")
    return Break(number=1, why=f"{gone}, and no signed `retirement` says that Nod removed them")


def _cut(found: Found, before: Row | None) -> Break | None:
    """What only shows at the end: a missing tail, or a beginning that no row explains."""
    last = found.last or before
    reached = last.number if last else 0
    furthest = max(found.signed, default=0)
    if furthest > reached:
        return Break(number=reached + 1, why=f"it is missing: a checkpoint was signed for row {furthest}")
    if before is not None and found.retired != (before.number, before.hash):
        return Break(number=before.number + 1, why="no row says that retention removed the rows before it")
    return None


def _before(anchor: Anchor) -> Row:
    """The anchor as the row before the first one left."""
    return Row(
        number=anchor.number,
        at_ms=0,
        kind="retired",
        approval_id=None,
        body="",
        previous=GENESIS,
        hash=anchor.hash,
    )


def sets_retention(config: Path) -> bool | None:
    """Whether the policy file sets a retention; None without a file to read."""
    try:
        return read_policy_file(config).retention is not None
    except ConfigError:
        return None
