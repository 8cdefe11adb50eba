"""`gatewright authz fmt PATH...`: `opa fmt`, by OPA's own code, where no `opa` is installed."""

import argparse
import base64
import difflib
import sys
from pathlib import Path
from typing import NamedTuple

from extauthz.policy.compiler import program
from gatewright.cli.authz import files
from gatewright.cli.folders import cache_folder, say

HELP = "format Rego, as `opa fmt`: to standard output, unless a flag says otherwise"


class _File(NamedTuple):
    name: str
    before: bytes
    after: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="Rego: files or folders")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("-l", "--list", action="store_true", help="names of files that would change")
    way.add_argument("-d", "--diff", action="store_true", help="what would change in them")
    way.add_argument("-w", "--write", action="store_true", help="change them")
    way.add_argument("--check", action="store_true", help="as --list; exit 1 if there is any")


def run(arguments: argparse.Namespace) -> int:
    """Formats all of them; exit status 1 if one is no Rego."""
    try:
        found = files.read(arguments.paths, files.rego)
        requests = [
            {"command": "format", "name": name, "text": base64.b64encode(data).decode()}
            for name, data in found.items()
        ]
        answers = program.find(cache_folder(), say)(requests) if requests else []
    except (files.Unreadable, program.CompilerMissing) as error:
        print(error, file=sys.stderr)
        return 1
    code = 0
    for (name, before), answer in zip(found.items(), answers, strict=True):
        for each in answer.get("errors", ()):
            print(
                f"{each['file'] or name}:{each['row']}:{each['col']}: {each['message']}",
                file=sys.stderr,
            )
            code = 1
        if "text" in answer:
            file = _File(name, before, base64.b64decode(answer["text"]))
            code |= _show(file, arguments)
    return code


def _show(file: _File, arguments: argparse.Namespace) -> int:
    changed = file.before != file.after
    if arguments.list or arguments.check:
        if changed:
            print(file.name)
        return int(changed and arguments.check)
    if arguments.diff:
        sys.stdout.writelines(_difference(file))
    elif not arguments.write:
        sys.stdout.flush()
        sys.stdout.buffer.write(file.after)
        sys.stdout.buffer.flush()
    elif changed:
        try:
            Path(file.name).write_bytes(file.after)
        except OSError as error:
            print(f"{file.name}: {error.strerror}", file=sys.stderr)
            return 1
    return 0


def _difference(file: _File) -> list[str]:
    before, after = (text.decode(errors="replace") for text in (file.before, file.after))
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        file.name,
        f"{file.name} (formatted)",
    )
    return [
        each if each.endswith("\n") else each + "\n\\ No newline at end of file\n" for each in lines
    ]
