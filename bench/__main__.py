"""``python -m bench`` lists the measurements; ``python -m bench NAME …`` runs one."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    names = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    if len(sys.argv) > 1 and sys.argv[1] in names:
        name = sys.argv.pop(1)
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
        return
    for name in names:
        summary = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or ""
        print(f"  {name:10} {summary.splitlines()[0]}")
    print("\nRun one with: python -m bench NAME [options]")


if __name__ == "__main__":
    main()
