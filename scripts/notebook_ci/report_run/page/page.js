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
  document.getElementById(location.hash.slice(1))?.scrollIntoView()
}
addEventListener("hashchange", follow)
follow()

const filter = document.querySelector(".filter")
if (filter) {
  const [search, select, output] = ["input", "select", "output"].map((each) => filter.querySelector(each))
  const text = (notebook) => notebook.textContent + (cells(notebook)?.content.textContent ?? "")
  const show = () => {
    const words = search.value.toLowerCase()
    for (const notebook of notebooks)
      notebook.hidden = (select.value && notebook.dataset.status !== select.value)
        || !(words === "" || text(notebook).toLowerCase().includes(words))
    output.textContent = `${notebooks.filter((each) => !each.hidden).length} of ${notebooks.length}`
  }
  search.addEventListener("input", show)
  select.addEventListener("change", show)
  filter.hidden = false
}
