"""The LRS alone under granian, as `bench.lrs` loads it: the blueprint and nothing else."""

import os

from flask import Flask

import xapi.api as xapi
from kernel.db import Database
from lti_tool.cli.processes import collect_rarely

app = Flask(__name__)
app.register_blueprint(xapi.create_lrs(Database(os.environ["BENCH_DATABASE_URL"]), key_pepper=b"bench"))
collect_rarely()
