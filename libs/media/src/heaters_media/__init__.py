"""How film behaves: probe, ledger, plan, preprocess, playback and export.

Knows files and numbers, no bus and no object store. Functions are imported from the module of their name (`from
heaters_media.plan import plan`); the values that travel stand here, fetched when they are first used, so that whoever needs
only the ledger or playback never loads a decoder.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heaters_media.cut import ExportPlan as ExportPlan
    from heaters_media.errors import BadLedger as BadLedger
    from heaters_media.errors import BadMedia as BadMedia
    from heaters_media.errors import FrameCountMismatch as FrameCountMismatch
    from heaters_media.errors import NotAVideo as NotAVideo
    from heaters_media.errors import NoTimestamps as NoTimestamps
    from heaters_media.errors import NoVideoStream as NoVideoStream
    from heaters_media.errors import TooLarge as TooLarge
    from heaters_media.errors import Undecodable as Undecodable
    from heaters_media.errors import UnsupportedColours as UnsupportedColours
    from heaters_media.export import Exported as Exported
    from heaters_media.export import ExportMismatch as ExportMismatch
    from heaters_media.frames import FramesPlan as FramesPlan
    from heaters_media.ledger import AudioPackets as AudioPackets
    from heaters_media.ledger import FrameTable as FrameTable
    from heaters_media.ledger import Packets as Packets
    from heaters_media.master import Master as Master
    from heaters_media.plan import Plan as Plan
    from heaters_media.plan import PlannedSegment as PlannedSegment
    from heaters_media.playback import PlaybackPlan as PlaybackPlan
    from heaters_media.playback import Read as Read
    from heaters_media.preprocess import PreprocessedSegment as PreprocessedSegment
    from heaters_media.probe import AudioInfo as AudioInfo
    from heaters_media.probe import Probe as Probe
    from heaters_media.profiles import REVIEW as REVIEW
    from heaters_media.profiles import ProxyProfile as ProxyProfile
    from heaters_media.sample import SampleFilm as SampleFilm
    from heaters_media.storyboard import Storyboard as Storyboard
    from heaters_media.tiny import Tiny as Tiny
    from heaters_media.waveform import Waveform as Waveform

_HOMES = {
    "cut": "ExportPlan",
    "errors": (
        "BadLedger BadMedia FrameCountMismatch NoTimestamps NoVideoStream NotAVideo TooLarge Undecodable UnsupportedColours"
    ),
    "export": "ExportMismatch Exported",
    "frames": "FramesPlan",
    "ledger": "AudioPackets FrameTable Packets",
    "master": "Master",
    "plan": "Plan PlannedSegment",
    "playback": "PlaybackPlan Read",
    "preprocess": "PreprocessedSegment",
    "probe": "AudioInfo Probe",
    "profiles": "REVIEW ProxyProfile",
    "sample": "SampleFilm",
    "storyboard": "Storyboard",
    "tiny": "Tiny",
    "waveform": "Waveform",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
