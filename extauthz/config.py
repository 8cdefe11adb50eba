"""The `auth` block of a Policy: checked with positions, compiled to a `CompiledAuth`."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from callout.config.bundle import Bundle
from callout.config.identity import fields_in_use
from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected
from callout.config.section import Section
from callout.config.source import Source
from callout.config.validate import validate
from callout.config.written import denial
from extauthz import models
from extauthz.bodies.written import DescriptorCache, body_rules
from extauthz.cache.written import cache_rules
from extauthz.compiled import Authenticated, ByOpa, ByRego, CompiledAuth, Decider
from extauthz.decision_logs.log_rules import DROP, MASK, LogRules, entrypoints
from extauthz.emit import AuthPart, aliases
from extauthz.header_rules import why_not_settable
from extauthz.identity import keys as jwk
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.identity.contract import Identifier
from extauthz.identity.jwt import JwtEntry, JwtRules
from extauthz.identity.keys import KeySet
from extauthz.input import InputBuilder, InputRules
from extauthz.plans import PlanCache
from extauthz.policy.compiler.plans import rego_sources
from extauthz.policy.engine import Engine
from extauthz.policy.rego import RegoEngine

_ISSUER = re.compile(r"[!-~]{1,1024}")
"""StringOrURI of RFC 7519, as identity providers write it: visible ASCII."""


class AuthSection(Section):
    """Adds `auth` to the Policy."""

    key = "auth"
    unions = frozenset({("decide",)})

    def __init__(self) -> None:
        self._plans = PlanCache()
        self._descriptors = DescriptorCache()
        self._rules_of = ""
        self._rules: dict[str, list[str]] = {}

    def compile_block(self, block: Source, bundle: Bundle) -> CompiledAuth | Rejected:
        """Check and compile one effective block; see `Section`."""
        model = validate(models.Auth, block)
        if isinstance(model, Rejected):
            return model
        problems: list[Problem] = []
        entries, scope = _identity(model, block, bundle, problems)
        rules = InputRules(
            model.compat is not None,
            body_rules(model, block, bundle, self._descriptors, problems),
        )
        decider = self._decider(model, block, bundle, rules, problems)
        emit = _emit(model, block, problems)
        on_error = _on_error(model, block, problems)
        engine = decider.engine if isinstance(decider, ByRego) else None
        recorded = engine.recorded if isinstance(engine, RegoEngine) else None
        cache = cache_rules(model, recorded, block, problems)
        if decider is None or any(problem.severity == "error" for problem in problems):
            return Rejected(tuple(problems))
        return CompiledAuth(
            identity=entries,
            scope=scope,
            takes_tokens=any(isinstance(entry, JwtEntry) for entry in entries),
            decider=decider,
            emit=emit,
            on_error=on_error,
            compat=model.compat is not None,
            cache=cache,
        )

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> AuthPart:
        """What all policies together emit and use; see `Section`."""
        del bundle
        emitted: set[str] = set()
        limited = False
        for policy in policies:
            table = policy.at("auth", "emit").value
            if isinstance(table, dict):
                emitted.update(name for name in table if isinstance(name, str))
            limited = limited or bool(policy.at("limits").value)
            breathe()
        fields = fields_in_use(policies)
        return AuthPart(
            tuple(sorted(emitted)), fields, aliases(emitted), limited or bool(fields or emitted)
        )

    def _decider(
        self,
        model: models.Auth,
        block: Source,
        bundle: Bundle,
        rules: InputRules,
        problems: list[Problem],
    ) -> Decider | None:
        match model.decide:
            case "authenticated":
                return Authenticated()
            case models.Opa(opa=path):
                return ByOpa(path, InputBuilder(rules=rules))
            case models.Rego() as rego:
                found = self._plans.engine(
                    rego, block.at("decide"), bundle, rules, recorded=model.cache is not None
                )
                if isinstance(found, Rejected):
                    problems.extend(found.problems)
                    return None
                log_rules = self._log_rules(rego, block.at("decide"), bundle, problems)
                return ByRego(*found, rego.entrypoint, log_rules)
        if model.mode == "off":
            return Authenticated()  # never asked
        problems.append(
            block.problem(
                ("decide",),
                "expected `authenticated`, {rego: FOLDER, entrypoint: PACKAGE/RULE} or "
                "{opa: PACKAGE/RULE}, found none of them",
            )
        )
        return None

    def _log_rules(
        self, rego: models.Rego, source: Source, bundle: Bundle, problems: list[Problem]
    ) -> LogRules | None:
        if bundle.digest != self._rules_of:
            self._rules_of, self._rules = bundle.digest, {}
        rules = self._rules.get(rego.rego)
        if rules is None:
            # once for all policies of a folder: there may be thousands
            rules = self._rules[rego.rego] = entrypoints(rego_sources(bundle, rego.rego))
        engines: dict[str, Engine] = {}
        for rule in rules:
            wanted = rego.model_copy(update={"entrypoint": rule})
            found = self._plans.engine(wanted, source, bundle)
            if isinstance(found, Rejected):
                problems.extend(found.problems)
            else:
                engines[rule] = found[0]
        return LogRules(engines.get(MASK), engines.get(DROP)) if engines else None


def _identity(
    model: models.Auth, block: Source, bundle: Bundle, problems: list[Problem]
) -> tuple[tuple[Identifier, ...], str]:
    if not model.identity and model.mode != "off":
        problems.append(
            block.problem(
                ("identity",),
                "expected a list of at least one entry (`jwt: {...}` or `anonymous: {}`): "
                "without any, every request would be refused",
            )
        )
    entries: list[Identifier] = []
    digest = hashlib.sha256()
    for index, entry in enumerate(model.identity):
        where = block.at("identity", index)
        if (entry.jwt is None) == (entry.anonymous is None):
            problems.append(where.problem((), "expected exactly one of `jwt`, `anonymous`"))
        elif entry.jwt is not None:
            keys = _keys(entry.jwt.jwks, where.at("jwt", "jwks"), bundle, problems)
            entries.append(_jwt(entry.jwt, keys, where.at("jwt"), problems))
            of_keys = keys if isinstance(keys, str) else keys.digest
            digest.update(f"{entry.jwt!r}\n{of_keys}\n".encode())
        else:
            if index != len(model.identity) - 1:
                problems.append(
                    where.problem(
                        (), "expected `anonymous` as the last entry: it takes what is left"
                    )
                )
            entries.append(_ANONYMOUS)
            digest.update(b"anonymous\n")
    return tuple(entries), digest.hexdigest()


_ANONYMOUS: Final = AnonymousEntry()


def _jwt(
    model: models.Jwt, keys: KeySet | str, source: Source, problems: list[Problem]
) -> JwtEntry:
    if not _ISSUER.fullmatch(model.issuer):
        problems.append(
            source.problem(
                ("issuer",), "expected the `iss` of its tokens: visible ASCII without spaces"
            )
        )
    for index, audience in enumerate(model.audience):
        if not audience:
            problems.append(
                source.problem(("audience", index), "expected an audience, found an empty text")
            )
    algorithms = jwk.ALGORITHMS if model.algorithms is None else tuple(model.algorithms)
    for index, name in enumerate(algorithms):
        if name not in jwk.ALGORITHMS:
            problems.append(_unknown_algorithm(name, index, source))
    rules = JwtRules(
        model.issuer, frozenset(model.audience), frozenset(algorithms), float(model.leeway)
    )
    return JwtEntry(rules, None, keys) if isinstance(keys, str) else JwtEntry(rules, keys)


def _unknown_algorithm(name: str, index: int, source: Source) -> Problem:
    same = {known.lower(): known for known in jwk.ALGORITHMS}
    expected = f"expected one of {', '.join(jwk.ALGORITHMS)}"
    if name.lower() == "none" or name.upper().startswith("HS"):
        expected = f"{expected} (whoever can verify `{name}` can also sign it)"
    return source.problem(
        ("algorithms", index), f"{expected}, found `{name}`", same.get(name.lower(), "")
    )


_NO_KEYS = KeySet((), "")


def _keys(
    model: models.Jwks, source: Source, bundle: Bundle, problems: list[Problem]
) -> KeySet | str:
    """The keys of the bundle, or the URL where they are."""
    if (model.file is None) == (model.url is None):
        problems.append(source.problem((), "expected exactly one of `file`, `url`"))
        return _NO_KEYS
    if model.url is not None:
        parts = _split_url(model.url)
        if parts is None:
            problems.append(
                source.problem(
                    ("url",), "expected https://HOST/PATH (or http://), without user and fragment"
                )
            )
        return model.url
    file = model.file or ""
    data = bundle.read(file)
    if data is None:
        problems.append(
            source.problem(("file",), f"expected a file of the bundle, found no `{file}`")
        )
        return _NO_KEYS
    keys = jwk.parse(data)
    if isinstance(keys, str):
        problems.append(source.problem(("file",), f"expected a JWK Set in `{file}`: {keys}"))
        return _NO_KEYS
    return keys


def _split_url(url: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not parts.hostname or not url.isprintable():
        return None
    if parts.username is not None or parts.fragment or " " in url:
        return None
    return parts.hostname, port


def _emit(
    model: models.Auth, block: Source, problems: list[Problem]
) -> tuple[tuple[str, str], ...]:
    for name, value in model.emit.items():
        why = "not in lower case" if name != name.lower() else why_not_settable(name)
        if why:
            problems.append(
                block.problem(
                    ("emit", name),
                    f"expected a header that may be set, found `{name}`: {why}",
                    name.lower() if name != name.lower() else "",
                    key=True,
                )
            )
        if not value or not value.isprintable():
            problems.append(
                block.problem(
                    ("emit", name), "expected an identity field such as `sub` or `org.id`"
                )
            )
    return tuple(sorted(model.emit.items()))


def _on_error(model: models.Auth, block: Source, problems: list[Problem]) -> int | None:
    if model.compat and "on_error" not in model.model_fields_set:
        return 403  # what Envoy makes of the plugin's gRPC errors, unless told otherwise
    if model.on_error == "allow":
        return None
    status = denial(model.on_error)
    if status is None:
        problems.append(
            block.problem(
                ("onError",),
                "expected `allow` or `deny(NNN)` with an HTTP status from 400 to 511, "
                f"found `{model.on_error}`",
            )
        )
        return 503
    return status
