import pytest
from heaters_contracts.detectors import UnknownDetector, Wish, read_wish
from heaters_contracts.ingest import IngestRequest
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("adaptive", Wish("adaptive", 1.0)),
        ("cascade@1", Wish("cascade", 1.0)),
        ("transnetv2@0.75", Wish("transnetv2", 0.75)),
    ],
)
def test_a_wish_is_a_name_and_how_strict_to_be(text, wish):
    assert read_wish(text) == wish


def test_a_wish_is_written_as_it_is_read():
    assert [str(Wish("adaptive")), str(Wish("adaptive", 1.25)), str(Wish("cascade", 2.0))] == [
        "adaptive",
        "adaptive@1.25",
        "cascade@2",
    ]


@pytest.mark.parametrize(
    "text", ["", "histogram", "Adaptive", "adaptive@", "adaptive@0", "adaptive@11", "adaptive@nan", "adaptive@1e1"]
)
def test_any_other_wish_is_refused(text):
    with pytest.raises(UnknownDetector):
        read_wish(text)


def request(detector: str) -> IngestRequest:
    source = {"kind": "url", "url": "https://films.example/harbour.mp4"}
    return IngestRequest.model_validate({"source": source, "options": {"detector": detector}})


def test_a_request_for_a_detector_that_there_is_not_is_refused_with_the_list():
    with pytest.raises(ValidationError, match="no detector 'histogram'; there are adaptive, transnetv2, cascade"):
        request("histogram")

    assert request("cascade@1.5").options.detector == "cascade@1.5"
    assert request("").options.detector == ""
