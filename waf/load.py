"""Rule files to rules that are ready to run: parsed, selected, assembled."""

import posixpath
from dataclasses import replace

from callout.config.problems import Rejected
from waf.assemble import assemble
from waf.fold import fold
from waf.operators.contract import OperatorProblem
from waf.operators.table import OPERATORS
from waf.rules import RuleSet
from waf.seclang.files import Files
from waf.seclang.parse import parse
from waf.seclang.select import select
from waf.transformations.table import TRANSFORMATIONS


def load(name: str, files: Files) -> RuleSet | Rejected:
    """What the file `name` says, with all that it includes.

    Args:
        name: of the first rule file.
        files: contents by path, those that rules name among them (`@pmFromFile`).
    """
    program = parse(name, files)
    if isinstance(program, Rejected):
        return program

    def read(file: str, wanted: str) -> bytes:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), wanted))
        content = files.get(path)
        if content is None:
            raise OperatorProblem(f"there is no file {wanted}")
        return content

    folded = fold(select(program), OPERATORS)
    rules = assemble(folded.program, OPERATORS, TRANSFORMATIONS, read, folded.tx)
    if isinstance(rules, Rejected):
        return rules
    return replace(rules, answered=folded.answered)
