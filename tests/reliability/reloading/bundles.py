"""Two small bundles whose every answer says which of them decided, and one of many policies."""

import random
from typing import Final, Literal

from tests.reliability.reloading.open_loop import HOST

OWN_REGO: Final = 20
"""Policies that have Rego of their own; the others share."""
SHARED_REGO: Final = 5


def marked(name: Literal["bundle-a", "bundle-b"]) -> dict[str, str]:
    """A allows and gives a million a second, B denies and gives one a year.

    The name stands in each answer several times, from different places of the bundle: the policy
    in the metadata, Rego's own metadata and header or body, and the name of the limit.
    """
    allows = name == "bundle-a"
    rate = "1000000/s" if allows else "1/year"
    decision = (
        f'{{"allowed": true, "headers": {{"x-bundle": "{name}"}}, '
        if allows
        else f'{{"allowed": false, "body": "{name}", '
    )
    return {
        "mark.yaml": (
            "apiVersion: bundle/v1\nkind: Policy\n"
            f"name: {name}\n"
            f"on: [{{host: {HOST}}}]\n"
            "auth: {identity: [{anonymous: {}}], decide: {rego: mark, entrypoint: mark/decision}}\n"
            f"limits: [{{name: {name}, by: [address], rate: {rate}}}]\n"
        ),
        "mark/mark.rego": (
            f'package mark\n\ndecision := {decision}"dynamic_metadata": {{"rego": "{name}"}}}}\n'
        ),
    }


def many(policies: int, seed: int = 1) -> dict[str, str]:
    """As a company has them: a file for each ten hosts, some patterns, tokens of 50 issuers."""
    chosen = random.Random(seed)
    files = {f"rego/shared{each}/p.rego": _rego(f"shared{each}") for each in range(SHARED_REGO)}
    files |= {f"rego/own{each}/p.rego": _rego(f"own{each}") for each in range(OWN_REGO)}
    documents = [_policy(number, chosen) for number in range(policies)]
    for start in range(0, policies, 10):
        files[f"team{start // 1000:03}/{start // 10:05}.yaml"] = "---\n".join(
            documents[start : start + 10]
        )
    return files


def _rego(package: str) -> str:
    return (
        f"package {package}\n\ndefault allow := false\n\n"
        'allow if input.attributes.request.http.method == "GET"\n'
        f'allow if input.attributes.request.http.headers["x-team"] == "{package}"\n'
    )


def _policy(number: int, chosen: random.Random) -> str:
    host = f"h{number}.example"
    entries = [f'{{host: "{host}"}}']
    if chosen.random() < 0.3:
        entries.append(f'{{host: "{host}", path: /api/v{number % 9}, method: POST}}')
    if chosen.random() < 0.1:
        entries.append(f'{{host: "*.{host}", path: {{match: "/u/[0-9]+/x{number}"}}}}')
    if chosen.random() < 0.1:
        entries.append(f'{{host: "{host}", path: {{exact: /exact/{number}}}}}')
    rego = f"own{number}" if number < OWN_REGO else f"shared{number % SHARED_REGO}"
    rate = f"{number % 100 + 1}/min"
    issuer = f"https://idp{number % 50}.example"
    return (
        f"apiVersion: bundle/v1\nkind: Policy\nname: p{number}\n"
        f"on:\n{''.join(f'  - {each}{chr(10)}' for each in entries)}"
        "auth:\n  identity:\n"
        f'    - jwt: {{issuer: "{issuer}/", audience: [a{number % 100}],'
        f' jwks: {{url: "{issuer}/keys"}}}}\n'
        f"  decide: {{rego: rego/{rego}, entrypoint: {rego}/allow}}\n"
        "  emit: {x-user: sub, x-org: org.id}\n"
        "limits:\n"
        f"  - {{name: per-user, by: [identity.sub], rate: {rate}, onError: allow}}\n"
        f"  - {{name: per-address, by: [address], rate: {number % 1000 + 1}/min}}\n"
    )
