"""Jobs of the background worker: they claim, commit, call and record."""
