"""What can go wrong while a policy is evaluated."""


class RegoError(Exception):
    """Evaluation stops: the policy contradicts itself, or we cannot go on. Ends in a denial."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """A stable word: `rego_conflict`, `rego_internal`, `rego_builtin`."""
        self.message = message


class BuiltinError(Exception):
    """A builtin refuses its operands. OPA's rule is ours: the expression is then undefined."""

    code = "eval_builtin_error"
    """OPA's error code."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OperandError(BuiltinError):
    """An operand has the wrong type or range."""

    code = "eval_type_error"
