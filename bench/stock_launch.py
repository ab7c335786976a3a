"""The baseline of the launch benchmark: PyLTI1p3's Flask example as its documentation shows it, and nothing more.

State and nonce in Flask's session, the platform's key set cached in the process when STOCK_CACHE is 1, else fetched each time.
"""

import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import Flask, Response, jsonify
from pylti1p3.contrib.flask import FlaskCacheDataStorage, FlaskMessageLaunch, FlaskOIDCLogin, FlaskRequest
from pylti1p3.tool_config import ToolConfDict

ISSUER, CLIENT_ID, PUBLIC_URL = os.environ["STOCK_ISSUER"], os.environ["STOCK_CLIENT_ID"], os.environ["STOCK_PUBLIC_URL"]

app = Flask(__name__)
app.secret_key = "the baseline keeps no secret"


class Cache:
    """The simple cache of one process."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """The value, None when there is none."""
        return self._values.get(key)

    def set(self, key: str, value: Any, timeout: int | None = None) -> None:
        """Keeps a value; the benchmark is shorter than any timeout."""
        del timeout
        self._values[key] = value


KEYS = FlaskCacheDataStorage(Cache()) if os.environ.get("STOCK_CACHE") == "1" else None
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TOOL_CONF = ToolConfDict({
    ISSUER: [{
        "default": True, "client_id": CLIENT_ID, "auth_login_url": f"{ISSUER}/auth", "auth_token_url": f"{ISSUER}/token",
        "key_set_url": os.environ["STOCK_JWKS_URL"], "deployment_ids": ["1"],
    }],
})  # fmt: skip
TOOL_CONF.set_private_key(ISSUER, PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), client_id=CLIENT_ID)
TOOL_CONF.set_public_key(
    ISSUER, PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), client_id=CLIENT_ID
)


@app.route("/lti/login", methods=["GET", "POST"])
def login() -> Any:
    """Login initiation."""
    return FlaskOIDCLogin(FlaskRequest(), TOOL_CONF).redirect(f"{PUBLIC_URL}/lti/launch")


@app.post("/lti/launch")
def launch() -> Response:
    """The launch: its data in the session, and a page."""
    message_launch = FlaskMessageLaunch(FlaskRequest(), TOOL_CONF)
    if KEYS is not None:
        message_launch.set_public_key_caching(KEYS, cache_lifetime=7200)
    return jsonify(name=message_launch.get_launch_data().get("name"))
