"""The database's migrations, run by `adapters.store.schema` when a store opens."""
