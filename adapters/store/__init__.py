"""The store: all SQL there is. `adapters.store.open.open_store` is the way in; rows never leave."""
