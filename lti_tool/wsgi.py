"""The WSGI entry point for any server: `lti_tool.wsgi:app`."""

import gc

from lti_tool.app import create_app

app = create_app()
gc.collect()
gc.freeze()  # what the start made lives as long as the process: collections need not look at it again
