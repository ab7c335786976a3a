"""The history of the LRS's own tables, run by `xapi.migrate`."""
