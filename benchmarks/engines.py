"""The analyses of `bench_cubes` as DuckDB and polars do them, on the Parquet files of `Cohort.to_parquet`, each in a process of its own.

They are written as their users would, but that homes are told by numbers instead of names, which spares them memory. The clock stops when
the result is an array, as ours is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["ENGINES", "reference"]

#: Anonymous memory, and room on the disk, at which an engine is stopped [GB], and time [s].
LIMIT, ROOM, PATIENCE = 8, 16, 900
ZONE = "America/Los_Angeles"


def duckdb(what: str, archive: str, out: Any, first: int) -> None:
    """Compute with DuckDB, which goes to disk where its memory ends: at four fifths of all, as is its custom."""
    import duckdb as engine

    hours = (
        f"select home, (epoch(start_utc)::bigint - {first}) // 3600 as hour, sum(value) as value, count(value) as n from homes group by all"
    )
    queries = {
        "profile": """select home, hour(start_utc) * 4 + minute(start_utc) // 15 as cell, quantile_cont(value * 4, [0.1, 0.5, 0.9]) as value
            from homes group by all""",
        "hourly": f"select home, hour as cell, value from ({hours})",
        "duration": """select home, list_transform(range(101), lambda share: rates[greatest((share * len(rates) + 99) // 100, 1)]) as value
            from (select home, list(value * 4 order by value desc) as rates from homes where value is not null group by home)""",
        "by_hour": f"""select home, hour(to_timestamp(hour * 3600 + {first})) as cell, avg(value) as value
            from ({hours}) where n = 4 group by all""",
    }
    with tempfile.TemporaryDirectory(prefix="smd_bench") as folder:
        base = engine.connect(config={"memory_limit": f"{0.8 * LIMIT}GB", "temp_directory": folder, "max_temp_directory_size": f"{ROOM}GB"})
        base.execute(f"set timezone = '{ZONE}'")
        files = f"read_parquet('{archive}/**/*.parquet', hive_partitioning = true, hive_types = {{'usage_point': varchar}})"
        base.execute(f"create view homes as select right(usage_point, 5)::int as home, start_utc, value from {files}")
        for batch in base.execute(queries[what]).to_arrow_reader(1_000_000):
            *place, value = (batch.column(number) for number in range(batch.num_columns))
            numbers = value.flatten() if out.ndim > len(place) else value
            key = tuple(one.to_numpy(zero_copy_only=False) for one in place)
            out[key] = numbers.to_numpy(zero_copy_only=False).reshape(len(batch), *out.shape[len(place) :])


def polars(what: str, archive: str, out: Any, first: int) -> None:
    """Compute with polars' streaming engine."""
    import polars as pl

    value, start, n = pl.col("value"), pl.col("start_utc"), pl.col("value").count()
    homes = pl.scan_parquet(archive, hive_schema={"usage_point": pl.String}).select(
        start, value, home=pl.col("usage_point").str.tail(5).cast(pl.Int32)
    )
    hours = homes.group_by("home", hour=(start.dt.epoch("s") - first) // 3600).agg(pl.when(n > 0).then(value.sum()), n=n)
    local = start.dt.convert_time_zone(ZONE)
    hour = pl.from_epoch(pl.col("hour") * 3600 + first).dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE).dt.hour()
    queries = {
        "profile": homes.group_by("home", cell=local.dt.hour().cast(pl.Int32) * 4 + local.dt.minute() // 15).agg(
            [(value * 4).quantile(share, "linear").alias(str(share)) for share in (0.1, 0.5, 0.9)]
        ),
        "hourly": hours.select("home", "hour", "value"),
        "duration": homes.group_by("home").agg(
            (value.drop_nulls().sort(descending=True) * 4).gather(((pl.int_range(101) * n + 99) // 100 - 1).clip(0))
        ),
        "by_hour": hours.filter(pl.col("n") == 4).group_by("home", cell=hour).agg(value.mean()),
    }
    table = queries[what].collect(engine="streaming")
    if what == "duration":
        table = table.explode("value").with_columns(cell=pl.int_range(101).over("home")).select("home", "cell", "value")
    out[table[:, 0].to_numpy(), table[:, 1].to_numpy()] = table[:, 2:].to_numpy().reshape(len(table), *out.shape[2:])


ENGINES = {"DuckDB": duckdb, "polars": polars}


def reference(engine: str, what: str, archive: Path, want: Any, first: int) -> tuple[float, float] | str:
    """Return which time [s] and peak of anonymous memory [MiB] an engine takes, once its numbers are known to be ours; or why not.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    what : str
        An analysis, as `bench_cubes` calls it.
    archive : path
        The Parquet files.
    want : array, shape (n_homes, ...)
        Our result; homes are called by their place in it, in five digits.
    first : int
        When the first hour of it begins [s since 1970-01-01T00:00Z].
    """
    with tempfile.TemporaryDirectory(prefix="smd_bench") as folder:
        found = Path(folder, "found.npy")
        command = [sys.executable, __file__, engine, what, str(archive), str(found), repr(want.shape), str(first)]
        peak, begun = 0.0, time.monotonic()
        environment = {**os.environ, "TMPDIR": folder}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
            while run.poll() is None:
                peak = max(peak, _anonymous(run.pid))
                reasons = {
                    f"out of memory at {LIMIT} GB": peak > LIMIT * 1e9,
                    # DuckDB keeps to no limit of its own
                    f"out of memory: {ROOM} GB of it are on disk": _on_disk(folder) > ROOM * 1e9,
                    f"not done in {PATIENCE} s": time.monotonic() > begun + PATIENCE,
                }
                if any(reasons.values()):
                    run.kill()
                    return next(reason for reason, holds in reasons.items() if holds)
                time.sleep(0.02)
            said, complaints = run.communicate()
        if run.returncode:
            if "OutOfMemory" in complaints:
                return f"out of memory at {LIMIT} GB"
            raise RuntimeError(complaints)
        np.testing.assert_allclose(np.load(found, mmap_mode="r"), want, rtol=1e-9)
    return float(said), peak / 2**20


def _anonymous(process: int) -> float:
    """Return how much memory of its own a process has [bytes]."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _on_disk(folder: str) -> float:
    """Return how much the files in a folder take [bytes]."""
    sizes = 0.0
    for file in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):
            sizes += file.stat().st_blocks * 512.0
    return sizes


if __name__ == "__main__":
    name, analysis, files, target, shape, zero = sys.argv[1:]
    result = np.full([int(one) for one in shape.strip("()").split(",") if one], np.nan)
    start = time.monotonic()
    ENGINES[name](analysis, files, result, int(zero))
    print(time.monotonic() - start)
    np.save(target, result)
