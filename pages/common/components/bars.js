// Next-token probabilities before and after temperature and filters, re-weighed in the browser.
// data: { label, texts: [string], log_probabilities: base64 of float32 (V,), falling,
//         settings: { temperature, top_k, top_p, min_p }, keys: { the same four: widget key } }
// Below them stand the entropy and the effective number of choices, also before and after.
// The first texts.length of the V tokens have a row; "other" is all the rest.
// Streamlit marks a widget with the class st-key-<key>; its slider is an <input type=range>.

function normalise(weights) {
  const total = weights.reduce((sum, w) => sum + w, 0)
  return weights.map((w) => w / total)
}

// The order is the sampler's: temperature, then top-k, top-p, min-p.
function reweigh(logs, { temperature, top_k, top_p, min_p }) {
  const greedy = temperature <= 0
  let p = normalise(Array.from(logs, (l, i) =>
    greedy ? Number(i === 0) : Math.exp((l - logs[0]) / temperature)))
  if (top_k > 0) p = normalise(p.map((w, i) => (i < top_k ? w : 0)))
  if (top_p < 1) {
    let before = 0
    p = normalise(p.map((w, i) => {
      const kept = i === 0 || before < top_p ? w : 0
      before += w
      return kept
    }))
  }
  if (min_p > 0) p = normalise(p.map((w) => (w >= min_p * p[0] ? w : 0)))
  return p
}

// Nats: 0 where one token is certain, ln V where all are equally likely.
const entropy = (p) => p.reduce((sum, w) => (w > 0 ? sum - w * Math.log(w) : sum), 0)

function cell(className) {
  const td = element("td", className)
  const box = element("div", "cell")
  const track = element("div", "track")
  track.setAttribute("aria-hidden", "true")
  const bar = element("div", "bar")
  const number = element("span", "number")
  track.append(bar)
  box.append(track, number)
  td.append(box)
  td.show = (p) => {
    bar.style.width = `${100 * p}%`
    number.textContent = `${(100 * p).toFixed(2)} %`
  }
  return td
}

function row(label, className) {
  const tr = element("tr", className)
  const head = element("th", "", label)
  head.scope = "row"
  head.title = label
  tr.cells_ = [cell("before"), cell("after")]
  tr.append(head, ...tr.cells_)
  return tr
}

// Lines below the bars: what a distribution's entropy is, and how many equal choices have as much.
function summary(title, symbol, write) {
  const tr = element("tr")
  const head = element("th", "", title)
  head.scope = "row"
  head.append(element("small", "", symbol))
  tr.cells_ = ["before", "after"].map((className) => element("td", className))
  tr.cells_.forEach((td) => (td.show = (nats) => td.replaceChildren(...write(nats))))
  tr.append(head, ...tr.cells_)
  return tr
}

const SUMMARIES = [
  ["Effective choices", "exp H", (nats) => [Math.exp(nats).toFixed(nats < Math.log(100) ? 2 : 0)]],
  ["Entropy", "H", (nats) => [
    element("span", "figure", `${nats.toFixed(2)} nats`),
    " ",
    element("span", "figure", `${(nats / Math.LN2).toFixed(2)} bits`),
  ]],
]

const cleanups = new WeakMap()

export default function ({ data, parentElement }) {
  cleanups.get(parentElement)?.()
  const logs = unpack(data.log_probabilities)
  const shown = data.texts.length

  const table = element("table")
  table.append(element("caption", "", data.label))
  const head = table.createTHead().insertRow()
  for (const title of ["Token", "Before", "After"]) {
    const th = element("th", "", title)
    th.scope = "col"
    head.append(th)
  }
  const rows = data.texts.map((text) => row(visible(text)))
  if (logs.length > shown) rows.push(row("other", "other"))
  table.createTBody().append(...rows)
  const summaries = SUMMARIES.map((each) => summary(...each))
  table.createTFoot().append(...summaries)
  parentElement.querySelector(".root").replaceChildren(table)

  function draw(column, probabilities) {
    const nats = Math.max(entropy(probabilities), 0)
    summaries.forEach((tr) => tr.cells_[column].show(nats))
    let rest = 1
    rows.forEach((tr, i) => {
      const p = i < shown ? probabilities[i] : Math.max(rest, 0)
      rest -= p
      tr.cells_[column].show(p)
      if (column === 1) tr.classList.toggle("cut", p < 1e-9)
    })
  }

  // What the widgets show now, which Python may not have heard of yet.
  function settings() {
    const now = { ...data.settings }
    for (const [setting, key] of Object.entries(data.keys)) {
      const input = document.querySelector(`.st-key-${key} input`)
      if (input && input.value !== "") now[setting] = Number(input.value)
    }
    return now
  }

  const redraw = () => draw(1, reweigh(logs, settings()))
  draw(0, reweigh(logs, { temperature: 1, top_k: 0, top_p: 1, min_p: 0 }))
  redraw()

  const observer = new MutationObserver(redraw)
  for (const key of Object.values(data.keys)) {
    const widget = document.querySelector(`.st-key-${key}`)
    if (widget) observer.observe(widget, { subtree: true, attributeFilter: ["value", "aria-valuetext"] })
  }
  const cleanup = () => observer.disconnect()
  cleanups.set(parentElement, cleanup)
  return cleanup
}
