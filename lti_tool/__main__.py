"""`python -m lti_tool`: the command line."""

import os

from lti_tool.cli import main

# numpy's matrices, where a command or the worker needs them, on one core: more threads gain little there, and waiting for each other
# they take several times the processor's time from everything else on the machine
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

main()
