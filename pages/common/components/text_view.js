// Text of a model, token by token: coloured, and for each token a panel with its alternatives.
// data: { label, prompt, height, texts: [string], probabilities: [number],
//         colour: { key, modes } | null, details: { ranks: [int], alternatives: base64 of float32
//         (tokens, n_alternatives, 2: id and probability), names: { id: string } } | null,
//         copied: { note, spans: [[length, place, count]], span_of: [int], longest: [first token,
//         end], quote: [caption, before, run, after] } | null }
// Everything a model wrote goes through textContent, so it is shown to the letter. The nodes stay
// while a text grows, and with them the cursor, the focus and the place that was scrolled to.

const passed = (bounds, value) => bounds.filter((bound) => value >= bound).length
const percent = (p) => (100 * p).toFixed(p >= 0.1 ? 0 : p >= 0.001 ? 1 : 3) + " %"
const NAMES = { " ": "space", "\n": "new line", "": "part of a character" }
const spoken = (text) => NAMES[text] ?? visible(text).replaceAll("␣", " ").trim()
const whole = (number) => number.toLocaleString("en-US")
const nats = (p) => (p > 0 ? Math.max(0, -Math.log(p)).toFixed(2) : "∞")

const HINT = "Point at a token, tap it, or press the arrow keys."

// How a text can be coloured: the class of a token, and what the classes mean.
const MODES = {
  probability: {
    title: "Probability",
    classes: ["s0", "s1", "s2", "s3", "s4"],
    words: ["≥ 50 %", "20–50 %", "5–20 %", "1–5 %", "< 1 %"],
    level: (data, i) => 4 - passed([0.01, 0.05, 0.2, 0.5], data.probabilities[i]),
  },
  surprise: {
    title: "Surprise in nats",
    classes: ["s0", "s1", "s2", "s3", "s4"],
    words: ["< 1", "1–2", "2–4", "4–6", "≥ 6"],
    level: (data, i) => passed([1, 2, 4, 6], -Math.log(data.probabilities[i])),
    note: ({ probabilities }) => {
      const sum = probabilities.reduce((total, p) => total - Math.log(p), 0)
      return probabilities.length ? `mean ${(sum / probabilities.length).toFixed(2)}` : ""
    },
  },
  rank: {
    title: "Rank",
    classes: ["s0", "s1", "s2", "s3", "s4"],
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
  const words = [`probability ${percent(p)}`, ...(rank ? [`rank ${whole(rank)}`] : [])]
  return [...words, `surprise ${nats(p)} nats`].join(", ")
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
  if (!details?.ranks.length) return []
  const width = table.length / details.ranks.length
  const pairs = []
  for (let at = i * width; at < (i + 1) * width; at += 2) {
    pairs.push({ text: details.names[table[at]], p: table[at + 1] })
  }
  return pairs
}

function bars(pairs, drawn) {
  const table = element("div", "bars")
  pairs.forEach(({ text, p, rank }, i) => {
    const line = element("div", i === drawn ? "line drawn" : "line")
    const bar = element("span", "bar")
    bar.style.width = `${100 * p}%`
    const track = element("span", "track")
    track.append(bar)
    line.append(
      element("span", "rank", whole(rank)), element("b", "", visible(text)), track,
      element("span", "number", percent(p)))
    table.append(line)
  })
  return table
}

class TextView {
  constructor(root) {
    this.tokens = []
    this.active = -1 // the token whose panel is open
    this.cursor = -1 // where the arrow keys go on from
    this.pinned = false
    this.box = element("div", "text")
    this.box.tabIndex = 0
    this.box.setAttribute("role", "group")
    this.box.setAttribute("aria-roledescription", "token view")
    this.prompt = element("span", "prompt")
    this.box.append(this.prompt)
    this.panel = element("div", "panel")
    this.panel.setAttribute("aria-hidden", "true") // the live region says the same
    this.panel.hidden = true
    this.live = element("div", "hidden")
    this.live.setAttribute("aria-live", "polite")
    this.view = element("div", "view")
    this.view.append(this.box, this.panel, this.live)
    this.legend = element("ul", "legend")
    this.foot = element("div", "foot")
    this.foot.append(this.legend, element("div", "hint", HINT))
    this.note = element("p", "note")
    this.quote = element("blockquote", "quote")
    root.replaceChildren(this.view, this.foot, this.note, this.quote)
    this.listen()
  }

  listen() {
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
    this.box.setAttribute("aria-label", `${data.label}. Arrow keys walk through the tokens.`)
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

  // The mode is what the widget shows now, which Python may not have heard of yet.
  mode() {
    const { colour } = this.data
    if (!colour) return "probability"
    const buttons = [...document.querySelectorAll(`.st-key-${colour.key} button[role=radio]`)]
    const at = buttons.findIndex((button) => button.getAttribute("aria-checked") === "true")
    return colour.modes[at] ?? colour.modes[0]
  }

  paint() {
    const { data } = this
    const name = this.mode()
    const mode = MODES[name]
    this.tokens.forEach((token, i) => {
      const className = `token ${mode.classes[mode.level(data, i)]}`
        + (data.texts[i].includes("\n") ? " newline" : "") + (i === this.active ? " active" : "")
        + (mode.marked?.(data, i) ? " longest" : "")
      if (token.className !== className) token.className = className
    })
    this.legend.setAttribute("aria-label", `Colours: ${mode.title.toLowerCase()}`)
    const items = mode.words.map((words, i) => {
      const item = element("li")
      item.append(element("span", `token ${mode.classes[i]}`), words)
      return item
    })
    if (mode.mark) {
      const item = element("li")
      item.append(element("span", "sample longest", "abc"), mode.mark)
      items.push(item)
    }
    const note = mode.note?.(data)
    this.legend.replaceChildren(
      element("li", "title", mode.title), ...items, ...(note ? [element("li", "", note)] : []))
    this.note.textContent = data.copied?.note ?? ""
    const quote = name === "copied" ? data.copied?.quote : null
    this.quote.hidden = !quote
    if (quote) {
      const [caption, before, run, after] = quote
      const text = element("span", "context")
      text.append("…", before, element("mark", "", run), after, "…")
      this.quote.replaceChildren(element("span", "caption", caption), text)
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
    const text = this.data.texts[index]
    const others = alternatives(this.data, this.table, index).slice(0, 4)
    const words = others.map(({ text, p }) => `${spoken(text)} ${percent(p)}`).join(", ")
    this.live.textContent = [
      `${spoken(text)}: ${facts(this.data, index)}.`, words && `Likeliest: ${words}.`,
      source(this.data, index),
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
    const p = data.probabilities[index]
    const rank = data.details?.ranks[index]
    const pairs = alternatives(data, this.table, index).map((pair, i) => ({ ...pair, rank: i + 1 }))
    if (rank > pairs.length && pairs.length) pairs.push({ text: data.texts[index], p, rank })
    const head = element("div", "head")
    head.append(element("b", "", visible(data.texts[index])), ` ${facts(data, index)}`)
    const origin = source(data, index)
    this.panel.replaceChildren(
      head, ...(pairs.length ? [bars(pairs, Math.min(rank, pairs.length) - 1)] : []),
      ...(origin ? [element("div", "origin", origin)] : []))
    this.place()
  }

  // Under its token, or above where there is no room below; always within the text's width.
  place() {
    if (this.active < 0) return
    const line = this.tokens[this.active].getClientRects()[0]
    const box = this.box.getBoundingClientRect()
    if (!line || line.bottom < box.top || line.top > box.bottom) {
      this.panel.hidden = true
      return
    }
    this.panel.hidden = false
    const { offsetWidth: width, offsetHeight: height } = this.panel
    const below = line.bottom + height + 12 < window.innerHeight || line.top < height + 70
    const left = Math.min(Math.max(line.left - box.left, 0), Math.max(box.width - width, 0))
    const top = below ? line.bottom - box.top + 6 : line.top - box.top - height - 6
    this.panel.style.translate = `${left}px ${top}px`
  }
}

const views = new WeakMap()
const cleanups = new WeakMap()

export default function ({ data, parentElement }) {
  cleanups.get(parentElement)?.()
  const root = parentElement.querySelector(".root")
  let view = views.get(root)
  if (!view) {
    view = new TextView(root)
    views.set(root, view)
  }
  view.update(data)
  const widget = data.colour && document.querySelector(`.st-key-${data.colour.key}`)
  const observer = new MutationObserver(() => view.paint())
  if (widget) observer.observe(widget, { subtree: true, attributeFilter: ["aria-checked"] })
  const cleanup = () => observer.disconnect()
  cleanups.set(parentElement, cleanup)
  return cleanup
}
