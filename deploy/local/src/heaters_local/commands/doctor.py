"""`heaters doctor`."""

import shutil
import sys
import time
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import click
import httpx

from heaters_local.client import Api, ApiError, NothingRunning, Unreachable
from heaters_local.state import Home, PartState
from heaters_local.terminal import console, home_option, said
from heaters_local.views import Diagnosis

_ROOM_BYTES = 500 * 1024**2
_MOST_SKEW_S = 5.0


@click.command()
@home_option
def doctor(home: Home) -> None:
    """Look whether this installation is well, and say what to do where it is not. Exit code 1: something is wrong."""
    out = console()
    found = [*_here(home), *_there(home)]
    for one in found:
        said(out, f"{'well ' if one['ok'] else 'WRONG'}  {one['part']}: {one['what']}")
        if not one["ok"]:
            said(out, f"       -> {one['advice']}")
    said(out, f"heaters {version('heaters-local')}, Python {sys.version.split()[0]}")
    if not all(one["ok"] for one in found):
        sys.exit(1)


def _here(home: Home) -> list[Diagnosis]:
    """What can be seen on this machine."""
    found: list[Diagnosis] = []
    folder = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    room = f"{free >> 20} MiB free at {folder}"
    found.append(_said("room", free >= _ROOM_BYTES, room, f"make room: below {_ROOM_BYTES >> 20} MiB no work is taken"))
    state = home.running()
    if state is None:
        last = home.last()
        if last is not None and last.error:
            found.append(_said("processes", False, f"the last start failed: {last.error}", f"see {home.logs}"))
        return found
    for part in state.parts:
        well = part.state in (PartState.READY, PartState.DONE)
        what = f"{part.state.value}, {part.restarts} restarts" + (f"; {part.note}" if part.note else "")
        found.append(_said(part.name, well, what, f"see the end of {part.log}"))
    return found


def _there(home: Home) -> list[Diagnosis]:
    """What review-api says of itself, the servers, and the stages."""
    try:
        with Api.of(home) as api:
            found = [_clock(api), *api.diagnoses()]
            for stage in api.stages():
                if stage["paused"]:
                    advice = f"mend what is named, then `heaters resume {stage['stage']}`"
                    found.append(_said(f"stage {stage['stage']}", False, f"rests: {stage['reason']}", advice))
            stages_of = [failure["stage"] for failure in api.failures()]
            refused = stages_of.count("admission")  # they were answered, and there is nothing to mend
            failures = len(stages_of) - refused
            what = f"{failures} open" + (f", and {refused} requests were refused" if refused else "")
            advice = "`heaters failed` lists them; retry or discard each"
            return [*found, _said("failures", failures == 0, what, advice)]
    except (ApiError, NothingRunning, Unreachable) as problem:
        return [
            _said("review-api", False, str(problem), "start it: `heaters up`, or set HEATERS_URL and HEATERS_TOKEN")
        ]


def _clock(api: Api) -> Diagnosis:
    try:
        theirs = httpx.get(f"{api.url}/healthz", timeout=5, trust_env=False).headers.get("date", "")
        skew_s = abs(parsedate_to_datetime(theirs).timestamp() - time.time())
    except (httpx.TransportError, ValueError, TypeError):
        return _said("our clock", True, "review-api does not say what time it is")
    return _said(
        "our clock", skew_s <= _MOST_SKEW_S, f"{skew_s:.0f} s from review-api's", "let a time service keep the clocks"
    )


def _said(part: str, ok: bool, what: str, advice: str = "") -> Diagnosis:
    return {"part": part, "ok": ok, "what": what, "advice": "" if ok else advice}
