"""Programs written down as a rule file: what a parser must read back."""

from waf.seclang.syntax import ActionCall, Marker, OperatorCall, Program, Rule, Setting, Target

_KINDS = {"value": "", "count": "&", "except": "!"}


def printed(program: Program) -> str:
    """One rule file without Includes; places are not kept."""
    lines: list[str] = []
    for item in program.items:
        if isinstance(item, Rule):
            lines += [_rule(each) for each in (item, *item.links)]
        elif isinstance(item, Marker):
            lines.append(f"SecMarker {_quoted(item.name)}")
        else:
            assert isinstance(item, Setting)
            lines.append(" ".join([item.name, *map(_quoted, item.arguments)]))
    return "".join(f"{line}\n" for line in lines)


def _rule(rule: Rule) -> str:
    actions = _quoted(", \\\n  ".join(map(_action, rule.actions)))
    if rule.operator is None:
        return f"SecAction {actions}"
    targets = _quoted("|".join(map(_target, rule.targets)))
    return f"SecRule {targets} \\\n  {_quoted(_operator(rule.operator))} \\\n  {actions}"


def _target(target: Target) -> str:
    text = _KINDS[target.kind] + target.collection
    if target.selector is None:
        return text
    return f"{text}:/{target.selector}/" if target.pattern else f"{text}:'{target.selector}'"


def _operator(call: OperatorCall) -> str:
    return f"{'!' if call.negated else ''}@{call.name} {call.argument}"


def _action(call: ActionCall) -> str:
    if call.argument is None:
        return call.name
    argument = call.argument.replace("'", "\\'")
    return f"{call.name}:'{argument}'"


def _quoted(text: str) -> str:
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'
