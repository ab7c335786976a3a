"""Views: each reads, calls one door, renders."""
