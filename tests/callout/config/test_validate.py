import datetime
from typing import Annotated, Literal

import pydantic
import pytest

from callout.config.problems import Rejected
from callout.config.validate import SECRET, Block, suggest, validate
from tests.callout.config.writing import lines, source


class Rego(Block):
    rego: str
    entrypoint: str


class Opa(Block):
    opa: str


class Jwt(Block):
    issuer: Annotated[str, pydantic.Field(min_length=3)]
    audience: tuple[str, ...]


class Entry(Block):
    jwt: Jwt | None = None
    anonymous: dict[str, str] | None = None


class Name(pydantic.RootModel[Annotated[str, SECRET, pydantic.Field(max_length=3)]]):
    pass


class Auth(Block):
    identity: tuple[Entry, ...] = ()
    some: Annotated[tuple[int, ...], pydantic.Field(min_length=2)] = (1, 2)
    decide: Literal["authenticated"] | Rego | Opa = "authenticated"
    emit: dict[Annotated[str, pydantic.Field(pattern="^[a-z-]+$")], str] = pydantic.Field(
        default_factory=dict
    )
    on_error: str = pydantic.Field("deny", alias="onError")
    mode: Literal["off", "shadow", "enforce"] = "enforce"
    share: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0
    password: Annotated[int, SECRET] | None = None
    key: pydantic.SecretBytes | pydantic.SecretStr | None = None
    code: Name | None = None
    day: datetime.date | None = None
    words: dict[str, Annotated[Literal["a"], SECRET]] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("on_error")
    @classmethod
    def _on_error(cls, value: str) -> str:
        if value != "deny":
            raise ValueError("expected deny, found something else")
        return value


ROWS = [
    ("[]", "test.yaml:1:1: expected a mapping, found a list of 0"),
    ("mode: 1", "mode: expected 'off', 'shadow' or 'enforce', found the number 1"),
    ("mode: enforced", "found the text 'enforced' (did you mean `enforce`?)"),
    ("identity: x", "identity: expected a list, found the text 'x'"),
    ("emit: []", "emit: expected a mapping, found a list of 0"),
    ("emit: {x: 1}", "test.yaml:1:11: emit.x: expected text, found the number 1"),
    ("emit: {X: a}", "test.yaml:1:8: emit.X: expected text that matches ^[a-z-]+$, found the text"),
    ("share: 1", "share: expected a number less than 1.0, found the number 1"),
    ("share: '0'", "share: expected a number, found the text '0'"),
    ("share: true", "share: expected a number, found true"),
    ("onError: allow", "test.yaml:1:10: onError: expected deny, found something else"),
    ("on_error: deny", "found an unknown key (did you mean `onError`?)"),
    ("modus: off", "test.yaml:1:1: modus: expected one of code, day, decide"),
    ("decide: 1", "decide: expected 'authenticated' or a mapping, found the number 1"),
    ("decide: authenticate", "(did you mean `authenticated`?)"),
    ("decide: {rego: a}", "test.yaml:1:9: decide: expected the key `entrypoint`, found none"),
    ("decide: {opa: 1}", "test.yaml:1:15: decide.opa: expected text, found the number 1"),
    ("identity: [{jwt: {issuer: abc, audience: [1]}}]", "identity[0].jwt.audience[0]: expected"),
    ("identity: [{jwt: {issuer: a, audience: []}}]", "text of at least 3 characters"),
    ("identity: [{jwt: {issuer: abc}}]", "identity[0].jwt: expected the key `audience`"),
    ("identity: [{jtw: {}}]", "expected one of anonymous, jwt; found an unknown key (did you"),
    ("some: [1]", "some: expected a list of at least 2, found a list of 1"),
    # no echo: pydantic would call the list too short as well
    ("some: [1, x]", "some[1]: expected a whole number, found the text 'x'"),
    # an error of pydantic that we have no words for
    ("day: x", "test.yaml:1:6: day: Input should be a valid date"),
    # secrets
    ("password: hunter2", "password: expected a whole number, found a value that is not shown"),
    ("code: hunter2", "code: expected text of at most 3 characters, found a value that is not"),
    ("words: {x: hunter2}", "words.x: expected 'a', found a value that is not shown"),
    ("pasword: hunter2", "found an unknown key (did you mean `password`?)"),
]


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 28


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_one_mistake_is_one_problem_that_says_what_was_expected(text: str, expected: str) -> None:
    (line,) = lines(validate(Auth, source(text)))
    assert expected in line
    assert "hunter2" not in line


def test_all_mistakes_are_found_at_once() -> None:
    text = """
        identity:
          - jwt: {issuer: a, audience: [1]}
          - jtw: 3
        onErorr: deny
        mode: on
    """
    assert len(lines(validate(Auth, source(text)))) == 5


def test_of_alternatives_only_the_one_that_was_meant_is_shown() -> None:
    found = lines(validate(Auth, source("decide: {rego: 1, entrypoint: a/b, dta: x}")))
    assert found == [
        "test.yaml:1:16: decide.rego: expected text, found the number 1",
        "test.yaml:1:36: decide.dta: expected one of entrypoint, opa, rego; found an unknown key",
    ]


def test_a_good_value_fills_the_model() -> None:
    text = "identity: [{jwt: {issuer: abc, audience: [x]}}]\ndecide: {rego: a, entrypoint: b}"
    found = validate(Auth, source(text))
    assert not isinstance(found, Rejected)
    assert found.decide == Rego(rego="a", entrypoint="b")
    assert found.identity[0].jwt == Jwt(issuer="abc", audience=("x",))


def test_a_block_is_frozen() -> None:
    with pytest.raises(pydantic.ValidationError):
        Rego(rego="a", entrypoint="b").rego = "c"  # type: ignore[misc]


def test_positions_are_those_of_the_document_when_a_piece_is_validated() -> None:
    whole = source("auth:\n  mode: x\n")
    assert lines(validate(Auth, whole.at("auth")))[0].startswith("test.yaml:2:9: auth.mode: ")


def test_only_close_words_are_suggested() -> None:
    assert suggest("idenity", ["identity", "decide"]) == "identity"
    assert suggest("xyz", ["identity", "decide"]) == ""
