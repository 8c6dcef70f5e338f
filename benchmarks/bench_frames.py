"""How fast files become tidy frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

from bench_read import PGE, bare_expat
from table import Row, cpu_times, feed_file, main, peak_memory, ratio

import smd_notebook as smd


def rows(_: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    path = feed_file(35_040, PGE)
    feed = smd.read(path)

    def tidy() -> object:
        return smd.Feed(feed.document, tz=feed.tz, findings=feed.noticed).tidy()

    times = cpu_times({"file": lambda: smd.read(path).tidy(), "tidy": tidy, "expat": partial(bare_expat, path.read_bytes())}, 11)
    what = "PG&E-style, indented, 35,040 readings: "
    yield Row(what + "smd.read(file).tidy() : bare expat", ratio(times["file"], times["expat"]), "<= 0.7")
    yield Row(what + "tidy() : bare expat", ratio(times["tidy"], times["expat"]))
    yield Row(what + "tidy()", 1e3 * median(times["tidy"]), "", "ms")
    setup = f"import smd_notebook as smd; feed = smd.read({str(path)!r}); smd.sample('lapse2024').tidy()"
    peak, held = peak_memory(setup, "feed.tidy()", "result.memory_usage(deep=False).sum()")
    yield Row(what + "tidy(), peak anonymous memory", peak, "", "MiB")
    yield Row(what + "size of the frame", held / 2**20, "", "MiB")


if __name__ == "__main__":
    main("bench_frames")
