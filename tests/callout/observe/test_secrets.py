import pytest

from callout.observe.secrets import MASK, is_secret, mask_text, masked
from tests.callout.observe.planted import JWT, KEY, PASSWORD, found_in

NAMES = {
    "password": True,
    "redis_password": True,
    "REDIS_PASSWORD": True,
    "GATEWRIGHT_TLS__PASSPHRASE": True,
    "clientSecret": True,
    "client-secret": True,
    "x-api-key": True,
    "apiKey": True,
    "apikey": True,
    "APIKey": True,
    "privateKey": True,
    "Authorization": True,
    "proxy-authorization": True,
    "Set-Cookie": True,
    "cookie": True,
    "access_token": True,
    "idToken": True,
    "headers": True,
    "body": True,
    "key": False,
    "keys": False,
    "secretary": False,
    "tokenizer": False,
    "authz": False,
    "policy": False,
    "digest": False,
    "": False,
}
TEXTS = {
    f"redis://:{PASSWORD}@redis:6379/0": f"redis://{MASK}@redis:6379/0",
    f"rediss://user:{PASSWORD}@redis": f"rediss://{MASK}@redis",
    f"redis://u:p@{PASSWORD}@redis": f"redis://{MASK}@redis",
    f"redis://redis?password={PASSWORD}&db=1": f"redis://redis?password={MASK}&db=1",
    f"/callback?code=1&access_token={JWT}": f"/callback?code=1&access_token={MASK}",
    f"GET /x?api_key={PASSWORD} HTTP/1.1": f"GET /x?api_key={MASK} HTTP/1.1",
    f"Bearer {JWT}": f"Bearer {MASK}",
    "Bearer\topaque-credential": f"Bearer {MASK}",
    "bearer\u00a0opaque-credential": f"bearer {MASK}",
    f"authorization: Basic {PASSWORD}": f"authorization: Basic {MASK}",
    f"path /t/{JWT}/end": f"path /t/{MASK}/end",
    JWT: MASK,
    JWT.split(".")[0]: MASK,
    f"read {KEY} from file": f"read {MASK} from file",
    "http://idp.example/keys": "http://idp.example/keys",
    "GET shop.example/api/orders?page=2": "GET shop.example/api/orders?page=2",
    "alice@example.com": "alice@example.com",
    "the bearer of this": "the bearer of this",
}


@pytest.mark.parametrize(("name", "secret"), NAMES.items())
def test_a_field_is_secret_by_the_words_of_its_name(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


@pytest.mark.parametrize(("text", "shown"), TEXTS.items())
def test_a_secret_in_a_text_is_masked_by_its_look(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_the_tables_are_whole() -> None:
    assert (len(NAMES), len(TEXTS)) == (27, 18)


def test_every_leaf_under_a_secret_name_is_masked() -> None:
    shown = masked(
        {
            "redis": {"url": f"redis://:{PASSWORD}@h", "tls": {"key": "tls.key"}},
            "clientSecret": {"value": PASSWORD, "list": [PASSWORD, {"deep": PASSWORD}]},
            "raw": PASSWORD.encode(),
            "opaque": type("Leaky", (), {"__str__": lambda _: f"Bearer {JWT}"})(),
            "set": {JWT},
            "tokens": 3,
            "password": "",
            "on": True,
            "none": None,
        }
    )
    assert not found_in(str(shown))
    assert shown == {
        "redis": {"url": f"redis://{MASK}@h", "tls": {"key": "tls.key"}},
        "clientSecret": {"value": MASK, "list": [MASK, {"deep": MASK}]},
        "raw": MASK,
        "opaque": f"Bearer {MASK}",
        "set": [MASK],
        "tokens": 3,
        "password": "",
        "on": True,
        "none": None,
    }


def test_a_value_that_holds_itself_ends() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    assert MASK in str(masked(loop))


def test_masking_leaves_the_original_alone() -> None:
    original = {"password": PASSWORD}
    masked(original)
    assert original == {"password": PASSWORD}
