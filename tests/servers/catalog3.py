"""What the 3.x test server knows of databases, tables and columns, and how it
puts a file in place. The catalog is a file of our own form, because nothing
outside the server reads the real one. Not safe from several threads.
"""

import json
import os
import uuid


class TooManyDatabases(Exception):
    """Answered with 422."""


def put_file(path, data, replace):
    """As object_store's local file system does: under another name first, then
    a link that fails where the name is taken, or a rename."""
    staged, count = "", 0
    while not staged:
        count += 1
        try:
            descriptor = os.open(f"{path}#{count}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            staged = f"{path}#{count}"
        except FileExistsError:
            continue
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if replace:
            os.rename(staged, path)
            staged = ""
        else:
            os.link(staged, path)
    finally:
        if staged:
            os.unlink(staged)


class Catalog:
    """Databases, tables and columns with their ids."""

    def __init__(self, path, max_databases):
        self._path, self._max = path, max_databases
        self.cluster_uuid = str(uuid.uuid4())
        self.sequence = 1
        self.databases = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                vars(self).update(json.load(file))

    def save(self):
        state = {"cluster_uuid": self.cluster_uuid, "sequence": self.sequence, "databases": self.databases}
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        put_file(self._path, json.dumps(state).encode(), replace=True)

    def adopt(self, name, database_id, table_ids):
        """A database met in a WAL that came without a catalog."""
        database = self.databases.setdefault(name, {"id": database_id, "tables": {}})
        for table_id in table_ids:
            if table_id not in [table["id"] for table in database["tables"].values()]:
                database["tables"][f"#{table_id}"] = {"id": table_id, "columns": {}}

    def database(self, name):
        if name not in self.databases:
            if len(self.databases) >= self._max:
                raise TooManyDatabases(f"Adding a new database would exceed limit of {self._max} databases")
            newest = max([database["id"] for database in self.databases.values()], default=0)
            self.databases[name] = {"id": newest + 1, "tables": {}}  # 0 is _internal
            self.sequence += 1
            self.save()
        return self.databases[name]

    def columns_of(self, database, point):
        """Table id and column ids of a point; raises ValueError on a conflict of
        kinds, before anything is changed."""
        table = database["tables"].get(point.measurement)
        known = table["columns"] if table else {}
        wanted = [(key, "tag") for key, _ in point.tags] + [(key, f"field::{kind}") for key, kind, _ in point.fields]
        for key, kind in wanted:
            if key in known and known[key][1] != kind:
                raise ValueError(
                    f"invalid column type for column '{key}', expected iox::column_type::{known[key][1]}, "
                    f"got iox::column_type::{kind}"
                )
        changed = table is None
        if changed:
            newest = max([other["id"] for other in database["tables"].values()], default=-1)
            table = database["tables"][point.measurement] = {"id": newest + 1, "columns": {}}
        for key, kind in wanted + [("time", "time")]:
            if key not in table["columns"]:
                table["columns"][key] = [len(table["columns"]), kind]
                changed = True
        if changed:
            self.sequence += 1
            self.save()
        return table["id"], {key: column[0] for key, column in table["columns"].items()}
