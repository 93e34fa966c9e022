"""What comes late changes nothing that was done meanwhile: keys before there is anything to press them for, old answers, lost connections."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import send, wait_for
from heaters_local.client import Api
from heaters_media.film import FilmKind, render_film
from playwright.sync_api import Route, expect
from visitor import Held, Person, Seen, cut_off, intercept, new_key, press

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
Film = Callable[..., str]


def kept(desk: Api) -> dict[str, object]:
    return dict(desk._http.get("/api/me/settings").json()["settings"])


def test_a_videos_clips_are_shown_whichever_page_one_comes_from(person: Come, film: Film, seen: Seen) -> None:
    other, video_id = film(2, 8), film(2, 8)
    page = person().review(other)

    press(page, "4")
    page.locator(f"[data-video='{video_id}']").get_by_role("link", name="2 of 2 left").click()

    expect(page.locator("video.on")).to_have_attribute("data-clip", str(seen.clips(video_id)[0]["id"]))


def test_clips_that_are_handed_back_are_there_for_the_next_wish(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(2, 8)
    page = person().review(video_id)
    order = page.get_by_label("Order")
    held = Held(page, "**/api/queue/release")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/queue/next") else None)

    order.select_option("oldest")
    held.wait()
    page.wait_for_timeout(200)
    assert asked == []
    held.let_go()

    expect(page.locator("video.on")).to_have_count(1)


def test_an_order_that_is_chosen_while_clips_are_on_their_way_is_theirs(person: Come, film: Film) -> None:
    video_id = film(2, 8)
    page = person().look("/account")
    held = Held(page, "**/api/queue/next", answered=True)
    page.goto(page.url.replace("account", f"review/{video_id}"))
    held.wait()
    orders: list[str] = []
    page.on(
        "request",
        lambda request: orders.append(request.post_data_json["order"]) if request.url.endswith("/queue/next") else None,
    )

    page.get_by_label("Order").select_option("least_certain")
    held.let_go()
    expect(page.locator("video.on")).to_have_count(1)

    assert orders == ["least_certain"]


def test_keys_that_are_pressed_before_the_line_is_there_work_on_it(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(3, 40)
    page = person().look("/account")
    held = Held(page, f"**/api/videos/{video_id}?*")
    page.goto(page.url.replace("account", f"timeline/{video_id}?frame=60"))
    held.wait()
    expect(page.get_by_label("Loading the timeline")).to_be_visible()

    press(page, "ArrowRight", "b", "]", "Alt+ArrowLeft", "Enter")
    held.let_go()

    wait_for(lambda: seen.cuts(video_id) == [40, 61, 79], "the cuts")


def test_a_setting_that_is_changed_before_the_settings_came_is_kept_with_them(person: Come, desk: Api) -> None:
    desk._http.put("/api/me/settings", json={"settings": {"keys": {"skip": ["Q"]}}}).raise_for_status()
    page = person().look("/account")
    expect(page.get_by_role("button", name="Theme: system")).to_be_visible()
    held = Held(page, "**/api/me/settings")
    page.reload()
    page.get_by_role("button", name="Theme: system").click()
    page.wait_for_timeout(700)
    held.let_go()

    expect(page.locator("html")).to_have_attribute("data-theme", re.compile("dark|light"))
    theme = page.locator("html").get_attribute("data-theme")
    wait_for(lambda: kept(desk).get("theme") == theme, "the setting")
    assert kept(desk)["keys"] == {"skip": ["Q"]}


def test_settings_that_are_changed_on_two_pages_are_both_kept(person: Come, desk: Api) -> None:
    somebody = person()
    one, other = somebody.look("/account"), somebody.look("/account")
    for page in (one, other):
        expect(page.get_by_role("button", name="Theme: system")).to_be_visible()
        expect(page.get_by_role("combobox", name="sound")).to_have_value("off")

    one.get_by_role("combobox", name="sound").select_option("on")
    wait_for(lambda: kept(desk).get("sound") is True, "the sound")
    other.get_by_role("button", name="Theme: system").click()
    wait_for(lambda: "theme" in kept(desk), "the theme")

    assert kept(desk)["sound"] is True


def test_an_old_answer_takes_no_note_away(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(1, 25)
    page = person().review(video_id)

    press(page, "t")
    first = Held(page, "**/annotation", answered=True)
    page.keyboard.type("night")
    press(page, "Enter", "n")
    page.keyboard.type("shaky")
    press(page, "Enter")
    first.wait()
    second = Held(page, re.compile("/annotation$"))
    first.let_go()
    second.wait()
    press(page, "t")
    page.keyboard.type("rain")
    press(page, "Enter")
    expect(page.locator(".tag")).to_have_count(2)
    second.let_go()
    seen.saved(page)

    clip = seen.clips(video_id)[0]
    assert (clip["tags"], clip["note"]) == (["night", "rain"], "shaky")


def test_a_note_is_kept_when_the_verdict_is_given_by_the_mouse(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(2, 8)
    page = person().review(video_id)

    press(page, "n")
    page.keyboard.type("shaky")
    page.locator(".verdicts button[data-tone=skip]").click()
    expect(page.locator("[data-frames]")).to_contain_text("8 (8")
    seen.saved(page)

    clip = seen.clips(video_id)[0]
    assert (clip["note"], clip["state"]) == ("shaky", "review_skipped")


def test_films_that_were_fetched_without_a_connection_play_once_it_is_back(
    person: Come, film: Film, seen: Seen
) -> None:
    video_id = film(9, 8)
    somebody = person()
    page = somebody.review(video_id)
    expect(page.locator("video")).to_have_count(5)
    expect(page.locator(".live")).to_have_text("live")

    cut_off(somebody.context)
    press(page, "s", "s")
    expect(page.locator("video")).to_have_count(6)
    wait_for(lambda: page.evaluate("[...document.querySelectorAll('video')].some((one) => one.error)"), "a lost film")
    somebody.context.set_offline(False)
    expect(page.locator(".live")).to_have_text("live", timeout=20_000)
    for start in (24, 32, 40, 48):
        press(page, "s")
        expect(page.locator("[data-frames]")).to_contain_text(f"8 ({start}")

    wait_for(lambda: page.evaluate("document.querySelector('video.on').readyState >= 2"), "the film")
    expect(page.get_by_role("heading", name="This clip does not play")).to_have_count(0)


def test_a_cut_at_a_frame_that_is_named_waits_for_no_film(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(1, 40)
    somebody = person()
    held: list[Route] = []
    somebody.context.route(re.compile(r"/api/clips/.*/(play\.mp4|timing)"), lambda route: held.append(route))
    page = somebody.look(f"/review/{video_id}")
    expect(page.locator("[data-frames]")).to_contain_text("(0")
    wait_for(lambda: len(held) >= 2 or page.wait_for_timeout(50), "the film and its timing, asked for")

    press(page, "Home", "Shift+ArrowRight", "b")

    wait_for(lambda: seen.cuts(video_id) == [10], "the cut")


def test_no_cut_is_made_at_a_frame_that_cannot_be_told(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(1, 40)
    somebody = person()
    somebody.context.route("**/timing", lambda route: route.abort())
    page = somebody.review(video_id)

    press(page, "Home", "Shift+ArrowRight", "b")
    expect(page.get_by_role("alert").last).to_contain_text("Which frame this is cannot be told")
    somebody.context.unroute("**/timing")

    wait_for(lambda: press(page, "b") or seen.cuts(video_id) == [10], "the cut, once the table is here")


def test_sound_keeps_the_place_the_speed_and_the_pause(person: Come, film: Film, seen: Seen) -> None:
    page = person().review(film(1, 100))
    press(page, "l", "l", "m")
    wait_for(lambda: page.evaluate("document.querySelector('video.on').readyState >= 2"), "the film with sound")
    assert page.evaluate("document.querySelector('video.on').playbackRate") == 4

    press(page, "Home", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    wait_for(lambda: seen.frame(page) == 30, "the frame")
    held = Held(page, "**/play.mp4*")
    press(page, "m", "m", "ArrowRight")
    held.wait()
    held.pass_on()

    wait_for(lambda: page.evaluate("document.querySelector('video.on').readyState >= 2"), "the film, fetched anew")
    wait_for(lambda: seen.frame(page) == 31, "the next frame")
    assert page.evaluate("document.querySelector('video.on').paused") is True


def test_the_next_clip_plays_forwards(person: Come, film: Film) -> None:
    page = person().review(film(2, 25))
    speed = page.get_by_title("J, K, L change the speed")

    press(page, "j")
    expect(speed).to_have_text("\N{MINUS SIGN}1\N{MULTIPLICATION SIGN}")
    press(page, "s")
    expect(page.locator("[data-frames]")).to_contain_text("25 (25")

    expect(speed).to_have_text("1\N{MULTIPLICATION SIGN}")


def test_pictures_that_are_passed_by_do_not_keep_others_away(person: Come, film: Film, seen: Seen) -> None:
    page = person().look("/account")
    held = Held(page, re.compile(r"/frames/(3[4-9]|4[0-9]|5[0-9])\.jpg"))
    page.goto(page.url.replace("account", f"review/{film(2, 40)}"))
    held.wait(2)
    press(page, "]", "Alt+ArrowRight", "Alt+ArrowRight")
    page.wait_for_timeout(300)
    press(page, "Alt+Shift+ArrowRight")
    page.wait_for_timeout(300)
    held.pass_on()

    strip = page.locator(".strip[data-side=out] .frame[data-loaded=true] img")
    expect(strip).to_have_count(12)
    assert [seen.number(one) for one in strip.all()] == list(range(46, 58))


def test_a_cut_that_was_confirmed_fast_leaves_the_keys_alive(person: Come, film: Film, seen: Seen) -> None:
    page = person().review(film(2, 40))
    actions, cuts = Held(page, "**/actions"), Held(page, "**/cuts")

    press(page, "]", "c")
    actions.wait()
    cuts.wait()
    actions.let_go()
    cuts.let_go()
    seen.saved(page)
    press(page, "Backspace")

    expect(page.get_by_text("Choose a cut first, with [ or ], then remove it.")).to_be_visible()


def test_an_undo_right_after_many_verdicts_means_them(person: Come, film: Film, seen: Seen, desk: Api) -> None:
    video_id = film(3, 8)
    page = person().review(video_id)
    press(page, "s")
    seen.saved(page)
    press(page, "2")
    page.locator(".filters select.narrow").select_option(video_id)
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(2)
    held = Held(page, "**/api/selection/verdict")

    press(page, "Control+a", "x", "u")
    held.wait()
    held.let_go()
    seen.saved(page)

    assert list(seen.states(video_id).values()) == ["review_skipped", "pending_review", "pending_review"]


def test_what_is_chosen_while_a_verdict_is_on_its_way_stays_chosen(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(5, 8)
    page = person().look(f"/search?words=film&video={video_id}")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(5)
    held = Held(page, "**/api/selection/verdict")

    tiles.nth(0).click()
    press(page, "x")
    held.wait()
    tiles.nth(1).click()
    held.let_go()
    seen.saved(page)
    expect(page.locator(".chosen-bar")).to_contain_text("1 selected")
    press(page, "s")
    seen.saved(page)

    assert sorted(seen.states(video_id).values()) == ["pending_review"] * 3 + ["review_archived", "review_skipped"]


def test_the_grid_shows_what_its_filters_say_when_a_verdict_is_late(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(2, 8)
    page = person().look(f"/grid?video={video_id}")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(2)
    held = Held(page, "**/api/selection/verdict", answered=True)

    page.get_by_role("grid").focus()
    press(page, "Space", "x")
    held.wait()
    page.locator(".filters select").first.select_option("review_archived")
    expect(tiles).to_have_count(1)
    held.let_go()
    seen.saved(page)

    expect(tiles).to_have_count(1)


def test_stacks_that_were_looked_for_while_the_list_was_read_anew_are_shown(
    person: Come, film: Film, seen: Seen, desk: Api
) -> None:
    video_id = film(4, 8, same=True)
    clip_id = seen.clips(video_id)[8]["id"]
    somebody = person()
    desk._http.post(f"/api/clips/{clip_id}/verdict", json={"verdict": "skip"}, headers=new_key()).raise_for_status()
    page = somebody.look(f"/grid?video={video_id}")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(3)
    # A picture that no tile shows: it is looked at for stacks alone.
    held = Held(page, "**/frames/26.jpg")

    press(page, "d")
    held.wait()
    desk._http.post("/api/undo", json={}, headers=new_key()).raise_for_status()
    expect(tiles).to_have_count(4)
    held.let_go()

    expect(page.locator(".tile-stack")).to_have_text("\N{MULTIPLICATION SIGN}3")
    expect(tiles).to_have_count(2)


def test_the_grids_keys_work_on_when_the_list_has_become_shorter(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(4, 8)
    page = person().look(f"/grid?video={video_id}")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(4)

    page.get_by_role("grid").focus()
    press(page, "End", "Shift+ArrowLeft", "x")
    expect(tiles).to_have_count(2)
    press(page, "Space")
    expect(page.locator(".chosen-bar")).to_contain_text("1 selected")


def test_an_old_search_shows_nothing_under_a_new_one(person: Come, film: Film) -> None:
    video_id = film(1, 8)
    page = person().look("/search")
    held = Held(page, "**/api/search", answered=True)

    page.goto(page.url + f"?words=film&video={video_id}")
    held.wait()
    intercept(
        page,
        "**/api/search",
        lambda route: route.fallback() if "film" in str(route.request.post_data) else route.continue_(),
    )
    page.get_by_label("Search clips").fill("zyzzyva")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    held.let_go()

    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    expect(page.get_by_role("gridcell")).to_have_count(0)


def test_verdicts_of_two_pages_that_were_one_are_kept_apart(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(4, 8)
    somebody = person()
    page = somebody.review(video_id)
    intercept(somebody.context, "**/verdict", lambda route: route.abort())

    press(page, "s")
    expect(page.locator("[data-saving]")).to_have_text("1 saving")
    with page.expect_popup() as opened:  # it begins with a copy of what this page keeps, as a tab that is duplicated
        page.evaluate("void open('/account')")
    twin = opened.value
    expect(twin.locator(".me")).to_have_attribute("title", re.compile("^You: "))
    expect(twin.locator("[data-saving]")).to_have_count(0)
    press(page, "x")
    expect(page.locator("[data-saving]")).to_have_text("2 saving")
    twin.close()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("[data-saving]")).to_have_text("2 saving")
    somebody.context.unroute("**/verdict")
    seen.saved(page)

    assert list(seen.states(video_id).values()) == ["review_skipped", "review_archived"] + ["pending_review"] * 2


def test_verdicts_are_sent_though_nobody_could_say_at_first_whose_they_are(
    person: Come, film: Film, seen: Seen
) -> None:
    video_id = film(2, 8)
    somebody = person()
    page = somebody.review(video_id)

    intercept(somebody.context, "**/verdict", lambda route: route.abort())
    press(page, "s")
    expect(page.locator("[data-saving]")).to_have_text("1 saving")
    page.on("dialog", lambda dialog: dialog.accept())
    lost: list[Route] = []

    def lose(route: Route) -> None:
        lost.append(route)
        route.fulfill(status=503, json={"detail": "One moment."})

    page.route("**/api/me", lose)
    page.reload()
    wait_for(lambda: lost or page.wait_for_timeout(20), "the question who sits here")
    page.unroute("**/api/me")
    somebody.context.unroute("**/verdict")

    wait_for(lambda: seen.states(video_id)[0] == "review_skipped", "the verdict", within_s=20)


def test_an_upload_that_is_stopped_at_once_sends_nothing(person: Come, desk: Api, tmp_path: Path) -> None:
    path = render_film(tmp_path / "stopped.mp4", FilmKind(frames=25, width_px=160, height_px=90))
    somebody = person()
    page = somebody.look("/pipeline")
    sent: list[str] = []
    somebody.context.on("request", lambda asked: sent.append(asked.url) if asked.method == "PUT" else None)
    held = Held(page, "**/api/uploads/parts")

    page.set_input_files("input[type=file]", path)
    held.wait()
    row = page.get_by_role("list", name="Files on their way").get_by_role("listitem")
    row.get_by_role("button", name="Stop").click()
    held.let_go()
    expect(row.get_by_role("button", name="Go on")).to_be_visible()
    assert sent == []
    row.get_by_role("button", name="Go on").click()

    expect(page.get_by_role("row").filter(has_text="stopped")).to_be_visible(timeout=30_000)


def test_addresses_that_could_not_be_asked_for_stay_in_their_field(person: Come) -> None:
    page = person().look("/pipeline")
    intercept(page, "**/api/ingest", lambda route: route.abort())

    page.get_by_label("Address of a video").fill("https://example.org/one.mp4")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")

    expect(page.get_by_label("Address of a video")).to_have_value("https://example.org/one.mp4")


def test_another_format_begins_with_its_first_part(person: Come, film: Film) -> None:
    page = person().look(f"/videos/{film(1, 8)}")
    asked: list[Route] = []
    intercept(page, "**/api/exports/clips.csv*", lambda route: asked.append(route))

    page.get_by_role("button", name="Export").click()
    page.get_by_label("CSV").check()
    page.get_by_role("button", name="Download", exact=True).click()
    wait_for(lambda: asked or page.wait_for_timeout(20), "the wish for a part")
    page.get_by_label("Parquet").check()
    asked[0].fulfill(body="a", headers={"x-heaters-clips": "1", "x-heaters-next": "more"})

    expect(page.get_by_role("button", name=re.compile("^Download"))).to_be_enabled()
    expect(page.get_by_role("button", name="Download part 2")).to_have_count(0)


def test_roles_that_are_given_one_after_the_other_are_all_given(person: Come, desk: Api) -> None:
    login = f"eve-{new_key()['Idempotency-Key'][:6]}"
    wish = {"login": login, "name": login, "roles": ["reviewer"], "password": "weeping woman 1937"}
    desk._http.post("/api/accounts", json=wish).raise_for_status()
    page = person().look("/account")
    row = page.locator(f"[data-account={login}]")
    held = Held(page, "**/api/accounts/*")

    row.get_by_role("button", name="lead").click()
    row.get_by_role("button", name="ops").click()
    held.wait()
    held.let_go()

    def roles() -> list[str]:
        (found,) = [one for one in desk._http.get("/api/accounts").json()["items"] if one["login"] == login]
        return sorted(found["roles"])

    wait_for(lambda: roles() == ["lead", "ops", "reviewer"], "all roles")


def test_clips_that_were_handed_out_before_a_cut_are_not_shown_after_it(
    person: Come, film: Film, seen: Seen, desk: Api
) -> None:
    video_id = film(2, 40)
    clips = seen.clips(video_id)
    first, second = str(clips[0]["id"]), str(clips[40]["id"])
    wish = {"order": "video", "limit": 2, "video": video_id}
    somebody = person()
    desk._http.post("/api/queue/next", json=wish, headers=new_key()).raise_for_status()
    desk._http.post("/api/queue/release", json={"clips": [first]}, headers=new_key()).raise_for_status()
    page = somebody.review(video_id)
    held = Held(page, "**/api/queue/next", answered=True)
    desk._http.post("/api/queue/release", json={"clips": [second]}, headers=new_key()).raise_for_status()
    said = {"tags": ["night"], "note": ""}  # whatever happens: the page looks whether there is more
    desk._http.post(f"/api/clips/{first}/annotation", json=said, headers=new_key()).raise_for_status()
    held.wait()

    with page.expect_request(
        "**/api/clips/picked?*"
    ):  # it hears of the cut, and looks what became of the clips that it has
        press(page, "]", "Backspace")
    expect(page.locator("[data-frames]")).to_contain_text("80 (0")
    held.let_go()
    press(page, "s")
    seen.saved(page)

    expect(page.get_by_role("heading", name="Nothing of this video waits for a verdict")).to_be_visible()


def test_what_others_did_while_a_verdict_was_on_its_way_is_heard_afterwards(
    person: Come, film: Film, seen: Seen, desk: Api
) -> None:
    video_id = film(3, 8)
    page = person().review(video_id)
    expect(page.locator(".live")).to_have_text("live")
    looked = Held(page, "**/api/clips/picked?*", answered=True)
    verdicts = Held(page, "**/verdict")

    other = f"/api/clips/{seen.clips(video_id)[8]['id']}/verdict"
    desk._http.post(other, json={"verdict": "archive"}, headers=new_key()).raise_for_status()
    looked.wait()
    press(page, "s")
    verdicts.wait()
    looked.let_go()
    verdicts.let_go()

    expect(page.locator("[data-frames]")).to_contain_text("8 (16")


def test_what_was_chosen_stays_chosen_when_the_list_changes(person: Come, desk: Api, tmp_path: Path) -> None:
    name = f"shoal-{new_key()['Idempotency-Key'][:6]}"
    first, second = (
        render_film(tmp_path / f"{name}-{n}.mp4", FilmKind(frames=8, width_px=160, height_px=90)) for n in "12"
    )
    send(desk, first)
    page = person().look("/account")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")

    press(page, "Control+k")
    page.keyboard.type(f"Timeline of {name}")
    expect(options).to_have_count(3)
    press(page, "ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    send(desk, second)
    expect(options).to_have_count(4)
    press(page, "Enter")

    expect(page).to_have_url(re.compile(r"/search\?words=Timeline"))


def test_words_that_are_typed_right_after_a_verdict_are_no_verdicts(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(3, 8)
    somebody = person()
    somebody.context.add_init_script(
        "const paint = requestAnimationFrame; window.requestAnimationFrame = (run) => setTimeout(() => paint(run), 500)"
    )
    page = somebody.review(video_id)

    press(page, "s", "t", "x", "g", "Enter")
    seen.saved(page)
    press(page, "s", "Control+k", "x")
    expect(page.get_by_role("combobox", name="Find anything")).to_have_value("x")
    seen.saved(page)

    clips = seen.clips(video_id)
    assert [clip["state"] for clip in clips.values()] == ["review_skipped", "review_skipped", "pending_review"]
    assert clips[8]["tags"] == ["xg"]
