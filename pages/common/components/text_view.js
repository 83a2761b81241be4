// Text of a model, token by token, coloured by how surprising each token was.
// data: { label, prompt, texts: [string], probabilities: [number], height }
// Everything a model wrote goes through textContent, so it is shown to the letter.

const LEVELS = [0.5, 0.2, 0.05, 0.01] // probability at or above which a token is s0, s1, s2, s3
const LEGEND = ["≥ 50 %", "20–50 %", "5–20 %", "1–5 %", "< 1 %"]

const level = (p) => LEVELS.filter((bound) => p < bound).length

function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

function name(text) {
  if (text === " ") return "space"
  return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍")
}

const percent = (p) => (100 * p).toFixed(p >= 0.1 ? 0 : p >= 0.001 ? 1 : 3) + " %"

function describe(text, p) {
  const bits = p > 0 ? (-Math.log2(p)).toFixed(1) : "∞"
  return [name(text), `probability ${percent(p)}, surprise ${bits} bits`]
}

export default function ({ data, parentElement }) {
  const { label, prompt, texts, probabilities, height } = data
  const box = element("div", "text")
  box.tabIndex = 0
  box.setAttribute("role", "group")
  box.setAttribute("aria-roledescription", "token view")
  box.setAttribute("aria-label", `${label}. Arrow keys walk through the tokens.`)
  if (height) box.style.maxHeight = `${height}px`
  if (prompt) box.append(element("span", "prompt", prompt))
  const tokens = texts.map((text, i) => {
    const token = element("span", `token s${level(probabilities[i])}`, text)
    if (text.includes("\n")) token.classList.add("newline")
    return token
  })
  box.append(...tokens)

  const detail = element("div", "detail")
  detail.setAttribute("aria-live", "polite")
  const hint = "Point at a token, or press the arrow keys, for its probability."
  let active = -1
  function show(index) {
    tokens[active]?.classList.remove("active")
    active = index
    if (index < 0) return detail.replaceChildren(hint)
    tokens[index].classList.add("active")
    const [title, words] = describe(texts[index], probabilities[index])
    detail.replaceChildren(element("b", "", title), ` ${words}`)
  }
  box.addEventListener("pointerover", (event) => {
    const index = tokens.indexOf(event.target)
    if (index >= 0) show(index)
  })
  box.addEventListener("pointerleave", () => show(-1))
  box.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!move || !tokens.length) return
    event.preventDefault()
    show(Math.min(Math.max(active + move, 0), tokens.length - 1))
    tokens[active].scrollIntoView({ block: "nearest" })
  })
  box.addEventListener("blur", () => show(-1))
  show(-1)

  const legend = element("ul", "legend")
  legend.setAttribute("aria-label", "Colours: probability the model gave the token")
  LEGEND.forEach((words, i) => {
    const item = element("li")
    const swatch = element("span", `token s${i}`)
    item.append(swatch, words)
    legend.append(item)
  })
  const foot = element("div", "foot")
  foot.append(detail, legend)

  const root = parentElement.querySelector(".root")
  root.replaceChildren(box, foot)
}
