"""Writes msgspec Structs into tables whose columns have the fields' names, and reads them back. No joins."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar, get_origin

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)
Value = str | int | float | bytes | None


class Rows(Generic[T]):
    """The rows of one table as Structs of one type. Tuples are kept as JSON text, bools as 0 and 1."""

    def __init__(
        self, type: type[T], table: str, key: tuple[str, ...], skip: tuple[str, ...] = ()
    ) -> None:
        fields = [field for field in msgspec.structs.fields(type) if field.name not in skip]
        self.type, self.table, self.key = type, table, key
        self.names = [field.name for field in fields]
        self._tuples = {f.name: f.type for f in fields if get_origin(f.type) is tuple}
        self._bools = [f.name for f in fields if f.type is bool]
        self.columns = ", ".join(self.names)
        slots = ", ".join("?" for _ in self.names)
        rest = [name for name in self.names if name not in key]
        update = ", ".join(f"{name} = excluded.{name}" for name in rest)
        self._insert = f"INSERT INTO {table} ({self.columns}) VALUES ({slots})"
        self._upsert = f"{self._insert} ON CONFLICT ({', '.join(key)}) DO " + (
            f"UPDATE SET {update}" if rest else "NOTHING"
        )
        picked = ", ".join(f"json_extract(value, '$.{name}')" for name in self.names)
        self._insert_json = (
            f"INSERT OR IGNORE INTO {table} ({self.columns}) SELECT {picked} FROM json_each(?)"
        )
        self._keyed = " AND ".join(f"{name} = ?" for name in key)

    def put(self, connection: sqlite3.Connection, value: T) -> None:
        connection.execute(self._upsert, self.row(value))

    def put_many(self, connection: sqlite3.Connection, values: Iterable[T]) -> None:
        connection.executemany(self._upsert, map(self.row, values))

    def insert_new(self, connection: sqlite3.Connection, values: Sequence[T]) -> None:
        """Leaves rows alone that are there already. All rows are one JSON text: one call into SQLite, without Python's lock.

        A row at a time costs as many hand-overs of that lock as there are rows, and the event loop pays for them.
        """
        connection.execute(self._insert_json, (msgspec.json.encode(values).decode(),))

    def get(self, connection: sqlite3.Connection, *key: Value) -> T | None:
        sql = f"SELECT {self.columns} FROM {self.table} WHERE {self._keyed}"
        row = connection.execute(sql, key).fetchone()
        return self.value(row) if row else None

    def select(
        self, connection: sqlite3.Connection, rest: str = "", args: Sequence[Value] = ()
    ) -> list[T]:
        """All rows; `rest` is what follows the table's name in the SELECT."""
        sql = f"SELECT {self.columns} FROM {self.table} {rest}"
        return [self.value(row) for row in connection.execute(sql, args)]

    def delete(self, connection: sqlite3.Connection, *key: Value) -> bool:
        sql = f"DELETE FROM {self.table} WHERE {self._keyed}"
        return connection.execute(sql, key).rowcount > 0

    def row(self, value: T) -> list[Value]:
        row = [getattr(value, name) for name in self.names]
        for name in self._tuples:
            at = self.names.index(name)
            row[at] = msgspec.json.encode(row[at]).decode()
        return row

    def value(self, row: Sequence[Any]) -> T:
        fields = dict(zip(self.names, row, strict=True))
        for name in self._bools:
            fields[name] = bool(fields[name])
        for name, type in self._tuples.items():
            fields[name] = msgspec.json.decode(fields[name], type=type)
        return self.type(**fields)
