"""The WSGI entry point for any server: `lti_tool.wsgi:app`."""

from lti_tool.app import create_app

app = create_app()
