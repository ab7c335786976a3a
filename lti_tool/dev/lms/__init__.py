"""A demo LMS: a complete LTI 1.3 platform of our own for demonstrations and tests, with Moodle's measured behaviour.

It imports the kernel and nothing else of ours, and never runs beside a production start.
"""

from lti_tool.dev.lms.app import RunningServer, create_lms, listen, serve
from lti_tool.dev.lms.config import Activity, Course, LmsConfig, Person, Tool

__all__ = ["Activity", "Course", "LmsConfig", "Person", "RunningServer", "Tool", "create_lms", "listen", "serve"]
