"""The one base of everything that is written to the stream or read from it."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value that ignores unknown fields, so that an older reader understands a newer writer."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        use_attribute_docstrings=True,  # what is said of a field here stands in its schema, for readers elsewhere
        allow_inf_nan=False,  # JSON has no word for them: readers in other languages would fail on the whole message
    )
