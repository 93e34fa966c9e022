"""Sign-in at an identity provider, against a small real one: what goes well, and every way in which it must not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from heaters_local.servers import free_port
from heaters_review_api.accounts.oidc import NotVouchedFor, Provider
from heaters_review_api.accounts.principals import Role
from identity_provider import IdentityProvider, serving
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[IdentityProvider]:
    async with serving(IdentityProvider(), free_port()) as one:
        yield one


@pytest.fixture(scope="module")
async def desk(migrated: Any, start: Any, provider: IdentityProvider) -> AsyncIterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the library rightly refuses a provider without TLS
        async with start(oidc_settings(migrated, provider)) as one:
            yield one


def oidc_settings(migrated: Any, provider: IdentityProvider, **more: Any) -> Any:
    return migrated.model_copy(
        update={
            "token": None,
            "sign_ins_per_min": 6000,
            "oidc_issuer": provider.issuer,
            "oidc_client_id": provider.client_id,
            "oidc_client_secret": SecretStr(provider.client_secret),
            "oidc_roles": (("video-reviewers", Role.REVIEWER), ("video-leads", Role.LEAD)),
            "public_url": "http://desk.example",
            **more,
        }
    )


@pytest.fixture(autouse=True)
def honest(provider: IdentityProvider) -> None:
    provider.claims, provider.algorithm, provider.published, provider.document = {}, "RS256", [], {}


@asynccontextmanager
async def browser(desk: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False, timeout=30) as client:
        yield client


async def leave(client: httpx.AsyncClient) -> dict[str, str]:
    away = await client.get("/signin/oidc")
    assert away.status_code == 302
    return {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}


async def come_back(client: httpx.AsyncClient, address: str) -> httpx.Response:
    return await client.get("/signin/callback", params=parse_qs(urlsplit(address).query))


async def go_round(client: httpx.AsyncClient, provider: IdentityProvider, subject: str = "s-1") -> httpx.Response:
    return await come_back(client, provider.authorize(await leave(client), subject=subject))


async def test_whoever_the_provider_vouches_for_is_in_with_the_roles_of_their_groups(
    desk: Any, provider: IdentityProvider
) -> None:
    async with browser(desk) as client:
        answer = await go_round(client, provider)
        me = (await client.get("/api/me")).json()
        provider.claims = {"groups": ["video-leads", "knitting"], "name": "Ana B"}
        await go_round(client, provider)
        later = (await client.get("/api/me")).json()

    assert answer.status_code == 200
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert (me["name"], me["roles"]) == ("Ana Alvarez", ["reviewer"])
    assert (later["id"], later["name"], later["roles"]) == (me["id"], "Ana B", ["lead"])


async def test_the_request_carries_a_challenge_a_state_and_a_nonce_that_are_new_each_time(desk: Any) -> None:
    async with browser(desk) as client:
        one, other = await leave(client), await leave(client)

    assert one["redirect_uri"] == "http://desk.example/signin/callback"
    assert one["scope"] == "openid profile email"
    assert not [
        name for name in ("state", "nonce", "code_challenge") if one[name] == other[name] or len(one[name]) < 40
    ]


async def test_an_answer_counts_once_and_in_the_browser_that_asked(desk: Any, provider: IdentityProvider) -> None:
    async with browser(desk) as client, browser(desk) as another:
        back = provider.authorize(await leave(client), subject="s-2")
        stolen = await come_back(another, back)
        mine = await come_back(client, back)
        again = await come_back(client, back)
        invented = await client.get("/signin/callback", params={"code": "x", "state": "y"})

    assert [stolen.status_code, mine.status_code, again.status_code, invented.status_code] == [401, 200, 401, 401]


async def test_whoever_has_no_role_is_not_let_in(desk: Any, provider: IdentityProvider) -> None:
    provider.claims = {"groups": ["knitting"]}

    async with browser(desk) as client:
        answer = await go_round(client, provider, "s-3")
        me = await client.get("/api/me")

    assert answer.status_code == 403
    assert me.status_code == 401


async def test_a_name_is_no_proof_a_local_account_of_it_stays_its_owners(desk: Any, provider: IdentityProvider) -> None:
    store = desk.application.desk.gate.store
    keeper = await store.add("root", "Root", [Role.OPS], password=None)
    provider.claims = {"preferred_username": "root"}

    async with browser(desk) as client:
        await go_round(client, provider, "s-4")
        me = (await client.get("/api/me")).json()

    assert me["id"] != str(keeper.id)
    assert me["roles"] == ["reviewer"]


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-client"},
        {"aud": ["heaters", "another-client"], "azp": "another-client"},
        {"exp": 1_000_000_000},
        {"nonce": "another nonce"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
    ],
    ids=repr,
)
async def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    desk: Any, provider: IdentityProvider, lie: dict[str, Any]
) -> None:
    provider.claims = lie

    async with browser(desk) as client:
        answer = await go_round(client, provider, "s-5")
        me = await client.get("/api/me")

    assert [answer.status_code, me.status_code] == [401, 401]


async def test_a_token_of_another_key_or_of_none_opens_nothing(desk: Any, provider: IdentityProvider) -> None:
    real = provider.key
    answers = []
    async with browser(desk) as client:
        provider.published = [real]
        for key, algorithm in (
            (RSAKey.generate_key(2048, {"kid": "one"}), "RS256"),
            (OctKey.import_key(b"the client's secret, or our public key, as a key", {"kid": "one"}), "HS256"),
        ):
            provider.key, provider.algorithm = key, algorithm
            answers.append((await go_round(client, provider, "s-6")).status_code)
    provider.key = real

    assert answers == [401, 401]


async def test_a_key_that_the_provider_has_changed_is_looked_up(desk: Any, provider: IdentityProvider) -> None:
    async with browser(desk) as client:
        await go_round(client, provider, "s-7")
        provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})
        answer = await go_round(client, provider, "s-7")

    assert answer.status_code == 200


async def test_a_code_without_its_verifier_is_worth_nothing(desk: Any, provider: IdentityProvider) -> None:
    async with browser(desk) as client:
        mine = await leave(client)
        back = provider.authorize({**mine, "code_challenge": "of somebody else"}, subject="s-8")
        answer = await come_back(client, back)

    assert answer.status_code == 401
    assert provider.refusals[-1] == "invalid_grant"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"jwks_uri": "{inner}/keys"}, "Forbidden"),
        ({"jwks_uri": "http://169.254.169.254/latest/meta-data"}, "Forbidden"),
        ({"jwks_uri": "http://localhost:{port}/keys"}, "Forbidden"),
        ({"jwks_uri": "file:///etc/passwd"}, "not https"),
        ({"token_endpoint": "gopher://127.0.0.1/"}, "not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not https"),
        ({"issuer": "https://somebody-else.example"}, "speaks for"),
        ({"padding": "a" * 2_000_000}, "TooMuch"),
    ],
)
async def test_a_provider_that_names_other_machines_is_not_followed_there(
    migrated: Any, start: Any, provider: IdentityProvider, document: dict[str, str], said: str
) -> None:
    reached: list[str] = []
    async with inner_machine(reached) as port:
        inner = f"http://127.0.0.1:{port}"
        provider.document = {name: one.format(inner=inner, port=port) for name, one in document.items()}
        with pytest.raises(NotVouchedFor, match=said):
            await Provider(oidc_settings(migrated, provider)).depart()

    assert reached == []


async def test_a_code_is_sent_to_no_other_machine_of_the_private_network(
    migrated: Any, provider: IdentityProvider
) -> None:
    reached: list[str] = []
    async with inner_machine(reached) as port:
        provider.document = {"token_endpoint": f"http://127.0.0.1:{port}/token"}
        refused = Provider(oidc_settings(migrated, provider))
        allowed = Provider(oidc_settings(migrated, provider, oidc_hosts=(f"127.0.0.1:{port}",)))

        with pytest.raises(NotVouchedFor, match="Forbidden"):
            await refused.arrive("a-code", verifier="v", nonce="n")
        before = list(reached)
        with pytest.raises(NotVouchedFor):
            await allowed.arrive("a-code", verifier="v", nonce="n")

    assert before == []
    assert len(reached) == 1


@asynccontextmanager
async def inner_machine(reached: list[str]) -> AsyncIterator[int]:
    """A machine that notes who comes."""

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
