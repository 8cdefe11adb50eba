"""OPA's configuration file."""

import json
import re
from typing import Any

import pytest

from callout.config.problems import Rejected
from callout.config.settings import Settings
from extauthz.opa import config
from gatewright.run.opa_envoy import OpaEnvoy

PLUGIN = "plugins: {envoy_ext_authz_grpc: {}}\n"
SERVICE = "services: {acme: {url: 'https://acme.example/v1'}}\n"


def good(text: str, **environ: str) -> config.Read:
    found = config.read("opa.yaml", text.encode(), environ)
    assert isinstance(found, config.Read), found
    return found


def test_what_is_left_out_is_as_in_opa() -> None:
    found = good(PLUGIN + SERVICE + "bundles: {authz: {}}\nstatus: {}\ndecision_logs: {}\n").config

    bundle = found.bundles["authz"]
    assert (bundle.service, bundle.resource) == ("acme", "bundles/authz")
    assert (bundle.polling.min_delay_seconds, bundle.polling.max_delay_seconds) == (60, 120)
    assert bundle.size_limit_bytes == 1 << 30
    assert found.decision == "envoy/authz/allow"
    assert found.envoy.addr == ":9191"
    assert found.status is not None
    assert found.status.service == "acme"
    assert found.decision_logs is not None
    assert (found.decision_logs.service, found.decision_logs.resource) == ("acme", "/logs")


def test_variables_are_put_in_and_unknown_ones_stay() -> None:
    text = "services: {acme: {url: '${URL}', headers: {x: '${NOWHERE}'}}}\n" + PLUGIN

    service = good(text, URL="http://a.example").config.services["acme"]

    assert service.url == "http://a.example"
    assert service.headers == {"x": "${NOWHERE}"}


def test_services_may_be_a_list_and_the_decision_a_query() -> None:
    text = "services: [{name: one, url: 'http://1'}, {name: two, url: 'http://2'}]\n"
    text += "plugins: {envoy_ext_authz_grpc: {query: data.istio.authz.allow}}\n"

    found = good(text + "bundles: {a: {}}").config

    assert list(found.services) == ["one", "two"]
    assert found.bundles["a"].service == "one"
    assert found.decision == "istio/authz/allow"


REFUSED = [
    ("discovery: {name: x}", "discovery: it is not supported"),
    ("distributed_tracing: {type: grpc}", "telemetry.otlp"),
    ("storage: {disk: {directory: x}}", "data is kept in memory"),
    ("bundle: {name: x}", "bundles: {NAME"),
    ("servics: {}", "did you mean `services`"),
    ("bundles: {a: {service: nobody}}", "expected one of `services`"),
    ("bundles: {a: {trigger: manual}}", "expected 'periodic'"),
    ("bundles: {a: {polling: {min_delay_seconds: 5}}}", "expected both"),
    ("bundles: {a: {polling: {min_delay_seconds: 5, max_delay_seconds: 4}}}", "at least 5"),
    ("bundles: {a: {polling: {min_delay_seconds: 0, max_delay_seconds: 4}}}", "at least 1"),
    ("bundles: {'../a': {}}", "expected a name"),
    ("bundles: {a/../b: {}}", "expected a name"),
    ("bundles: {a: {signing: {keyid: k}}}", "expected one of `keys`"),
    ("bundles: {a: {signing: {scope: s}}}", "expected `keys`"),
    ("keys: {k: {key: nonsense}}", "expected a public key or a certificate for RS256"),
    ("keys: {k: {private_key: x}}", "expected `key`"),
    ("keys: {k: {key: x, algorithm: none}}", "expected 'ES256'"),
    ("decision_logs: {plugin: x}", "not supported"),
    ("decision_logs: {mask_decision: /a/b}", "data.system.log.mask"),
    ("status: {service: nobody}", "expected one of `services`"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name_with_its_line(text: str, why: str) -> None:
    found = config.read("opa.yaml", (PLUGIN + SERVICE + text).encode(), {})

    assert isinstance(found, Rejected)
    assert any(why in str(each) for each in found.problems), list(map(str, found.problems))
    assert all(each.line == 3 for each in found.problems)


BAD_SERVICES = [
    ("url: 'ftp://a'", "expected http://"),
    ("url: 'https://u:p@a'", "expected http://"),
    ("url: 'https://a', type: oci", "type: expected nothing, found a kind of service"),
    ("url: 'https://a', credentials: {gcp_metadata: {}}", "gcp_metadata: it is not supported"),
    (
        "url: 'https://a', credentials: {azure_managed_identity: {}}",
        "azure_managed_identity: it is not supported",
    ),
    ("url: 'https://a', credentials: {oauth2: {signing_key: k}}", "signing_key: it is not supp"),
    ("url: 'https://a', credentials: {oauth2: {grant_type: jwt_bearer}}", "'client_credentials'"),
    (
        "url: 'https://a', credentials: "
        "{oauth2: {token_url: 'http://t', client_id: i, client_secret: s}}",
        "oauth2.token_url",
    ),
    (
        "url: 'https://a', credentials: {s3_signing: {metadata_credentials: {aws_region: r}}}",
        "metadata_credentials: it is not supported; `environment_credentials` are",
    ),
    (
        "url: 'https://a', credentials: "
        "{s3_signing: {environment_credentials: {}, signature_version: 4a}}",
        "expected '4'",
    ),
    (
        "url: 'https://a', credentials: {bearer: {token: t}, "
        "s3_signing: {environment_credentials: {}}}",
        "expected only one of",
    ),
    ("url: 'https://a', credentials: {bearer: {}}", "exactly one of `token`, `token_path`"),
    ("url: 'https://a', credentials: {bearer: {token: t, token_path: p}}", "exactly one of"),
    (
        "url: 'https://a', credentials: {bearer: {token: t}, "
        "client_tls: {cert: c, private_key: k}}",
        "expected only one of `bearer`, `client_tls`",
    ),
]


@pytest.mark.parametrize(("service", "why"), BAD_SERVICES)
def test_a_bad_service_is_refused(service: str, why: str) -> None:
    found = config.read("opa.yaml", f"services: {{s: {{{service}}}}}\n{PLUGIN}".encode(), {})

    assert isinstance(found, Rejected)
    assert any(why in str(each) for each in found.problems), list(map(str, found.problems))


def test_the_configuration_of_another_program_is_refused() -> None:
    found = config.read("opa.yaml", SERVICE.encode(), {})

    assert isinstance(found, Rejected)
    assert "envoy_ext_authz_grpc" in str(found.problems[0])


def test_secrets_are_shown_nowhere() -> None:
    secret = "s3cr3t-of-the-service"
    text = f"services: {{s: {{url: 'http://a', headers: {{x: {secret}}}, "
    text += f"credentials: {{bearer: {{token: {secret}}}}}}}}}\n"
    text += f"keys: {{k: {{key: {secret}, algorithm: HS256}}}}\n"

    assert secret not in repr(good(text + PLUGIN))
    wrong = text.replace(f"token: {secret}", f"token: [{secret}]").replace("HS256", "RS256")
    found = config.read("opa.yaml", (wrong + PLUGIN).encode(), {})
    assert isinstance(found, Rejected)
    assert secret not in str(found)


def test_what_changes_no_decision_is_a_warning() -> None:
    text = "default_decision: /a/b\ncaching: {}\nserver: {}\n"
    text += "plugins: {envoy_ext_authz_grpc: {grpc-max-send-msg-size: 5}}\n"

    warnings = good(text).warnings

    assert sorted(each.path.rpartition(".")[2] for each in warnings) == [
        "caching",
        "default_decision",
        "grpc-max-send-msg-size",
        "server",
    ]
    assert {each.severity for each in warnings} == {"warning"}


def test_settings_that_were_left_alone_are_as_the_file_says() -> None:
    text = "plugins: {envoy_ext_authz_grpc: {enable-reflection: true, "
    text += "grpc-max-recv-msg-size: 8192}}\n" + SERVICE.replace(
        "}}", ", credentials: {bearer: {token: t}}}}"
    )
    text += "decision_logs: {partition_name: p, reporting: {upload_size_limit_bytes: 65536}}\n"
    found = good(text).config
    replaced = OpaEnvoy(found, "127.0.0.1:9191", None, (), {})

    settings = replaced.settings(Settings.model_validate({}))
    assert settings.listen.grpc == "127.0.0.1:9191"
    assert (settings.max_message, settings.reflection, settings.faces) == (8192, True, ("authz",))
    logs = settings.decision_logs
    assert logs is not None
    assert logs.url == "https://acme.example/v1/logs/p"
    assert (logs.authorization, logs.upload_bytes) == ("Bearer t", 65536)

    ours = Settings.model_validate({"listen": {"grpc": "127.0.0.1:1"}, "max_message": 9000})
    assert replaced.settings(ours).listen.grpc == "127.0.0.1:1"
    assert replaced.settings(ours).max_message == 9000


KNOWN = """
services.s: name url headers allow_insecure_tls response_header_timeout_seconds tls credentials type
services.s.tls: ca_cert system_ca_required
services.s.credentials: bearer oauth2 client_tls s3_signing gcp_metadata azure_managed_identity
    plugin
services.s.credentials.bearer: token token_path scheme
services.s.credentials.client_tls: cert private_key private_key_passphrase ca_cert
    system_ca_required cert_reread_interval_seconds
services.s.credentials.oauth2: grant_type token_url client_id client_secret signing_key thumbprint
    additional_claims include_jti_claim scopes additional_headers additional_parameters aws_kms
    aws_signing azure_keyvault azure_signing client_assertion_type client_assertion
    client_assertion_path
services.s.credentials.s3_signing: environment_credentials metadata_credentials
    assume_role_credentials web_identity_credentials profile_credentials sso_credentials service
    signature_version
bundles.b: service resource signing persist size_limit_bytes trigger polling
bundles.b.polling: min_delay_seconds max_delay_seconds long_polling_timeout_seconds
    superseded_etag_ttl_seconds
bundles.b.signing: keyid scope exclude_files allow_unsigned_delta_bundles
keys.k: key private_key algorithm scope
decision_logs: plugin service partition_name reporting request_context mask_decision drop_decision
    console resource nd_builtin_cache
decision_logs.reporting: buffer_type buffer_size_limit_bytes buffer_size_limit_events
    upload_size_limit_bytes min_delay_seconds max_delay_seconds max_decisions_per_second trigger
status: plugin service partition_name console prometheus prometheus_config trigger
plugins.envoy_ext_authz_grpc: addr query path dry-run enable-reflection proto-descriptor
    grpc-max-recv-msg-size grpc-max-send-msg-size skip-request-body-parse
    enable-performance-metrics grpc-request-duration-seconds-buckets
"""
"""All keys of OPA 1.22's configuration below its blocks, and of opa-envoy-plugin's own, as their
sources have them."""
TOP = """services labels discovery bundle bundles decision_logs status plugins keys default_decision
default_authorization_decision caching nd_builtin_cache persistence_directory distributed_tracing
metrics_export server storage"""


def known() -> list[str]:
    found = TOP.split()
    for each in re.split(r"\n(?=\S)", KNOWN.strip()):
        place, _, names = each.partition(":")
        found += [f"{place}.{name}" for name in names.split()]
    return found


@pytest.mark.parametrize("key", known())
def test_every_key_of_opa_is_read_warned_about_or_refused_by_its_name(key: str) -> None:
    document: Any = 1
    for step in reversed(key.split(".")):
        document = {step: document}

    found = config.read("opa.json", json.dumps(document).encode(), {})

    problems = found.problems if isinstance(found, Rejected) else found.warnings
    assert not [each for each in problems if "an unknown key" in each.message]


def test_a_key_that_nobody_knows_is_told_so() -> None:
    found = config.read("opa.json", json.dumps({"bundles": {"b": {"no": 1}}}).encode(), {})

    assert isinstance(found, Rejected)
    assert any("an unknown key" in each.message for each in found.problems)
    assert len(known()) == 125
