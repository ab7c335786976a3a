"""A whole Learning Record Store: validate, store, query and serve xAPI statements, usable alone as a Flask blueprint."""
