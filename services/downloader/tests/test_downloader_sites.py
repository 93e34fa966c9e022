"""How sites are treated: a law at a time, on a clock that stands still."""

import asyncio

import pytest
from heaters_downloader.core import Gone, Throttled
from heaters_downloader.core.sites import Site, SitePolicy, Wait, enter, is_given_up, leave, refuse, succeed
from heaters_downloader.sitebook import Sites
from heaters_edges.failure import Busy
from heaters_edges.fakes import MemoryRegister

POLICY = SitePolicy(at_once=2, lease_s=60, rest_s=30, rest_most_s=600, patience_s=3600)


def entered(site: Site, holder: str, now: float) -> Site:
    found = enter(site, holder, now, POLICY)
    assert isinstance(found, Site), found
    return found


def test_no_more_ask_a_site_than_may() -> None:
    site = entered(entered(Site(), "a", 0), "b", 0)

    third = enter(site, "c", 0, POLICY)
    after = enter(leave(site, "a"), "c", 0, POLICY)

    assert third == Wait("2 of us ask this site already", 5.0)
    assert isinstance(after, Site)


def test_whoever_died_does_not_hold_a_place_for_ever() -> None:
    site = entered(entered(Site(), "a", 0), "b", 0)

    assert isinstance(enter(site, "c", 59, POLICY), Wait)
    assert set(entered(site, "c", 61).holders) == {"c"}


def test_a_rest_doubles_with_each_refusal_and_ends_with_a_success() -> None:
    first = refuse(Site(), "a", 100, "429", None, POLICY)
    second = refuse(first, "a", 130, "429", None, POLICY)
    asked = refuse(second, "a", 190, "429", 17, POLICY)

    assert (first.rests_until, second.rests_until, asked.rests_until) == (130, 190, 207)
    assert enter(first, "b", 120, POLICY) == Wait("the site is left alone: 429", 10)
    assert succeed(asked, "a") == Site()


def test_after_a_rest_one_alone_tries() -> None:
    site = refuse(Site(), "a", 0, "429", None, POLICY)

    tried = entered(site, "a", 31)

    assert isinstance(enter(tried, "b", 31, POLICY), Wait)
    assert isinstance(enter(succeed(tried, "a"), "b", 31, POLICY), Site)


def test_a_site_that_never_gives_in_is_given_up() -> None:
    site = refuse(refuse(Site(), "a", 0, "bot", None, POLICY), "a", 3700, "bot", None, POLICY)

    assert not is_given_up(site, 3600, POLICY)
    assert is_given_up(site, 3700, POLICY)


def test_what_is_known_of_a_site_survives_being_written() -> None:
    site = refuse(entered(Site(), "a", 5), "b", 7, "429", 3, POLICY)

    assert Site.read(site.write()) == site
    assert Site.read(None) == Site()


async def test_a_refusal_makes_everybody_wait_and_is_no_failure() -> None:
    now = 1000.0
    sites = Sites(MemoryRegister(), POLICY, clock=lambda: now)

    with pytest.raises(Busy) as refused:
        async with sites.turn("films.example"):
            raise Throttled("it answers 429", 40)
    with pytest.raises(Busy) as next_one:
        async with sites.turn("films.example"):
            raise AssertionError("the site was asked")
    async with sites.turn("other.example"):
        pass

    assert (refused.value.retry_after_s, next_one.value.retry_after_s) == (40, 40)


async def test_another_error_leaves_the_site_as_it_was() -> None:
    register = MemoryRegister()
    sites = Sites(register, POLICY, clock=lambda: 1000.0)

    with pytest.raises(Gone):
        async with sites.turn("films.example"):
            raise Gone("404")

    assert Site.read(register.values["films.example"]) == Site()


async def test_after_the_patience_a_refusal_is_a_failure() -> None:
    now = 0.0
    sites = Sites(MemoryRegister(), POLICY, clock=lambda: now)
    with pytest.raises(Busy):
        async with sites.turn("films.example"):
            raise Throttled("a robot?")
    now = 4000.0

    with pytest.raises(Throttled):
        async with sites.turn("films.example"):
            raise Throttled("a robot?")


async def test_a_long_download_keeps_its_place() -> None:
    register, now = MemoryRegister(), 0.0
    sites = Sites(register, SitePolicy(lease_s=0.03), clock=lambda: now)

    async with sites.turn("films.example"):
        now = 5.0
        await asyncio.sleep(0.05)
        until = list(Site.read(register.values["films.example"]).holders.values())

    assert until == [5.03]
