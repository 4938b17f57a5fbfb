"""What any text column can hold: the last guard behind the borders that clean text.

Half a surrogate pair is no UTF-8, and PostgreSQL takes no NUL. A statement that fails for one value
would be tried again and again, and with it the rows of everybody that wait beside it.
"""

import json
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from fwai.store.transcript_files import clean, clean_text


def storable_values(
    connection: Connection,
    cursor: DBAPICursor,
    statement: str,
    parameters: Any,  # noqa: ANN401 - as the driver takes them
    context: ExecutionContext | None,
    executemany: bool,
) -> tuple[str, Any]:
    """Return a statement with values that a text column can hold; SQLAlchemy's event."""
    del connection, cursor, context
    if executemany:
        return statement, [_row(row) for row in parameters]
    return statement, _row(parameters)


def storable_json(value: object) -> str:
    """Serialise a JSON column's value; what no column can hold is left out of its texts."""
    text = json.dumps(value)
    if "\\ud" in text or "\\u0000" in text:  # the first is also half of every emoji
        text = json.dumps(clean(value))
    return text


def _row(row: Any) -> Any:  # noqa: ANN401
    if isinstance(row, dict):
        return {name: _value(value) for name, value in row.items()}
    if isinstance(row, tuple | list):
        return type(row)(map(_value, row))
    return row


def _value(value: object) -> object:
    if not isinstance(value, str) or (value.isascii() and "\x00" not in value):
        return value
    return clean_text(value)
