// Text of a model, token by token: coloured, and for each token a panel with its alternatives.
// data: { label, prompt, height, texts: [string], probabilities: [number],
//         colour: { key, modes } | null, details: { ranks: [int], alternatives: base64 of float32
//         (tokens, n_alternatives, 2: id and probability), names: { id: string } } | null,
//         copied: { note, spans: [[length, place, count]], span_of: [int], longest: [first token,
//         end], quote: [caption, before, run, after] } | null }
// Everything a model wrote becomes a text node, so it is shown to the letter. The nodes stay while a
// text grows, and with them the cursor, the focus and the place that was scrolled to.

const passed = (bounds, value) => bounds.filter((bound) => value >= bound).length
const percent = (p) => (100 * p).toFixed(p >= 0.1 ? 0 : p >= 0.001 ? 1 : 3) + " %"
const NAMES = { " ": "space", "\n": "new line", "": "part of a character" }
const spoken = (text) => NAMES[text] ?? visible(text).replaceAll("␣", " ").trim()
const whole = (number) => number.toLocaleString("en-US")
const nats = (p) => (p > 0 ? Math.max(0, -Math.log(p)).toFixed(2) : "∞")

const SHADES = ["s0", "s1", "s2", "s3", "s4"]

// How a text can be coloured: the class of a token, and what the classes mean.
const MODES = {
  probability: {
    title: "Probability",
    classes: SHADES,
    words: ["≥ 50 %", "20–50 %", "5–20 %", "1–5 %", "< 1 %"],
    level: (data, i) => 4 - passed([0.01, 0.05, 0.2, 0.5], data.probabilities[i]),
  },
  surprise: {
    title: "Surprise in nats",
    classes: SHADES,
    words: ["< 1", "1–2", "2–4", "4–6", "≥ 6"],
    level: (data, i) => passed([1, 2, 4, 6], -Math.log(data.probabilities[i])),
    note: ({ probabilities }) => {
      const sum = probabilities.reduce((total, p) => total - Math.log(p), 0)
      return probabilities.length ? `mean ${(sum / probabilities.length).toFixed(2)}` : ""
    },
  },
  rank: {
    title: "Rank",
    classes: SHADES,
    words: ["1", "2–3", "4–10", "11–100", "> 100"],
    level: (data, i) => passed([2, 4, 11, 101], data.details?.ranks[i] ?? 1),
  },
  copied: {
    title: "Characters in a copied run",
    classes: ["s0", "c1", "c2", "c3"],
    words: ["new", "20–39", "40–79", "≥ 80"],
    marked: ({ copied }, i) => copied?.longest && copied.longest[0] <= i && i < copied.longest[1],
    mark: "longest run",
    level: ({ copied }, i) => {
      const span = copied?.spans[copied.span_of[i]]
      return span ? passed([0, 40, 80], span[0]) : 0
    },
  },
}

// The drawn token's probability, rank and surprise in a line, and how it stands in the train text.
function facts(data, i) {
  const p = data.probabilities[i]
  const rank = data.details?.ranks[i]
  return `probability ${percent(p)}, ${rank ? `rank ${whole(rank)}, ` : ""}surprise ${nats(p)} nats`
}

function source({ copied }, i) {
  const span = copied?.spans[copied.span_of[i]]
  if (!span) return ""
  const [length, place, count] = span
  const times = count > 1 ? `, ${whole(count)} times, first` : ""
  return `In a run of ${whole(length)} characters that stands in the train text${times} ` +
    `at character ${whole(place)}.`
}

function alternatives({ details }, table, i) {
  if (!details) return []
  const width = table.length / details.ranks.length
  const pairs = []
  for (let at = i * width; at < (i + 1) * width; at += 2) {
    pairs.push({ text: details.names[table[at]], p: table[at + 1], rank: pairs.length + 1 })
  }
  return pairs
}

class TextView {
  constructor(root) {
    this.tokens = []
    this.active = -1 // the token whose panel is open
    this.cursor = -1 // where the arrow keys go on from
    this.pinned = false
    this.prompt = element("span", "prompt")
    this.box = element("div", "text", this.prompt)
    Object.assign(this.box, { tabIndex: 0, role: "group", ariaRoleDescription: "token view" })
    this.panel = element("div", "panel")
    Object.assign(this.panel, { ariaHidden: "true", hidden: true }) // the live region says the same
    this.live = element("div", "hidden")
    this.live.ariaLive = "polite"
    this.legend = element("ul", "legend")
    this.note = element("p", "note")
    this.quote = element("blockquote", "quote")
    const hint = element("div", "hint", "Point at a token, tap it, or press the arrow keys.")
    root.replaceChildren(
      element("div", "view", this.box, this.panel, this.live),
      element("div", "foot", this.legend, hint), this.note, this.quote)

    const at = (event) => this.tokens.indexOf(event.target)
    this.box.addEventListener("pointerover", (event) => {
      if (!this.pinned && event.pointerType === "mouse" && at(event) >= 0) this.show(at(event))
    })
    this.box.addEventListener("pointerleave", () => this.pinned || this.show(-1))
    this.box.addEventListener("scroll", () => this.place(), { passive: true })
    this.box.addEventListener("blur", () => this.close())
    this.box.addEventListener("click", (event) => {
      const index = at(event)
      if (index < 0 || (this.pinned && index === this.active)) return this.close()
      this.pin(index)
    })
    this.box.addEventListener("keydown", (event) => {
      const last = this.tokens.length - 1
      if (event.altKey || event.ctrlKey || event.metaKey || last < 0) return
      if (event.key === "Escape" && this.active >= 0) {
        event.preventDefault()
        return this.close()
      }
      const to = { ArrowRight: this.cursor + 1, ArrowLeft: this.cursor - 1, Home: 0, End: last }
      if (!(event.key in to)) return
      event.preventDefault()
      this.pin(Math.min(Math.max(to[event.key], 0), last))
    })
  }

  update(data) {
    this.data = data
    this.table = data.details ? unpack(data.details.alternatives) : []
    this.box.ariaLabel = `${data.label}. Arrow keys walk through the tokens.`
    this.box.style.maxHeight = data.height ? `${data.height}px` : ""
    const finished = this.tokens.slice(0, -1) // the last may gain the end of a character
    if (
      this.prompt.textContent !== data.prompt ||
      finished.some((token, i) => token.textContent !== data.texts[i])
    ) {
      this.close()
      this.cursor = -1
      this.box.scrollTop = 0
    }
    this.prompt.textContent = data.prompt
    for (const token of this.tokens.splice(data.texts.length)) token.remove()
    data.texts.forEach((text, i) => {
      if (!this.tokens[i]) {
        this.tokens.push(element("span"))
        this.box.append(this.tokens[i])
      }
      if (this.tokens[i].textContent !== text) this.tokens[i].textContent = text
    })
    this.paint()
    if (this.active >= 0) this.show(this.active)
  }

  mode() {
    const { colour } = this.data
    if (!colour) return "probability"
    const buttons = [...document.querySelectorAll(`.st-key-${colour.key} button[role=radio]`)]
    return colour.modes[buttons.findIndex((button) => button.ariaChecked === "true")]
      ?? colour.modes[0]
  }

  paint() {
    const { data } = this
    const mode = MODES[this.mode()]
    this.tokens.forEach((token, i) => {
      const className = `token ${mode.classes[mode.level(data, i)]}`
        + (data.texts[i].includes("\n") ? " newline" : "") + (i === this.active ? " active" : "")
        + (mode.marked?.(data, i) ? " longest" : "")
      if (token.className !== className) token.className = className
    })
    this.legend.ariaLabel = `Colours: ${mode.title.toLowerCase()}`
    const items = mode.words.map((words, i) =>
      element("li", "", element("span", `token ${mode.classes[i]}`), words))
    if (mode.mark) {
      items.push(element("li", "", element("span", "sample longest", "abc"), mode.mark))
    }
    const note = mode.note?.(data)
    if (note) items.push(element("li", "", note))
    this.legend.replaceChildren(element("li", "title", mode.title), ...items)
    this.note.textContent = data.copied?.note ?? ""
    const quote = mode === MODES.copied ? data.copied?.quote : null
    this.quote.hidden = !quote
    if (quote) {
      const [caption, before, run, after] = quote
      const mark = element("mark", "", run)
      this.quote.replaceChildren(
        element("span", "caption", caption),
        element("span", "context", "…", before, mark, after, "…"))
    }
  }

  pin(index) {
    this.pinned = true
    this.cursor = index
    const token = this.tokens[index]
    const above = token.offsetTop - this.box.scrollTop
    if (above < 0 || above + 28 > this.box.clientHeight) {
      this.box.scrollTop = token.offsetTop - this.box.clientHeight / 2
    }
    this.show(index)
    const others = alternatives(this.data, this.table, index).slice(0, 4)
    const words = others.map(({ text, p }) => `${spoken(text)} ${percent(p)}`).join(", ")
    this.live.textContent = [
      `${spoken(this.data.texts[index])}: ${facts(this.data, index)}.`,
      words && `Likeliest: ${words}.`, source(this.data, index),
    ].filter(Boolean).join(" ")
  }

  close() {
    this.pinned = false
    this.show(-1)
    this.live.textContent = ""
  }

  show(index) {
    this.tokens[this.active]?.classList.remove("active")
    this.active = index
    this.panel.hidden = index < 0
    if (index < 0) return
    const { data } = this
    this.tokens[index].classList.add("active")
    const drawn = data.details?.ranks[index]
    const pairs = alternatives(data, this.table, index)
    if (drawn > pairs.length && pairs.length) {
      pairs.push({ text: data.texts[index], p: data.probabilities[index], rank: drawn })
    }
    const lines = pairs.map(({ text, p, rank }) =>
      element("div", rank === drawn ? "line drawn" : "line", element("span", "rank", whole(rank)),
        element("b", "", visible(text)), bar(p), element("span", "number", percent(p))))
    const head = element("b", "", visible(data.texts[index]))
    this.panel.replaceChildren(
      element("div", "head", head, ` ${facts(data, index)}`), element("div", "bars", ...lines),
      element("div", "origin", source(data, index)))
    this.place()
  }

  // Under its token, or above where there is no room below; always within the text's width.
  place() {
    if (this.active < 0) return
    const line = this.tokens[this.active].getClientRects()[0]
    const box = this.box.getBoundingClientRect()
    this.panel.hidden = !line || line.bottom < box.top || line.top > box.bottom
    if (this.panel.hidden) return
    const { offsetWidth: width, offsetHeight: height } = this.panel
    const below = line.bottom + height + 12 < window.innerHeight || line.top < height + 70
    const left = Math.min(Math.max(line.left - box.left, 0), Math.max(box.width - width, 0))
    const top = below ? line.bottom - box.top + 6 : line.top - box.top - height - 6
    this.panel.style.translate = `${left}px ${top}px`
  }
}

const views = new WeakMap()

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root")
  if (!views.has(root)) views.set(root, new TextView(root))
  const view = views.get(root)
  view.update(data)
  return follow(parentElement, data.colour ? [data.colour.key] : [], () => view.paint())
}
