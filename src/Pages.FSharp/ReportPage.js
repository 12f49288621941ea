"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      const [p, q] = [parseFloat(x), parseFloat(y)];
      if (Number.isNaN(p) !== Number.isNaN(q) && (x === "" || y === "")) return x === "" ? 1 : -1;
      return sign * (Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q);
    };
    body.append(...[...body.rows].sort(compare));
  });
}
const dialog = document.querySelector("dialog");
const stage = dialog.querySelector(".stage");
const zooms = [...document.querySelectorAll(".zoom")];
let shown = 0;
const show = (index) => {
  shown = (index + zooms.length) % zooms.length;
  const zoom = zooms[shown];
  stage.classList.toggle("crisp", zoom.closest(".crisp") !== null);
  stage.replaceChildren(zoom.querySelector("img").cloneNode(true));
  dialog.querySelector("p").textContent = zoom.dataset.caption;
  if (!dialog.open) dialog.showModal();
};
zooms.forEach((zoom, index) => zoom.addEventListener("click", () => show(index)));
dialog.addEventListener("click", (event) => {
  const step = { previous: -1, next: 1 }[event.target.value];
  if (step) show(shown + step);
  else if (event.target === dialog || event.target.value === "close") dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) show(shown + step);
});
dialog.addEventListener("close", () => zooms[shown].focus());
const open = (element) => {
  for (let at = element; at; at = at.parentElement) if (at.localName === "details") at.open = true;
};
const follow = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  open(target);
  target.scrollIntoView();
};
addEventListener("hashchange", follow);
follow();
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
