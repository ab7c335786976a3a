"""Demonstration and test aids: a demo LMS, made-up people, the story from launch to roadmap. Nothing here is used by `serve`."""
