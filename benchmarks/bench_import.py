"""What an import costs, above bare Python, each time in a fresh process."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from table import Row, main

HEAVY = ("numpy", "pandas", "xarray", "plotly", "ipywidgets", "requests")


def cpu_of(code: str) -> float:
    """Return the CPU seconds of a fresh Python that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows(full: bool) -> Iterator[Row]:
    """Yield the rows of the table."""
    for name, goal in (("smd_notebook", "<= 50"), ("smd_notebook.feed", ""), ("pandas", "")):
        found = [cpu_of(f"import {name}") - cpu_of("pass") for _ in range(31 if full else 11)]
        yield Row(f"import {name}, CPU above bare Python", 1e3 * median(found), goal, "ms")
    code = "import sys; before = set(sys.modules); import smd_notebook; after = set(sys.modules)"
    code += f"; print(len(after - before), len(after & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, heavy = map(float, done.stdout.split())
    yield Row("modules that `import smd_notebook` loads", loaded)
    yield Row(f"of {', '.join(HEAVY)}", heavy, "<= 0")


if __name__ == "__main__":
    main("bench_import")
