"""Logs are one JSON object a line; spans carry on the trace of the message."""

import json
import logging
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

from heaters_edges.telemetry import JsonLines, traceparent

SETUP = """
import logging
from pathlib import Path
from heaters_edges import telemetry
from heaters_edges.settings import Settings
settings = Settings(nats_url="nats://x", s3_endpoint="http://x", s3_bucket="b", s3_access_key="a", s3_secret_key="s",
                    cache_dir=Path("/tmp"), listen="127.0.0.1:0", service_instance="replica-3", log_level="info")
telemetry.start("scenes", settings)
log = logging.getLogger("heaters_scenes.handler")
"""
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines_of(code: str) -> list[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", SETUP + code], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    (line,) = lines_of(
        "log.warning('failed,\\nwill retry', extra={'stage': 'scenes', 'attempt': 2, 'path': Path('/a')})"
    )

    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {
        "level": "warning",
        "logger": "heaters_scenes.handler",
        "message": "failed,\nwill retry",
        "service": "scenes",
        "instance": "replica-3",
        "stage": "scenes",
        "attempt": 2,
        "path": "/a",
    }


def test_arguments_are_filled_in_and_what_is_below_the_level_is_left_out() -> None:
    lines = lines_of(
        "log.debug('unheard'); log.info('%d of %s', 3, 'five'); logging.getLogger('botocore').info('noise')"
    )

    assert [line["message"] for line in lines] == ["3 of five"]


def test_an_exception_lies_in_its_line() -> None:
    (line,) = lines_of("""
try:
    1 / 0
except ZeroDivisionError:
    log.exception('gave up')
""")

    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_lines_inside_a_span_carry_the_id_of_the_trace_that_the_message_came_with() -> None:
    before, inside, after = lines_of(f"""
log.info('before')
with telemetry.span('scenes', parent={PARENT!r}):
    log.info('inside', extra={{'onward': telemetry.traceparent()}})
log.info('after')
""")

    assert inside["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert inside["onward"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert inside["onward"] != PARENT  # a span of our own in that trace
    assert "trace_id" not in before
    assert "trace_id" not in after


def test_a_span_without_a_parent_begins_a_trace_and_lets_errors_through() -> None:
    first, second, third = lines_of("""
for _ in range(2):
    with telemetry.span('plan'):
        log.info('in')
try:
    with telemetry.span('plan', parent='rubbish'):
        raise KeyError('k')
except KeyError:
    log.info('out')
""")

    assert len(first["trace_id"]) == len(second["trace_id"]) == 32
    assert first["trace_id"] != second["trace_id"]
    assert third["message"] == "out"


def test_outside_of_any_span_there_is_no_traceparent() -> None:
    assert traceparent() is None


def test_fields_do_not_replace_what_every_line_says() -> None:
    record = logging.makeLogRecord({"msg": "done", "name": "a", "time": "never", "service": "other"})

    line = json.loads(JsonLines("scenes", "replica-3").format(record))

    assert (line["message"], line["service"]) == ("done", "scenes")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    assert (line["time_"], line["service_"]) == ("never", "other")


def test_numbers_that_json_cannot_say_are_written_as_words() -> None:
    record = logging.makeLogRecord({"msg": "measured", "ratio": float("nan"), "best": float("-inf"), "good": 0.5})

    line = json.loads(JsonLines("scenes", "replica-3").format(record))

    assert (line["ratio"], line["best"], line["good"]) == ("nan", "-inf", 0.5)
