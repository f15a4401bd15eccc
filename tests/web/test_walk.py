# SPDX-License-Identifier: Apache-2.0
"""A person walks through the pages; anything that is wrong with one of them fails the walk.

Console errors, script errors, boxes and requests to anywhere else are watched by ``open_page``.
"""

from __future__ import annotations

import csv
import io

import pytest

from .company import EMOJI, HOSTILE
from .walking import asked, sign_in

_TO_SEE = 80  # keys until something must have been reached


def text(seen) -> str:
    return seen.page.inner_text("main")


def test_from_the_sign_in_to_an_accepted_recommendation(open_page, served):
    advised = served.advise()
    with open_page() as seen:
        sign_in(seen, served.key)
        seen.page.click("a[href^='/plans/']")
        seen.page.wait_for_url("**/plans/**")
        assert "aws/compute-sp/1y-none" in text(seen)

        seen.page.click("nav >> text=What if")
        asked(seen, plan=served.plan, demand="20")
        asked(seen, price="-10", price_of="provider=aws")
        asked(seen, without_model="small")
        for edit in ("demand=+20%", "price[provider=aws]=-10%", "deployments.model!=small"):
            assert edit in seen.page.inner_text("#chain")
        cells = seen.page.locator("#chain tbody td").all_inner_texts()
        assert len(cells) == 6
        assert all("$" in cell for cell in cells)
        assert "100.0%" in seen.page.inner_text("#routes")  # the other model answers everything

        seen.go("/recommendations")
        assert f"{len(advised)} wait" in text(seen)
        seen.page.click("tbody th a >> nth=0")
        seen.page.fill("#accept-reason", "agreed with finance")
        seen.page.click("button:has-text('Accept')")
        seen.page.wait_for_selector(".notice")
        assert "accepted" in seen.page.inner_text(".eyebrow")
        assert "agreed with finance" in seen.page.inner_text("#history")

        seen.page.click("nav >> text=Reports")
        seen.page.click("button:has-text('Report on the newest plan')")
        seen.page.wait_for_selector("a:has-text('Open the answer')", timeout=60_000)
        seen.page.click("a:has-text('Open the answer')")
        report = seen.page.frame_locator("iframe.report")
        assert "aws/compute-sp/1y-none" in report.locator("body").inner_text()


def test_accepted_with_the_keyboard_alone(open_page, served):
    (first, *_) = served.advise()
    with open_page() as seen:
        sign_in(seen, served.key, "/recommendations")

        def press_until(what: str) -> None:
            for _ in range(_TO_SEE):
                seen.page.keyboard.press("Tab")
                if seen.page.evaluate(f"() => document.activeElement.matches({what!r})"):
                    outline = seen.page.evaluate(
                        "() => getComputedStyle(document.activeElement).outlineStyle"
                    )
                    assert outline != "none", f"{what} does not show that it has the focus"
                    return
            raise AssertionError(f"{what} is not reached with Tab")

        press_until(f"a[href='/recommendations/{first}']")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url(f"**/recommendations/{first}")
        press_until("form[action$='/accept'] button")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector(".notice")
        assert "accepted" in seen.page.inner_text(".eyebrow")


def test_of_two_decisions_the_second_is_told_so(open_page, served):
    (first, *_) = served.advise()
    with open_page() as seen:
        sign_in(seen, served.key, f"/recommendations/{first}")
        with served.client() as other:
            answer = other.post(
                f"/v1/recommendations/{first}/dismiss",
                json={"reason": "the team moves"},
                headers={"If-Match": "*"},
            )
            assert answer.status_code == 200
        seen.expect.append("status of 412")
        seen.page.fill("#accept-reason", "we want it")
        seen.page.click("button:has-text('Accept')")
        seen.page.wait_for_selector("[role=alert]")
        told = seen.page.inner_text("[role=alert]")
        for words in ("Someone else decided", "dismissed", "the team moves", "we want it"):
            assert words in told
        assert seen.page.locator("form[action$='/accept']").count() == 0
        seen.check_access()


def test_a_dismissal_needs_its_reason(open_page, served):
    (first, *_) = served.advise()
    with open_page() as seen:
        sign_in(seen, served.key, f"/recommendations/{first}")
        seen.expect.append("status of 422")
        seen.page.click("button:has-text('Dismiss')")
        assert "say why" in seen.page.inner_text(".wrong")
        seen.check_access()
        seen.page.fill("#dismiss-reason", HOSTILE)
        seen.page.click("button:has-text('Dismiss')")
        seen.page.wait_for_selector(".notice")
        assert HOSTILE in seen.page.inner_text("#history")


def test_what_the_grammar_refuses_stands_beside_its_field(open_page, served):
    with open_page() as seen:
        sign_in(seen, served.key, "/what-if")
        seen.expect.append("status of 422")
        seen.page.fill("#demand", "twenty")
        seen.page.fill("#more", f"limits.spot_shar=0.3\ndemand[tag_team={EMOJI}]=+5%")
        assert "demand=twenty" in seen.page.url  # what is filled in is in the URL
        seen.page.click("button[name=ask]")
        seen.page.wait_for_selector(".wrong")
        assert "per cent" in seen.page.inner_text("#wrong-demand")
        assert "spot_share" in seen.page.inner_text("#wrong-more")
        assert seen.page.input_value("#demand") == "twenty"
        seen.check_access()
        # What only the case can tell comes back with the answer, beside the same field.
        seen.page.fill("#demand", "")
        seen.page.fill("#more", "")
        asked(seen, without_offers="azure/*")
        assert "azure/*" in seen.page.inner_text("#wrong-without_offers")


def test_without_javascript(open_page, served):
    with open_page(java_script_enabled=False) as seen:
        sign_in(seen, served.key, "/what-if")
        seen.page.fill("#demand", "-10")
        seen.page.fill("#demand_of", f"tag_team={HOSTILE}")
        seen.page.click("button[name=check]")
        edit = f"demand[tag_team={HOSTILE}]=-10%"
        assert edit in seen.page.inner_text(".edits-made")
        seen.page.click("button[name=ask]")
        seen.page.wait_for_selector("#answer", timeout=60_000)  # the page looks again by itself
        assert edit in text(seen)
        assert "less" in seen.page.inner_text("#answer")


def test_tables_are_there_as_csv(open_page, served):
    with open_page() as seen:
        sign_in(seen, served.key, f"/routes?plan={served.plan}")
        for name in seen.page.locator("[data-table]").evaluate_all(
            "nodes => nodes.map(node => node.id)"
        ):
            with seen.page.expect_download() as started:
                seen.page.click(f"#{name} a.csv")
            path = started.value.path()
            rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
            shown = seen.page.locator(f"#{name} tbody tr").count()
            assert len(rows) == shown + 1
        with seen.page.expect_download() as started:
            seen.page.click("a[href$='/litellm']")
        assert "model_list:" in started.value.path().read_text("utf-8")


def test_every_page_in_every_shape(open_page, served):
    """Axe, and nothing wider than the screen: wide and narrow, light and dark, of one load."""
    (first, *_) = served.advise()
    with open_page() as seen:
        seen.go("/sign-in")
        seen.check_access()
        sign_in(seen, served.key)
        pages = seen.page.locator("nav[aria-label=Pages] a").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        pages += [
            f"/plans/{served.plan}",
            f"/routes?plan={served.plan}",
            "/usage?by=tag_team&and=meter&window=all",
            f"/reports/{served.report}",
            f"/jobs/{served.report}",
            "/sessions",
            f"/recommendations/{first}",
            f"/what-if?plan={served.plan}&demand=x&more=nonsense",
        ]
        assert {"/", "/what-if", "/routes", "/usage", "/anomalies", "/budgets"} <= set(pages)
        wrong = []
        for page in pages:
            seen.go(page)
            for shape, theme in SHAPES:
                seen.shape(shape, theme)
                # What axe sees of colours changes with the theme alone, and of sizes with the
                # width alone: two of the four show both.
                found = (
                    seen.barriers(looks_only=shape == "phone") if (shape, theme) in ASKED else []
                )
                if seen.too_wide() > 0:
                    found.append(f"{seen.too_wide()} pixels wider than the screen")
                wrong += [f"{page} ({shape}, {theme}): {what}" for what in found]
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone(open_page, served, theme):
    """What a phone does otherwise than a narrow window: its own zoom, touch, a denser screen."""
    (first, *_) = served.advise()
    with open_page("phone", theme) as seen:
        sign_in(seen, served.key)
        for page in (f"/recommendations/{first}", "/what-if", "/usage", "/reports"):
            seen.go(page)
            seen.check_width()
            ground = seen.page.evaluate("() => getComputedStyle(document.body).color")
            assert (ground == LIGHT_INK) == (theme == "light"), ground
        seen.go(f"/recommendations/{first}")
        seen.page.tap("form[action$='/accept'] button")
        seen.page.wait_for_selector(".notice")


SHAPES = [("desktop", "light"), ("desktop", "dark"), ("phone", "dark"), ("phone", "light")]
ASKED = [("desktop", "light"), ("phone", "dark")]
LIGHT_INK = "rgb(26, 31, 39)"


def test_the_slider_of_the_commitment_curve(open_page, served):
    """With the keyboard alone: every level is told, drawn and in the URL, and none is asked for."""
    with open_page() as seen:
        sign_in(seen, served.key, f"/plans/{served.plan}")
        seen.page.wait_for_selector("[data-chart=commitment].chart-live", timeout=30_000)
        slider = seen.page.get_by_role("slider", name="Commitment level")
        rule = "[data-chart=commitment] .chart-place svg line[stroke-dasharray='5,3']"
        assert seen.page.locator(rule).get_attribute("opacity") == "0"
        values = seen.page.locator("[data-level-value]")
        at_plan = values.all_inner_texts()
        asked = []
        seen.page.on("request", lambda request: asked.append(request.url))
        slider.focus()
        seen.page.keyboard.press("ArrowLeft")
        seen.page.wait_for_selector(f"{rule}:not([opacity='0'])")
        assert values.all_inner_texts() != at_plan
        assert "level=0.9" in seen.page.url
        assert "90% of the plan" in (slider.get_attribute("aria-valuetext") or "")
        seen.page.keyboard.press("Home")
        assert seen.page.inner_text("[data-level-name]") == "Today"
        assert values.nth(2).inner_text() == "$0"
        seen.page.click("[data-level-at]:has-text('The plan')")
        assert values.all_inner_texts() == at_plan
        assert seen.page.locator("[data-level-at][aria-current]").inner_text() == "The plan"
        assert asked == []
        seen.check_access()
    with open_page(java_script_enabled=False) as seen:
        sign_in(seen, served.key, f"/plans/{served.plan}?level=today")
        assert seen.page.inner_text("[data-level-name]") == "Today"
        assert seen.page.get_by_role("slider", name="Commitment level").count() == 0
