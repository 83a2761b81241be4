"""The Generate page in a browser: text to the letter, bars that follow the sliders, links."""

import json
import math
import re
import shutil
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lm.architectures.linear.config import LinearConfig
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.config import RunConfig
from lm.runs.prepare import prepare
from lm.training import execute
from lm.updates.config import TrainingConfig
from tests.pages.conftest import ODD_TEXT

ROOT = Path(__file__).parents[2]


ODD_QUERY = "?temperature=0&n_tokens=180&prompt=ROMEO:&runs=odd%20transformer&runs=odd%20mlp"


def open_page(tab, url: str, query: str = "") -> None:
    tab.goto(f"{url}/generate{query}")
    tab.locator("table tbody tr").first.wait_for()


def generate(tab, length: int, n_lanes: int = 1) -> list[str]:
    """Press the button and return the new texts once each has `length` characters."""
    boxes = tab.locator(".text")
    before = boxes.all_text_contents()
    tab.get_by_role("button", name="Generate", exact=True).click()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        texts = boxes.all_text_contents()
        if texts != before and [len(text) for text in texts] == [length] * n_lanes:
            return texts
        time.sleep(0.1)
    raise AssertionError(f"The texts did not become {length} characters long: {texts}")


def column(tab, name: str) -> list[float]:
    """The percentages of one column of the first table of next tokens."""
    numbers = tab.locator("table").first.locator(f"tbody .{name} .number").all_inner_texts()
    return [float(number.rstrip(" %")) for number in numbers]


def openness(tab, place: int) -> tuple[float, float, float]:
    """The effective choices, nats and bits that the first table tells before (0) or after (1)."""
    cells = tab.locator("table").first.locator("tfoot tr").all()
    choices, entropy = (row.locator("td").nth(place).inner_text() for row in cells)
    nats, bits = re.findall(r"[\d.]+", entropy)
    return float(choices), float(nats), float(bits)


def drag(tab, key: str, to: float) -> None:
    """Take hold of a slider and move it to a share of its width, without letting go."""
    track, thumb = tab.locator(f".st-key-{key}"), tab.locator(f".st-key-{key} input")
    where, now = track.bounding_box(), thumb.bounding_box()
    y = now["y"] + now["height"] / 2
    tab.mouse.move(now["x"] + now["width"] / 2, y)
    tab.mouse.down()
    tab.mouse.move(where["x"] + where["width"] * to, y, steps=4)


def settled(tab, sent: list) -> int:
    """How many messages the browser has sent, once it has sent none for a second."""
    deadline, n_sent = time.monotonic() + 30, -1
    while n_sent != len(sent) and time.monotonic() < deadline:
        n_sent = len(sent)
        tab.wait_for_timeout(1000)
    return n_sent


def press(tab, key: str, keys: str, times: int = 1) -> None:
    slider = tab.locator(f".st-key-{key} input")
    slider.focus()
    for _ in range(times):
        tab.keyboard.press(keys)


def test_text_is_shown_to_the_letter(app_url, tab) -> None:
    open_page(tab, app_url, ODD_QUERY)
    transformer, mlp = generate(tab, len("ROMEO:") + 180, n_lanes=2)
    assert transformer in ODD_TEXT * 4
    assert "$light$" in mlp
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("script", has_text="hacked").count() == 0


def test_bars_follow_the_sliders_and_sum_to_one(app_url, tab) -> None:
    sent = []
    tab.on("websocket", lambda socket: socket.on("framesent", lambda f: sent.append(f)))
    open_page(tab, app_url, "?prompt=ROMEO&temperature=1")
    first = column(tab, "before")[0]
    assert column(tab, "after")[0] == pytest.approx(first, abs=0.011)
    n_sent = settled(tab, sent)
    press(tab, "temperature", "ArrowLeft", 16)
    assert column(tab, "after")[0] >= first
    press(tab, "temperature", "End")
    assert column(tab, "after")[0] < first
    assert sum(column(tab, "after")) == pytest.approx(100, abs=0.1)
    press(tab, "top_k", "ArrowRight", 3)
    after = column(tab, "after")
    assert sum(after) == pytest.approx(100, abs=0.1)
    assert [p > 0 for p in after] == [True] * 3 + [False] * (len(after) - 3)
    assert sum(column(tab, "before")) == pytest.approx(100, abs=0.1)
    assert len(sent) == n_sent


def test_bars_and_entropy_follow_every_slider_while_it_is_dragged(app_url, tab) -> None:
    sent = []
    tab.on("websocket", lambda socket: socket.on("framesent", lambda f: sent.append(f)))
    open_page(tab, app_url, "?prompt=b&temperature=1&runs=odd%20mlp")
    assert openness(tab, 0) == openness(tab, 1)
    choices, nats, bits = openness(tab, 0)
    assert choices == pytest.approx(math.exp(nats), rel=0.01)
    assert bits == pytest.approx(nats / math.log(2), abs=0.02)
    n_sent = settled(tab, sent)
    drag(tab, "temperature", 1.0)
    assert openness(tab, 1)[0] > choices
    wide = openness(tab, 1)[0]
    for key, to, before in (("top_k", 0.2, wide), ("top_p", 0.1, None), ("min_p", 0.9, None)):
        tab.mouse.up()
        before = before or openness(tab, 1)[0]
        drag(tab, key, to)
        assert openness(tab, 1)[0] <= before
    assert openness(tab, 1) == (1, 0, 0)  # one token is left
    assert openness(tab, 0) == (choices, nats, bits)
    assert len(sent) == n_sent
    tab.mouse.up()


def test_bars_are_as_long_as_their_numbers_say_beside_three_others(app_url, tab) -> None:
    """In a quarter of the page a bar still has most of its column, before and after."""
    open_page(tab, app_url)
    widths = tab.evaluate(
        """() => {
          const table = [...document.querySelectorAll('*')].map((each) => each.shadowRoot)
            .find((root) => root?.querySelector('.bar')).querySelector('table')
          table.parentElement.style.width = '260px'
          return ['before', 'after'].map((name) =>
            [...table.querySelectorAll(`tbody .${name}`)].map((cell) => [
              parseFloat(cell.querySelector('.number').textContent) / 100,
              cell.querySelector('.bar').getBoundingClientRect().width,
              cell.querySelector('.track').getBoundingClientRect().width,
              cell.getBoundingClientRect().width]))
        }"""
    )
    for cells in widths:
        for probability, bar, track, cell in cells:
            assert track > 0.8 * cell
            assert bar == pytest.approx(max(probability * track, 3 * (cells is widths[0])), abs=2)


def test_slider_moved_without_a_rerun_counts(app_url, tab) -> None:
    open_page(tab, app_url, "?temperature=2&n_tokens=60&prompt=ROMEO:&runs=odd%20transformer")
    wild = generate(tab, len("ROMEO:") + 60)
    press(tab, "temperature", "Home")
    greedy = generate(tab, len("ROMEO:") + 60)
    assert greedy != wild
    assert greedy[0] in ODD_TEXT * 3


def test_link_brings_back_six_settings(app_url, tab) -> None:
    query = "?temperature=0.35&top_k=12&top_p=0.9&min_p=0.05&text_seed=42&n_tokens=77"
    query += "&prompt=ROMEO%3A%0AO"
    shown = """() => ['temperature', 'top_k', 'top_p', 'min_p', 'text_seed', 'n_tokens'].map(
        key => Number(document.querySelector(`.st-key-${key} input`).value))"""
    open_page(tab, app_url, query)
    assert tab.evaluate(shown) == [0.35, 12, 0.9, 0.05, 42, 77]
    assert tab.get_by_label("Prompt").input_value() == "ROMEO:\nO"
    press(tab, "temperature", "ArrowRight")
    tab.wait_for_url(re.compile("temperature=0.4"))
    tab.goto(tab.url)
    tab.locator("table tbody tr").first.wait_for()
    assert tab.evaluate(shown) == [0.4, 12, 0.9, 0.05, 42, 77]


def test_another_page_can_choose_the_run(app_url, tab) -> None:
    open_page(tab, app_url, "?run=shipped-transformer")
    assert tab.locator("caption").all_inner_texts() == ["odd transformer"]
    assert tab.get_by_label("Prompt").input_value() == "ROMEO:"
    tab.wait_for_function("location.search == ''")  # it is the first, which needs no name
    open_page(tab, app_url, "?run=shipped-mlp")
    assert tab.locator("caption").all_inner_texts() == ["odd mlp"]
    tab.wait_for_function("location.search == '?runs=odd+mlp'")  # to be copied


def test_a_text_is_saved_to_the_letter(app_url, tab) -> None:
    open_page(tab, app_url, ODD_QUERY.replace("&runs=odd%20mlp", ""))
    (text,) = generate(tab, len("ROMEO:") + 180)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save text").click()
    assert download.value.suggested_filename == "odd_transformer.txt"
    assert Path(download.value.path()).read_text(encoding="utf-8") == text


def test_impossible_settings_in_the_link_fall_back(app_url, tab) -> None:
    open_page(tab, app_url, "?temperature=99&top_k=x&runs=gone&text_seed=-1")
    assert tab.locator(".st-key-temperature input").input_value() == "0.8"
    assert tab.get_by_test_id("stException").count() == 0


def test_tokens_alternatives_and_colours_are_shown_without_the_server(app_url, tab) -> None:
    sent = []
    tab.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    open_page(tab, app_url, "?n_tokens=20&prompt=ROMEO:&temperature=2&runs=odd%20mlp")
    generate(tab, 26)
    tab.locator(".note", has_text="is not here").wait_for()  # the server has no corpus
    n_sent = settled(tab, sent)
    panel, live = tab.locator(".panel"), tab.locator("[aria-live=polite].hidden")
    tab.locator(".text").focus()
    for _ in range(2):
        tab.keyboard.press("ArrowRight")
    second = tab.locator(".text .token").nth(1)
    assert "active" in second.get_attribute("class")
    ranks = [int(rank) for rank in panel.locator(".rank").all_inner_texts()]
    assert ranks[:6] == [1, 2, 3, 4, 5, 6]
    shares = [float(p.rstrip(" %")) for p in panel.locator(".number").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    drawn = re.search(
        r"probability ([\d.]+) %, rank (\d+), surprise [\d.]+ nats", panel.inner_text()
    )
    assert panel.locator(".drawn .rank").inner_text() == drawn[2]
    assert panel.locator(".drawn .number").inner_text() == f"{drawn[1]} %"
    assert f"rank {drawn[2]}" in live.inner_text()
    tab.keyboard.press("Escape")
    assert not panel.is_visible()
    tab.keyboard.press("ArrowLeft")
    assert "active" in tab.locator(".text .token").first.get_attribute("class")
    for colour, legend in (
        ("Surprise", "Surprise in nats"),
        ("Rank", "Rank"),
        ("What stands in the train text", "Characters in a copied run"),
        ("Probability", "Probability"),
    ):
        tab.get_by_role("radio", name=colour).click()
        tab.locator(".legend .title", has_text=legend).wait_for()
    tab.locator(".text .token").nth(4).hover()
    assert panel.is_visible()
    assert len(sent) == n_sent


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained: Path) -> AppTest:
    """The page as a script, with a copy of the trained runs to spoil."""
    shutil.copytree(trained, tmp_path / "runs")
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def test_unknown_character_in_the_prompt_is_named(app: AppTest) -> None:
    app.run().switch_page("pages/generate.py").run()
    app.text_area(key="prompt").set_value("ROMEO: ж").run()
    assert not app.exception
    (error,) = app.error
    assert "'ж'" in error.value.replace("\\", "")
    assert app.button(key="generate").disabled


def test_what_is_read_otherwise_than_typed_is_said_once(app: AppTest) -> None:
    app.run().switch_page("pages/generate.py").run()
    both = app.multiselect(key="runs").options[:2]
    app.multiselect(key="runs").set_value(both)
    app.text_area(key="prompt").set_value("ROMEO:\r\nO").run()
    said = [caption.value for caption in app.caption if "Carriage returns" in caption.value]
    assert len(said) == 1
    assert said[0].startswith(", ".join(both))
    app.text_area(key="prompt").set_value("R" * 5001).run()
    assert app.text_area(key="prompt").value == "R" * 5000
    said = [caption.value for caption in app.caption]
    assert sum("had 5,001 characters; its last 5,000 are kept" in text for text in said) == 1
    assert sum("of the prompt's 5,000 tokens" in text for text in said) == 2  # which differ


def test_a_model_that_is_not_here_is_named(app: AppTest) -> None:
    app.run().switch_page("pages/generate.py")
    app.query_params["runs"] = "no*such"
    app.run()
    assert [w.value for w in app.warning] == ["There is no trained model named no\\*such here."]
    assert len(app.multiselect(key="runs").value) == 1


def test_the_form_is_as_it_was_after_another_page(app: AppTest) -> None:
    app.run().switch_page("pages/generate.py").run()
    app.text_area(key="prompt").set_value("ROMEO").run()
    app.slider(key="temperature").set_value(0.3).run()
    for page in ("data", "generate"):
        app.query_params.clear()  # as a browser does
        app.switch_page(f"pages/{page}.py").run()
    assert app.text_area(key="prompt").value == "ROMEO"
    assert app.slider(key="temperature").value == 0.3


def test_the_prompt_that_is_offered_is_of_the_models_own_text(app: AppTest, tmp_path: Path) -> None:
    app.run().switch_page("pages/generate.py").run()
    assert app.text_area(key="prompt").value == "ROMEO:"
    first = app.multiselect(key="runs").value
    config = RunConfig(
        data=DataConfig(dataset="known_entropy", n_chars=2_000),  # it has no capital letters
        model=LinearConfig(context_length=4),
        training=TrainingConfig(steps=3),
    )
    run = execute(prepare(config, RunStore(tmp_path / "runs")))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run().switch_page("pages/generate.py").run()
    assert run.name in app.multiselect(key="runs").value[0]
    assert app.text_area(key="prompt").value == run.samples().iloc[-1]["prompt"]
    assert not app.error
    assert not app.exception
    app.multiselect(key="runs").set_value(first).run()  # it follows the model
    assert app.text_area(key="prompt").value == "ROMEO:"
    app.text_area(key="prompt").set_value("O").run()  # until something is typed
    app.multiselect(key="runs").set_value([run.name]).run()
    assert app.text_area(key="prompt").value == "O"


def written(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the browser is given for the one text, once it has been written and looked up."""
    app.run().switch_page("pages/generate.py").run()
    monkeypatch.setattr(  # in AppTest it hands every run to the router, and a click is lost
        "pages.common.shell.PagesManager", type("P", (), {"uses_pages_directory": False})
    )
    app.number_input(key="n_tokens").set_value(40)
    app.button(key="generate").click().run()
    deadline = time.monotonic() + 30
    while app.session_state["texts"][0].busy and time.monotonic() < deadline:
        app.run()
    app.run()
    assert not app.exception
    components = app.get("bidi_component")
    return next(data for c in components if "texts" in (data := json.loads(c.proto.json)))


def test_text_learnt_by_heart_is_not_new_and_is_quoted(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "corpora" / "tiny_shakespeare"
    folder.mkdir(parents=True)
    for part, times in (("train", 300), ("valid", 20), ("test", 20)):
        (folder / f"{part}.txt").write_text(ODD_TEXT * times)
    monkeypatch.setenv("LM_DATASETS", str(folder.parent))
    data = written(app, monkeypatch)
    text, copied = "".join(data["texts"]), data["copied"]
    assert text in ODD_TEXT * 2
    assert copied["note"].startswith("0 % of the characters are new")
    place = (ODD_TEXT * 2).index(text)
    assert copied["spans"][0][:2] == [40, place]
    assert copied["span_of"] == [0] * 40
    assert copied["quote"][2] == text
    (save,) = app.get("download_button")
    assert save.proto.label == "Save text"


def test_without_the_corpus_a_sentence_says_that_copies_cannot_be_told(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    data = written(app, monkeypatch)
    assert "Tiny Shakespeare is not here" in data["copied"]["note"]
    assert len(data["details"]["ranks"]) == 40


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_checkpoint_is_explained(app: AppTest, tmp_path: Path, damage: str) -> None:
    app.run().switch_page("pages/generate.py").run()
    for weights in (tmp_path / "runs").glob("*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100]) if damage == "truncated" else None
    if damage == "missing":
        weights.unlink()
    app.run()
    assert not app.exception
    if damage == "truncated":
        assert "damaged" in app.error[0].value


def test_page_without_runs_offers_one_action(app: AppTest, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs")
    app.run().switch_page("pages/generate.py").run()
    assert not app.exception
    assert "no trained model" in app.info[0].value
    assert not app.button
