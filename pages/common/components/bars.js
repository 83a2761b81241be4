// Next-token probabilities before and after temperature and filters, re-weighed in the browser.
// data: { label, texts: [string], log_probabilities: base64 of float32 (V,), falling,
//         settings: { temperature, top_k, top_p, min_p }: each the value of a slider of that key }
// The first texts.length of the V tokens have a row; "other" is all the rest.
// Below them stand the entropy and the effective number of choices, also before and after.

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

const shares = (p) =>
  [element("div", "cell", bar(p), element("span", "number", `${(100 * p).toFixed(2)} %`))]

const SUMMARIES = [
  ["Effective choices", "exp H", (nats) => [Math.exp(nats).toFixed(nats < Math.log(100) ? 2 : 0)]],
  ["Entropy", "H", (nats) => [
    element("span", "figure", `${nats.toFixed(2)} nats`),
    " ",
    element("span", "figure", `${(nats / Math.LN2).toFixed(2)} bits`),
  ]],
]

// A row of the table. `show(column, value)`: 0 for before, 1 for after.
function row(head, className, write) {
  const th = element("th", "", ...head)
  const cells = ["before", "after"].map((name) => element("td", name))
  th.scope = "row"
  if (head.length === 1) th.title = head[0] // a long token is cut off
  const tr = element("tr", className, th, ...cells)
  tr.show = (column, value) => cells[column].replaceChildren(...write(value))
  return tr
}

export default function ({ data, parentElement }) {
  const logs = unpack(data.log_probabilities)
  const shown = data.texts.length

  const table = element("table", "", element("caption", "", data.label))
  const head = table.createTHead().insertRow()
  for (const title of ["Token", "Before", "After"]) {
    const th = element("th", "", title)
    th.scope = "col"
    head.append(th)
  }
  const rows = data.texts.map((text) => row([visible(text)], "", shares))
  if (logs.length > shown) rows.push(row(["other"], "other", shares))
  const summaries = SUMMARIES.map(([title, symbol, write]) =>
    row([title, element("small", "", symbol)], "", write))
  table.createTBody().append(...rows)
  table.createTFoot().append(...summaries)
  parentElement.querySelector(".root").replaceChildren(table)

  function draw(column, probabilities) {
    const nats = Math.max(entropy(probabilities), 0)
    summaries.forEach((tr) => tr.show(column, nats))
    let rest = 1
    rows.forEach((tr, i) => {
      const p = i < shown ? probabilities[i] : Math.max(rest, 0)
      rest -= p
      tr.show(column, p)
      if (column === 1) tr.classList.toggle("cut", p < 1e-9)
    })
  }

  function redraw() {
    const settings = { ...data.settings }
    for (const key of Object.keys(settings)) {
      const input = document.querySelector(`.st-key-${key} input`)
      if (input?.value) settings[key] = Number(input.value)
    }
    draw(1, reweigh(logs, settings))
  }

  draw(0, reweigh(logs, { temperature: 1, top_k: 0, top_p: 1, min_p: 0 }))
  redraw()
  return follow(parentElement, Object.keys(data.settings), redraw)
}
