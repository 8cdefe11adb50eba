"""What is wrong with a document."""

from extauthz.policy.builtins.graphql.nodes import Position
from extauthz.policy.errors import BuiltinError


def syntax_error(message: str, position: Position) -> BuiltinError:
    """OPA's text for what gqlparser's parser says."""
    line, column = position
    return BuiltinError(f"{message} in GraphQL string at location {line}:{column}")


def validation_error(message: str, position: Position | None) -> BuiltinError:
    """OPA's text for what gqlparser's validator says about a query."""
    if position is None:
        return BuiltinError(f"GraphQL parse error: input: {message}")
    return syntax_error(message.removesuffix("."), position)


def schema_error(message: str, position: Position | None) -> BuiltinError:
    """OPA's text for what gqlparser's validator says about a schema."""
    place = f":{position.line}:{position.column}" if position else ""
    return BuiltinError(
        f"Error in gqlparser SchemaDocument to Schema conversion: input{place}: {message}"
    )
