import pytest

from extauthz.go_url import PARAMETERS_MOST, check_query, path_segments, query_values

PATHS = {
    "/": [""],
    "/a/b": ["a", "b"],
    "/a/b/": ["a", "b", ""],
    "//x": ["x"],
    "///": [""],
    "//admin/x": ["admin", "x"],
    "/a//b": ["a", "", "b"],
    "/a%2Fb": ["a", "b"],
    "/%2Fx": ["x"],
    "/a%2fb?c=/d": ["a", "b"],
    "/a?b?c": ["a"],
    "/%61dmin": ["admin"],
    "/a+b": ["a+b"],
    "/a;x=1/b": ["a;x=1", "b"],
    "/caf%C3%A9": ["café"],
    "/%ff": ["\ufffd"],
    "/%C0%AF": ["\ufffd\ufffd"],
    "/../a": ["..", "a"],
    "*": ["*"],
    "": [""],
}

QUERIES = {
    "": {},
    "a": {"a": [""]},
    "a=": {"a": [""]},
    "=a": {"": ["a"]},
    "a=1&a=2&b=3": {"a": ["1", "2"], "b": ["3"]},
    "&&a=1&": {"a": ["1"]},
    "a=b=c": {"a": ["b=c"]},
    "a+b=c+d": {"a b": ["c d"]},
    "a%2Bb=%26": {"a+b": ["&"]},
    "a=%C3%A9": {"a": ["é"]},
    "a=%ff": {"a": ["\ufffd"]},
    "a=é": {"a": ["é"]},
}

BAD_QUERIES = ["a;b", ";", "a=%", "a=%1", "a=%zz", "%zz=a", "a=1&b=%g0", "a=%u0041"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_split_as_go_does(path: str) -> None:
    assert path_segments(path) == PATHS[path]


@pytest.mark.parametrize("path", ["/%", "/%1", "/%zz", "/a%2"])
def test_a_bad_escape_in_a_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        path_segments(path)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_read_as_go_does(query: str) -> None:
    check_query(query)

    assert query_values(query) == QUERIES[query]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_go_refuses_is_refused(query: str) -> None:
    with pytest.raises(ValueError):
        check_query(query)
    with pytest.raises(ValueError):
        query_values(query)


def test_a_query_has_a_bounded_number_of_parameters() -> None:
    assert len(query_values("&".join(map(str, range(PARAMETERS_MOST))))) == PARAMETERS_MOST
    with pytest.raises(ValueError):
        query_values("a&" * PARAMETERS_MOST)
