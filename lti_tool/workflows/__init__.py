"""Workflows that cross the rooms, each in the transaction of its caller."""
