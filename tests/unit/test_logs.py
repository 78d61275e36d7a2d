"""Logs are events; whatever goes wrong, no token or argument gets into them."""

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from adapters.logs import configure_logs
configure_logs({form!r})
log = structlog.get_logger()
def broken(token):
    raise ValueError("it broke")
try:
    broken("xoxb-planted" + "-secret")
except ValueError:
    log.exception("piece_failed", approval_id="r1")
import logging
logging.getLogger("slack_sdk").debug("body with xoxb-planted-secret")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_shows_no_values(form: str) -> None:
    """The line of code is there, the value of its local variables is not; libraries' DEBUG lines are off."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, text=True, check=True
    )

    assert "piece_failed" in done.stderr
    assert "it broke" in done.stderr
    assert "xoxb-planted-secret" not in done.stderr + done.stdout
