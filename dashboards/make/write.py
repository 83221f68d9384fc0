#!/usr/bin/env python3
"""Writes the dashboards beside this folder. With --check nothing is written: it says
which file is not what it would write, and ends with 1 then."""

import json
import os
import sys

sys.dont_write_bytecode = True

import exporter  # noqa: E402
import overview  # noqa: E402
import target  # noqa: E402

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def text_of(module):
    return json.dumps(module.build(), indent=2, ensure_ascii=False) + "\n"


def main():
    different = []
    for module in (overview, target, exporter):
        path = os.path.join(FOLDER, module.UID + ".json")
        text = text_of(module)
        if "--check" not in sys.argv[1:]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            try:
                with open(path, encoding="utf-8") as file:
                    there = file.read()
            except FileNotFoundError:
                there = ""
            if there != text:
                different.append(f"dashboards/{module.UID}.json is not what dashboards/make/write.py writes; run it")
    if different:
        print("\n".join(different))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
