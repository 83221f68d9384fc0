"""The storage of the 3.x test server: buffer, flush, WAL files, snapshots,
kept files, replay. Follows exporter/influxdb/FACTS.md; where that is silent, the
order of events of the upstream source.

Threads: write() may be called from any; one thread flushes, so WAL files are
made one after the other; each snapshot is persisted on a thread of its own,
never two at once, and after the write that caused it was answered.
"""

import datetime
import json
import os
import sys
import threading
import time
from dataclasses import dataclass

import wal3
from catalog3 import Catalog, put_file
from periods import Period, Periods

WAL_TAKEN = "another process has written to the WAL ahead of this one"
I64_MAX = 2**63 - 1


class StartFailed(Exception):
    pass


class Panicked(StartFailed):
    """An assertion of the server: the process ends with status 101."""


class WriteFailed(Exception):
    """Answered with 500."""


@dataclass
class Options:
    data_dir: str
    node_id: str = "node0"
    cluster_id: str = ""  # of Enterprise, whose catalog lies there; Core has it in the node's folder
    upgraded: bool = False  # Enterprise's other storage engine, which keeps its WAL and snapshots elsewhere
    snapshot_size: int = 600
    flush_ns: int = 10**9
    kept_files: int = 300
    fail_on_error: bool = False  # --wal-replay-fail-on-error
    gen1_ns: int = 600 * 10**9
    force_snapshot_mem_bytes: int | None = None
    mem_check_ns: int = 10 * 10**9
    max_databases: int = 5
    # How slow this machine is made to look.
    replay_cost_ns: int = 0  # per pending file at start
    snapshot_delay_ns: int = 20 * 10**6  # from the answer to the trigger to the snapshot file
    # A WAL file that can't be written is tried again this often before the 500.
    put_retries: int = 100
    put_retry_ns: int = 100 * 10**6


class _Waiter:
    def __init__(self):
        self._done = threading.Event()
        self._error = None

    def finish(self, error=None):
        self._error = error
        self._done.set()

    def wait(self):
        self._done.wait()
        if self._error is not None:
            raise WriteFailed(self._error)


class _Buffer:
    def __init__(self):
        self.databases = {}  # name -> (id, {table id: {chunk time: [row]}})
        self.waiters = []

    def empty(self):
        return not self.databases

    def ops(self, catalog_sequence):
        ops = []
        for name, (database_id, tables) in self.databases.items():
            table_rows, all_times = [], []
            for table_id, chunks in tables.items():
                times = [row[0] for rows in chunks.values() for row in rows]
                all_times += [min(times), max(times)]
                table_rows.append((table_id, (min(times), max(times), list(chunks.items()))))
            ops.append((wal3.WRITE, (catalog_sequence, database_id, name, table_rows, min(all_times), max(all_times))))
        return ops


class Engine:
    def __init__(self, options, clock, on_end=lambda: None):
        self.options, self.clock, self._on_end = options, clock, on_end
        self.node_dir = os.path.join(options.data_dir, options.node_id)
        files = os.path.join(options.data_dir, "pt", options.node_id) if options.upgraded else self.node_dir
        self.wal_dir = os.path.join(files, "wal")
        self.snapshot_dir = os.path.join(files, "snapshots")
        self._has_folders = False
        self._changed = threading.Condition()
        self._buffer = _Buffer()
        self._state = "starting"  # then accepting, closing or taken
        self._force = False
        self._snapshot_slot = threading.Semaphore(1)
        self._snapshots_running = 0
        self._chunks = {}  # (database id, table id, chunk time) -> [rows, smallest time, largest time, bytes]
        self._next_file_id = 0
        self._parquet_file_id = 0
        self.stalled = False
        self.hold_snapshot = None  # "before" or "half" while a test holds it
        self.counters = {"wal_files": 0, "snapshots": 0, "forced_snapshots": 0, "deleted_files": 0, "replayed_files": 0}
        self.counters |= {"skipped_files": 0}
        self._threads = []

    # --- start ---------------------------------------------------------------

    def open(self):
        home = os.path.join(self.options.data_dir, self.options.cluster_id) if self.options.cluster_id else self.node_dir
        path = os.path.join(home, "catalog", "test_server_catalog.json")
        self.catalog = Catalog(path, self.options.max_databases)
        last_sequence, last_wal = self._newest_snapshot()
        self._last_persisted_sequence = last_sequence
        self._periods = Periods(self.options.snapshot_size, self.options.gen1_ns, last_sequence)
        self._next_number = last_wal + 1
        files = []
        if os.path.isdir(self.wal_dir):
            files = [entry.name for entry in os.scandir(self.wal_dir) if entry.is_file() and wal3.is_listed(entry.name)]
        self._oldest = min(filter(None, map(wal3.wal_number, files)), default=1)
        # Whatever its name.
        for name in sorted(files, key=os.fsencode):
            if not last_wal or os.fsencode(name) > os.fsencode(wal3.wal_name(last_wal)):
                self._replay(name)
        self.catalog.save()
        self._state = "accepting"
        self._start(self._flush_loop)
        if self.options.force_snapshot_mem_bytes is not None:
            self._start(self._memory_loop)

    def _start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        with self._changed:
            self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def _newest_snapshot(self):
        listed = os.listdir(self.snapshot_dir) if os.path.isdir(self.snapshot_dir) else []
        sequences = sorted(filter(None, map(wal3.snapshot_sequence, listed)))
        if not sequences:
            return 0, 0
        path = os.path.join(self.snapshot_dir, wal3.snapshot_name(sequences[-1]))
        try:
            with open(path, "rb") as file:
                fields = json.load(file)
            self._parquet_file_id = fields["next_file_id"]
            return fields["snapshot_sequence_number"], fields["wal_file_sequence_number"]
        except (OSError, ValueError, KeyError) as error:
            raise StartFailed(f"{path}: not a snapshot: {error}") from error

    def _replay(self, name):
        path = os.path.join(self.wal_dir, name)
        threading.Event().wait(self.options.replay_cost_ns / 1e9)
        try:
            with open(path, "rb") as file:
                contents = wal3.decode_file(file.read())
        except wal3.DamagedFile as error:
            if error.reason == "contents" or self.options.fail_on_error:
                raise StartFailed(f"Error loading WAL file {path}: {error}") from error
            self.counters["skipped_files"] += 1
            self.warn(f"Skipping corrupt WAL file {path}: {error}")
            return
        except OSError as error:
            raise StartFailed(f"Error loading WAL file {path}: {error}") from error
        self.counters["replayed_files"] += 1
        if contents.min_ns > contents.max_ns:
            raise Panicked("assertion failed: min_time <= max_time")
        try:
            self._periods.add(Period(contents.number, contents.min_ns, contents.max_ns))
        except ValueError as error:
            raise Panicked("assertion failed: last_period.wal_file_number < wal_period.wal_file_number") from error
        self._next_number = contents.number + 1
        self._index(contents)
        if contents.snapshot is None:
            return
        # The file says that a snapshot was begun with it. It is made again only
        # where no snapshot file tells of it.
        due = self._periods.look(contents.snapshot.forced)
        if contents.snapshot.sequence > self._last_persisted_sequence:
            self._persist(contents.snapshot, self._take_chunks(contents.snapshot.end_time_marker))
        if due is not None:
            self._delete_old(due.last_wal)

    @staticmethod
    def warn(text):
        print(f"warning: {text}", file=sys.stderr, flush=True)

    # --- writes --------------------------------------------------------------

    def write(self, database_name, points, wait=True):
        """`points` have their time in ns. Returns once they are on disk. A list
        of (point, message) of those that don't fit the columns is returned."""
        refused = []
        with self._changed:
            if self._state != "accepting":
                raise WriteFailed("wal is shutdown and not accepting writes")
            database = self.catalog.database(database_name)
            accepted = []
            for point in points:
                try:
                    accepted.append((point, *self.catalog.columns_of(database, point)))
                except ValueError as error:
                    refused.append((point, str(error)))
            if not accepted:
                return refused
            _, tables = self._buffer.databases.setdefault(database_name, (database["id"], {}))
            for point, table_id, columns in accepted:
                fields = [(columns[key], (wal3.FIELD_KINDS.index("tag"), value)) for key, value in point.tags]
                fields += [(columns[key], (wal3.FIELD_KINDS.index(kind), value)) for key, kind, value in point.fields]
                fields.append((columns["time"], (0, point.time)))
                chunk = self._periods.floor(point.time)
                tables.setdefault(table_id, {}).setdefault(chunk, []).append((point.time, fields))
            waiter = _Waiter()
            self._buffer.waiters.append(waiter)
            self._changed.notify_all()
        if wait:
            waiter.wait()
        return refused

    def write_void(self):
        """As 3.0 did for a write that held nothing valid: a file without a time."""
        with self._changed:
            number, self._next_number = self._next_number, self._next_number + 1
            now = self.clock.now_ns()
            smallest, largest = I64_MAX, -I64_MAX - 1
            self._periods.add(Period(number, smallest, largest))
        error = self._put_wal(wal3.WalContents(now // 10**6, smallest, largest, number, [(wal3.NOOP, (now,))], None))
        if error is not None:
            raise WriteFailed(str(error))

    def pending(self):
        """The periods a restart would replay."""
        with self._changed:
            return list(self._periods.rows)

    # --- flush ---------------------------------------------------------------

    def _flush_loop(self):
        """Flushes at multiples of the interval since the start; ticks that were
        missed are left out. With nothing buffered a tick does nothing."""
        interval = self.options.flush_ns / 1e9
        begin = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._state != "accepting" or self._force or not self._buffer.empty())
                tick = begin + (int((time.monotonic() - begin) / interval) + 1) * interval
                self._changed.wait_for(lambda: self._state != "accepting", timeout=tick - time.monotonic())
                if self._state != "accepting":
                    return
                force = self._force
            self._flush(force)
            if force:
                with self._changed:
                    self._force = False
                    self._changed.notify_all()

    def _flush(self, force=False):
        with self._changed:
            if self._buffer.empty() and not force:
                return
            buffer, self._buffer = self._buffer, _Buffer()
            number, self._next_number = self._next_number, self._next_number + 1
            now = self.clock.now_ns()
            ops = buffer.ops(self.catalog.sequence)
            smallest = min((write[4] for _, write in ops), default=now)
            largest = max((write[5] for _, write in ops), default=now + 1)
            self._periods.add(Period(number, smallest, largest))
            looks = not self.stalled and self._state == "accepting"
            details = self._periods.look(force) if looks else None
        contents = wal3.WalContents(now // 10**6, smallest, largest, number, ops or [(wal3.NOOP, (now,))], details)
        if details is not None:
            self._snapshot_slot.acquire()
        error = self._put_wal(contents)
        if error is not None:
            if details is not None:
                self._snapshot_slot.release()
            self._fail(buffer, error)
            return
        self.counters["wal_files"] += 1
        with self._changed:
            self._index(contents)
            if details is not None:
                self._snapshots_running += 1
                chunks = self._take_chunks(details.end_time_marker)
        if details is not None:
            self._start(self._snapshot, details, chunks)
        for waiter in buffer.waiters:
            waiter.finish()

    def _put_wal(self, contents):
        if not self._has_folders:
            for directory in (self.wal_dir, self.snapshot_dir):
                os.makedirs(directory, exist_ok=True)
            self._has_folders = True
        path = os.path.join(self.wal_dir, wal3.wal_name(contents.number))
        data = wal3.encode_file(contents)
        for attempt in range(self.options.put_retries + 1):
            try:
                put_file(path, data, replace=False)
                return None
            except FileExistsError:
                return FileExistsError
            except OSError as error:
                failure = error
                with self._changed:
                    if attempt < self.options.put_retries:
                        self._changed.wait_for(
                            lambda: self._state == "killed", timeout=self.options.put_retry_ns / 1e9
                        )
        return failure

    def _fail(self, buffer, error):
        if error is FileExistsError:
            with self._changed:
                self._state = "taken"
                buffer.waiters += self._buffer.waiters
                self._buffer = _Buffer()
            for waiter in buffer.waiters:
                waiter.finish(f"error writing wal file: {WAL_TAKEN}")
            self.warn("invoking shutdown after attempt to persist a WAL file that already exists on the object store")
            self._on_end()
            return
        with self._changed:
            buffer.waiters += self._buffer.waiters
            if not self._buffer.empty():
                self._next_number += 1  # what was buffered meanwhile is dropped with a number of its own
            self._buffer = _Buffer()
        for waiter in buffer.waiters:
            waiter.finish(f"error writing wal file: {error}")

    # --- snapshots -----------------------------------------------------------

    def _index(self, contents):
        for kind, write in contents.ops:
            if kind != wal3.WRITE:
                continue
            _, database_id, name, tables, _, _ = write
            self.catalog.adopt(name, database_id, [table_id for table_id, _ in tables])
            for table_id, (_, _, chunks) in tables:
                for chunk_time, rows in chunks:
                    entry = self._chunks.setdefault((database_id, table_id, chunk_time), [0, I64_MAX, -I64_MAX - 1, 0])
                    times = [row[0] for row in rows]
                    entry[0] += len(rows)
                    entry[1], entry[2] = min(entry[1], *times), max(entry[2], *times)
                    entry[3] += sum(32 + 24 * len(row[1]) for row in rows)

    def _take_chunks(self, marker):
        taken = {key: entry for key, entry in self._chunks.items() if key[2] < marker}
        for key in taken:
            del self._chunks[key]
        return taken

    def _snapshot(self, details, chunks):
        try:
            threading.Event().wait(self.options.snapshot_delay_ns / 1e9)
            if self._persist(details, chunks):
                self._delete_old(details.last_wal)
        except OSError as error:
            self.warn(f"snapshot {details.sequence}: {error}")
        finally:
            self._snapshot_slot.release()
            with self._changed:
                self._snapshots_running -= 1
                self._changed.notify_all()

    def _persist(self, details, chunks):
        """False where the process was killed before the snapshot file was there."""
        with self._changed:
            self._changed.wait_for(lambda: self.hold_snapshot != "before" or self._state == "killed")
            if self._state == "killed":
                return False
        tables, size = {}, 0
        for (database_id, table_id, chunk_time), (rows, smallest, largest, _) in sorted(chunks.items()):
            moment = datetime.datetime.fromtimestamp(chunk_time / 1e9, datetime.timezone.utc)
            path = f"dbs/{database_id}/{table_id}/{moment:%Y-%m-%d/%H-%M}/{details.last_wal:010d}.parquet"
            data = b"PAR1" + bytes(1875 + rows) + b"PAR1"
            os.makedirs(os.path.dirname(os.path.join(self.node_dir, path)), exist_ok=True)
            put_file(os.path.join(self.node_dir, path), data, replace=True)
            entry = {"id": self._parquet_file_id, "path": f"{self.options.node_id}/{path}", "size_bytes": len(data)}
            entry |= {"row_count": rows, "chunk_time": chunk_time, "min_time": smallest, "max_time": largest}
            tables.setdefault(database_id, {}).setdefault(table_id, []).append(entry)
            self._parquet_file_id += 1
            size += len(data)
        fields = {
            "version": "1",
            "node_id": self.options.node_id,
            "next_file_id": self._parquet_file_id,
            "snapshot_sequence_number": details.sequence,
            "wal_file_sequence_number": details.last_wal,
            "catalog_sequence_number": self.catalog.sequence,
            "parquet_size_bytes": size,
            "row_count": sum(entry[0] for entry in chunks.values()),
            "min_time": min((entry[1] for entry in chunks.values()), default=I64_MAX),
            "max_time": max((entry[2] for entry in chunks.values()), default=-I64_MAX - 1),
            "databases": [[key, {"tables": [[other, files] for other, files in value.items()]}] for key, value in tables.items()],
            "removed_files": [],
        }
        if not self._write_snapshot(os.path.join(self.snapshot_dir, wal3.snapshot_name(details.sequence)), fields):
            return False
        self.counters["snapshots"] += 1
        self.counters["forced_snapshots"] += details.forced
        return True

    def _write_snapshot(self, path, fields):
        data = wal3.encode_snapshot(fields)
        if self.hold_snapshot == "half":  # no real server does this: a disk that was full, or a copy in progress
            with open(path, "wb") as file:
                file.write(data[: len(data) // 2])
            with self._changed:
                self._changed.wait_for(lambda: self.hold_snapshot != "half" or self._state == "killed")
                if self._state == "killed":
                    return False
        put_file(path, data, replace=True)
        return True

    def _delete_old(self, last_wal):
        newest_to_delete = last_wal - self.options.kept_files
        for number in range(self._oldest, newest_to_delete + 1):
            try:
                os.unlink(os.path.join(self.wal_dir, wal3.wal_name(number)))
                self.counters["deleted_files"] += 1
            except FileNotFoundError:
                pass
            except OSError as error:
                self.warn(f"error deleting wal file {number}: {error}")
        self._oldest = max(self._oldest, newest_to_delete + 1)

    def _memory_loop(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._state != "accepting", timeout=self.options.mem_check_ns / 1e9)
                if self._state != "accepting":
                    return
                if sum(entry[3] for entry in self._chunks.values()) > self.options.force_snapshot_mem_bytes:
                    self._force = True
                    self._changed.notify_all()
                    done = lambda: self._state != "accepting" or (not self._force and self._snapshots_running == 0)
                    self._changed.wait_for(done)

    # --- for tests, and the end ----------------------------------------------

    def hold(self, how):
        """"before": the next snapshot waits before anything of it is on disk;
        "half": half of its file is there; None: goes on."""
        with self._changed:
            self.hold_snapshot = how
            self._changed.notify_all()

    def wait_for_snapshots(self, timeout=10):
        """Until no snapshot is being persisted; for tests in the same process."""
        with self._changed:
            return self._changed.wait_for(lambda: self._snapshots_running == 0, timeout)

    def close(self):
        """What SIGTERM does: flushes, does not snapshot."""
        self.hold(None)
        with self._changed:
            flushes = self._state == "accepting"
            if flushes:
                self._state = "closing"
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout=15)
        if flushes:
            self._flush()

    def kill(self):
        """What SIGKILL does: what is buffered is gone, a snapshot that was not
        written never is."""
        with self._changed:
            self._state = "killed"
            waiters, self._buffer = self._buffer.waiters, _Buffer()
            self._changed.notify_all()
            threads = list(self._threads)
        for waiter in waiters:
            waiter.finish("killed")
        for thread in threads:
            thread.join(timeout=15)
