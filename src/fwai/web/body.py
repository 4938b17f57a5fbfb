"""What request and response models of the API are built of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_REASON = 200

DateTimeString = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
NextCursor = Annotated[
    str | None, Field(description="Send it as `cursor` for what follows; null at the end.")
]


class RequestBody(BaseModel):
    """Base of request bodies; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")
