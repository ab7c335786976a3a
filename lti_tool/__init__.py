"""The web tool that an LMS opens by LTI 1.3: launches, pages, and the workflows that cross the rooms."""
