"""SQL and only SQL: the store, its one way to write, and the queries that return domain types."""
