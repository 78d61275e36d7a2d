"""The triggers that make the audit append-only, spelled for each database (migration 0002).

A row is never changed. It is deleted only when an anchor covers it, and an anchor names a row that is there,
by number and hash: that is the way of retention (`adapters.store.audit`), and it leaves its own trace.
Whoever owns the database can drop a trigger; then the hash chain and the checkpoints tell.
"""

from __future__ import annotations

_NAMED = "SELECT 1 FROM audit WHERE number = NEW.number AND hash = NEW.hash"
_COVERED = "SELECT 1 FROM audit_anchor WHERE number >= OLD.number"


def _refusing(name: str, when: str, *, unless: str = "SELECT 1 WHERE 1 = 0") -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {when} FOR EACH ROW WHEN NOT EXISTS ({unless})"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
    )


def _guarding(name: str, when: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {when} EXECUTE FUNCTION audit_is_append_only()"


#: INSERT OR REPLACE deletes without firing delete triggers (sqlite.org/lang_conflict.html), hence `_insert`.
SQLITE = (
    _refusing("audit_no_update", "UPDATE ON audit"),
    _refusing("audit_no_delete", "DELETE ON audit", unless=_COVERED),
    _refusing(
        "audit_no_insert",
        "INSERT ON audit",
        unless="SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)",
    ),
    _refusing("audit_anchor_no_update", "UPDATE ON audit_anchor"),
    _refusing("audit_anchor_no_delete", "DELETE ON audit_anchor"),
    _refusing("audit_anchor_no_insert", "INSERT ON audit_anchor", unless=_NAMED),
)

POSTGRESQL = (
    f"""
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'audit' AND TG_OP = 'DELETE' THEN
            IF EXISTS ({_COVERED}) THEN RETURN OLD; END IF;
        ELSIF TG_TABLE_NAME = 'audit_anchor' AND TG_OP = 'INSERT' THEN
            IF EXISTS ({_NAMED}) THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    _guarding("audit_guard", "UPDATE OR DELETE ON audit FOR EACH ROW"),
    _guarding("audit_guard_all", "TRUNCATE ON audit FOR EACH STATEMENT"),
    _guarding("audit_anchor_guard", "INSERT OR UPDATE OR DELETE ON audit_anchor FOR EACH ROW"),
    _guarding("audit_anchor_guard_all", "TRUNCATE ON audit_anchor FOR EACH STATEMENT"),
)
