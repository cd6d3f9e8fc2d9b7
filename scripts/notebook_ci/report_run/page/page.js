"use strict"
// The cells of a notebook become part of the page when it is opened.
const notebooks = [...document.querySelectorAll("details[data-status]")]
const cells = (notebook) => notebook.querySelector("template")
const fill = (notebook) => { cells(notebook)?.replaceWith(cells(notebook).content) }
for (const notebook of notebooks) notebook.addEventListener("toggle", () => { if (notebook.open) fill(notebook) })

// A link to a cell opens its notebook.
const follow = () => {
  const [name] = location.hash.slice(1).split("-"), notebook = notebooks.find((each) => each.id === name)
  if (!notebook) return
  fill(notebook)
  notebook.open = true
  const part = document.getElementById(location.hash.slice(1))
  part?.scrollIntoView()
  part?.focus({preventScroll: true})
}
addEventListener("hashchange", follow)
follow()

// On paper, nobody can open what explains a failure.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details.failed, .trouble details")) {
    fill(each)
    each.open = true
  }
})

const MOST_FOUND = 20
const filter = document.querySelector(".filter")
if (filter) {
  const [search, select, output, list] = ["input", "select", "output", "ul"].map((each) => filter.querySelector(each))
  const text = (notebook) => notebook.textContent + (cells(notebook)?.content.textContent ?? "")
  const link = (notebook, cell) => {
    const item = document.createElement("li"), link = item.appendChild(document.createElement("a"))
    link.href = `#${cell.id}`
    link.textContent = `${notebook.querySelector(".name").textContent.slice(2)}, ${cell.ariaLabel ?? "text"}`
    return item
  }
  const show = () => {
    const words = search.value.toLowerCase(), has = (text) => text.toLowerCase().includes(words), found = []
    for (const notebook of notebooks) {
      notebook.hidden = (select.value && notebook.dataset.status !== select.value) || !has(text(notebook))
      if (words === "" || notebook.hidden || found.length > MOST_FOUND) continue
      for (const cell of (cells(notebook)?.content ?? notebook).querySelectorAll("[id]"))
        if (has(cell.textContent)) found.push(link(notebook, cell))
    }
    const more = found.length > MOST_FOUND ? `, first ${MOST_FOUND} cells` : ""
    output.textContent = `${notebooks.filter((each) => !each.hidden).length} of ${notebooks.length}${more}`
    list.replaceChildren(...found.slice(0, MOST_FOUND))
  }
  search.addEventListener("input", show)
  select.addEventListener("change", show)
  filter.hidden = false
}
