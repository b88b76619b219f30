"""What a student types leads to the section that answers, and to that first."""

import pytest
from playwright.sync_api import expect

WANTED = {
    "receptive field": "stacks",
    "why is my output size wrong": "hyperparameters",
    "output size": "hyperparameters",
    "stride": "hyperparameters",
    "relu": "before",
    "how many parameters": "problem",
    "same padding": "hyperparameters",
    "dropout": "choices",
    "flatten": "connected",
    "Sobel": "edges",
    "gradient check": "backpropagation",
    "learning rate": "before",
    "batch normalization": "choices",
    "max pooling": "pooling",
    "softmax": "connected",
    "overfitting": "problem",
    "padding formula": "hyperparameters",
    "why pooling": "pooling",
    "accuracy": "training",
    "confusion matrix": "training",
    "feature map": "layers",
    "from pixels to class": "pixels",
}


@pytest.mark.xdist_group("search")
def test_each_question_has_the_right_section_first(visit):
    page = visit("search")
    page.add_init_script("fetch = () => new Promise(() => {})")  # the text of a page found
    first = {}
    for question in WANTED:
        page.goto(page.url.partition("?")[0] + f"?q={question}")
        link = page.locator("#search-results li a").first
        link.wait_for()
        page.wait_for_function(
            "document.querySelector('#search-results p.search-summary')"
            "?.textContent.includes('found')"
        )
        first[question] = page.locator("#search-results li a").first.get_attribute("href")
    wrong = {
        question: first[question]
        for question, wanted in WANTED.items()
        if not first[question].startswith(f"{wanted}.html") or "#" not in first[question]
    }
    assert wrong == {}


def test_a_result_shows_each_formula_once(visit):
    page = visit("search")
    page.goto(page.url.partition("?")[0] + "?q=max pooling")
    context = page.locator("#search-results li", has_text="cuts a map").locator(".context").first
    said = context.inner_text().replace("\u200b", "")
    assert "k×k pixels and the stride s," in said


def test_the_search_finds_where_a_browser_keeps_nothing(site, browser):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}robots.txt")
    frame = f"<iframe sandbox='allow-scripts' src='{site}search.html?q=pooling'></iframe>"
    page.set_content(frame)  # whose pages are refused what a browser keeps
    found = page.frame_locator("iframe").locator("#search-results li")
    expect(found.first).to_be_attached(timeout=30_000)
    assert errors == []
    page.close()
