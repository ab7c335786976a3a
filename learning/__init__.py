"""Resources and personal paths: what to do next to reach the targets of the roadmap, in which order, and why.

The flow: `roadmap.api.standing_of` (read in `standings`) > `paths` over `graph` > `choice` of resources > `reasons` > a stored version.
"""
