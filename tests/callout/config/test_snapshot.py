import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from tests.callout.config.writing import Auth, Limits, built, lines, names, policy


def test_a_good_bundle_gives_a_snapshot() -> None:
    found = built(policy("b", 'on: [{host: "*"}]\nauth: {x: 1}'), policy("a"))
    assert isinstance(found, Snapshot)
    assert found.policies.names == ("a", "b")
    assert [each.policy for each in found.policies.sources] == ["a", "b"]
    assert found.parts == {"auth": ("a", "b"), "limits": None}
    assert found.warnings == ()
    assert len(found.digest) == 64


def test_the_same_bundle_gives_the_same_digest_and_another_one_another() -> None:
    one, same, other = (built(policy(each)) for each in ("a", "a", "b"))
    assert isinstance(one, Snapshot)
    assert isinstance(same, Snapshot)
    assert isinstance(other, Snapshot)
    assert one.digest == same.digest != other.digest


def test_all_problems_of_all_files_are_given_at_once_and_in_order() -> None:
    found = built(
        policy("a", "on: [{host: 'x:1'}]\nmodus: off"),
        policy("b", "on: [{host: b}]\nauth: {wrong: 1}\nlimits: [{name: x}]"),
        **{"z.yaml": "a: [", "b.yml": policy("c", "limits: [{nam: x}]")},
    )
    assert [each.split(" ")[0] for each in lines(found)] == [
        "b.yml:4:10:",
        "b.yml:4:11:",
        "test.yaml:4:13:",
        "test.yaml:5:1:",
        "test.yaml:11:15:",
        "test.yaml:12:10:",
        "z.yaml:2:1:",
    ]


def test_a_problem_of_a_shared_field_is_given_once() -> None:
    shared = policy("base", 'on: [{host: "*"}]\nauth: {wrong: 1}')
    found = built(shared, *(policy(f"p{n}", f"on: [{{host: h{n}}}]") for n in range(20)))
    assert len(lines(found)) == 1


def test_a_problem_of_a_merged_field_points_at_who_wrote_it() -> None:
    found = built(
        policy("base", 'on: [{host: "*"}]\nauth: {ok: 1}'),
        **{"more.yaml": policy("more", "on: [{host: x}]\nauth: {wrong: 1}")},
    )
    assert lines(found) == ["more.yaml:5:15: auth.wrong: expected nothing of the kind"]


def test_warnings_do_not_reject() -> None:
    found = built(policy("a", "on: [{path: {match: x}}]"))
    assert isinstance(found, Snapshot)
    assert [str(each) for each in found.warnings] == [
        "test.yaml:4:21: warning: on[0].path.match: can never match: a path begins with a slash, "
        "and all of it must match"
    ]
    rejected = built(policy("a", "on: [{path: {match: x}}]"), policy("a"))
    assert isinstance(rejected, Rejected)
    assert [each.severity for each in rejected.problems] == ["warning", "error"]


def test_a_policy_without_on_is_checked_on_what_it_may_be_named_with() -> None:
    base = policy("base", 'on: [{host: "*"}]\nlimits: [{name: a, rate: 1/s}]')
    patch = policy("patch", "limits: [{name: a, off: false}]")
    other = policy("other", "on: [{host: shop}]\nlimits: [{name: b, rate: 1/s}]")
    fits_other = policy("fits-other", "limits: [{name: b}]")
    fits_none = policy("fits-none", "limits: [{name: c}]")
    good = built(base, patch, other, fits_other)
    assert isinstance(good, Snapshot)
    assert names(good.policies.choose("shop", "/", "GET", "fits-other")) == (
        "base",
        "other",
        "fits-other",
    )
    assert lines(built(base, patch, other, fits_none)) == [
        "test.yaml:21:10: limits[1]: expected a rate, found none"
    ]
    assert isinstance(built(policy("alone", "limits: [{name: a, rate: 1/s}]")), Snapshot)


def test_a_section_may_refuse_the_bundle_as_a_whole() -> None:
    class Refusing(Auth):
        def compile_part(self, bundle: Bundle, policies: object) -> Rejected:
            assert bundle.read("test.yaml") is not None
            return Rejected(())

    class Complaining(Auth):
        def compile_part(self, bundle: Bundle, policies: object) -> Rejected:
            (source,) = policies  # type: ignore[misc]
            return Rejected((source.problem(("name",), "expected another"),))

    bundle = Bundle({"test.yaml": policy("a").encode()})
    assert lines(build(bundle, [Complaining(), Limits()])) == [
        "test.yaml:3:7: name: expected another"
    ]


def test_an_empty_directory_is_no_bundle() -> None:
    # A mount that is not there yet must not replace what works.
    assert lines(build(Bundle({}), [Auth()])) == [".: expected YAML files, found none"]
    assert lines(build(Bundle({"README.md": b"x"}), [Auth()]))
    assert isinstance(build(Bundle({"ratelimit/x.yaml": b"domain: x"}), [Auth()]), Snapshot)


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["*", "/", "a", "(", "*.x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "host", "path", "exact", "match", "method", "mode", "allow", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
heads = st.fixed_dictionaries(
    {"apiVersion": st.just("bundle/v1"), "kind": st.just("Policy")},
    optional={
        "name": st.sampled_from(["a", "b", "", 1]),
        "on": junk | st.just([{"host": "*"}]),
        "mode": junk | st.sampled_from(["off", "shadow"]),
        "path": junk,
        "auth": junk,
        "x": junk,
    },
)


@example([{"apiVersion": "bundle/v1", "kind": "Policy", "name": "a", "auth": {"mode": []}}])
@given(st.lists(heads | junk, max_size=4))
@settings(max_examples=200, deadline=None)
def test_no_documents_whatever_raise(documents: list[object]) -> None:
    data = "".join(f"---\n{json.dumps(each)}\n" for each in documents).encode()
    found = build(Bundle({"test.yaml": data}), [Auth()])
    if isinstance(found, Rejected):
        assert any(each.severity == "error" for each in found.problems)
        assert all(each.line for each in found.problems)
    else:
        for host, path in (("x", "/"), ("a", "/a/b")):
            found.policies.find(host, path, "GET")
