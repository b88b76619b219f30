"""What a student types leads to the section that answers, and to that first."""

import re

from pages import SOURCES
from places import SITE
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
    "BatchNorm": "choices",
    "max pooling": "pooling",
    "softmax": "connected",
    "overfitting": "problem",
    "padding formula": "hyperparameters",
    "why pooling": "pooling",
    "accuracy": "training",
    "confusion matrix": "training",
    "feature map": "layers",
    "from pixels to class": "pixels",
    "skip connection": "deeper",
    "skip connections": "deeper",
    "transposed convolution": "up",
    "maxpool": "pooling",
    "max-pooling": "pooling",
    "MaxPooling": "pooling",
    "He initialization": "choices",
    "3 × 3": "stacks",
    "3x3": "stacks",
    "5 × 5": "stacks",
    "1x1": "stacks",
    "1x1 convolution": "stacks",
    "gradient": "before",
    "gradient descent": "descent",
    "mini-batch": "descent",
    "batch size": "descent",
    "backpropagation": "backpropagation",
    "chain rule": "backpropagation",
    "vanishing gradient": "choices",
    "activation function": "choices",
    "regularization": "choices",
    "data augmentation": "choices",
    "kernel": "two-dimensions",
    "what is a kernel?": "two-dimensions",
    "What does a stride do?": "hyperparameters",
    "the receptive field": "stacks",
    "bias": "problem",
    "dense layer": "problem",
    "perceptron": "problem",
    "equivariant": "symmetry",
    "invariant": "symmetry",
    "average pooling": "pooling",
    "global average pooling": "pooling",
    "validation set": "training",
    "saliency": "inside",
    "ResNet": "architectures",
    "LeNet": "architectures",
}


ANSWER = """question => new Promise(resolve => {
  const shown = document.querySelector('#search-results');
  shown.replaceChildren();
  new MutationObserver((_, observer) => {
    if (!Search.status.textContent) return;
    observer.disconnect();
    resolve([...shown.querySelectorAll('li > a')].map(a => a.getAttribute('href')));
  }).observe(shown, {childList: true, subtree: true});
  Search.performSearch(question);
})"""


def answers(visit, questions):
    """Return of each question the addresses that the search finds, the best first."""
    page = visit("search")
    page.evaluate("() => { fetch = () => new Promise(() => {}); }")  # the text of a page found
    return {question: page.evaluate(ANSWER, question) for question in questions}


def test_each_question_has_the_right_section_first(visit):
    first = {question: (found or [""])[0] for question, found in answers(visit, WANTED).items()}
    wrong = {
        question: first[question]
        for question, wanted in WANTED.items()
        if not first[question].startswith(f"{wanted}.html") or "#" not in first[question]
    }
    assert wrong == {}


def test_a_size_is_one_word_however_it_is_typed(visit):
    size = re.compile(r"(?<!\d)11\s?(?:x|×|\\times)\s?11(?!\d)")
    wanted = {f"{name}.html" for name, text in SOURCES.items() if size.search(text)}
    assert len(wanted) > 2
    questions = ["11 × 11", "11\u00a0×\u00a011", "11x11", "11 X 11"]
    for question, found in answers(visit, questions).items():
        pages = {address.partition("#")[0] for address in found}
        assert pages >= wanted, question
        assert all(size.search((SITE / page).read_text("utf-8")) for page in pages), question
    (both,) = answers(visit, ["AlexNet 11 x 11"]).values()
    assert "architectures.html" in both
    assert "kernels.html" not in both  # which does not name AlexNet


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
