"""The ground every room stands on: database, clock, ids, errors, strict JSON, guarded HTTP, outbox. No business noun."""
