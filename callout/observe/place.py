"""Where an exception was raised, for a log line that must not hold the exception's own text."""


def place_of(error: BaseException) -> str:
    """`Class.method:17` of the innermost frame; empty if it was never raised.

    The text of an exception may quote request data; its type and its place say enough.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else ""
