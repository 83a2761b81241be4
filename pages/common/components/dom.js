// What the scripts of several components begin with; `component` in browser.py puts it before them.

// Strings among the children become text nodes, never markup.
function element(tag, className, ...children) {
  const node = document.createElement(tag)
  if (className) node.className = className
  node.append(...children)
  return node
}

// A bar as long as a probability, in its track.
function bar(p) {
  const node = element("div", "track", element("div", "bar"))
  node.ariaHidden = "true"
  node.firstChild.style.width = `${100 * p}%`
  return node
}

function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  return new Float32Array(bytes.buffer)
}

// A token with its white space to be seen.
const visible = (text) =>
  text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍").replaceAll(" ", "␣")

// Streamlit marks a widget with the class st-key-<key>. What its elements show, Python may not have
// heard of yet. Calls `redraw` whenever that changes, until the component is drawn anew or goes.
const observers = new WeakMap()

function follow(parentElement, keys, redraw) {
  observers.get(parentElement)?.disconnect()
  const observer = new MutationObserver(redraw)
  const attributeFilter = ["value", "aria-valuetext", "aria-checked"]
  for (const key of keys) {
    const widget = document.querySelector(`.st-key-${key}`)
    if (widget) observer.observe(widget, { subtree: true, attributeFilter })
  }
  observers.set(parentElement, observer)
  return () => observer.disconnect()
}

// --- the script of the component itself ---
