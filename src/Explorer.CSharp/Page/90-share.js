// What is kept: the link, and the page itself.

const inlined = (/** @type {string} */ text) => text.replace(/<\/(script|style)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");

const dataOf = async (/** @type {string} */ key) => {
  const blob = await (await fetch(sourceOf(key))).blob();
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
};

/** One file with every answer so far and the images that they are of. */
const savePage = async () => {
  const done = [...answers.values()].filter((answer) => answer.state === "done");
  const shown = [...new Set([...question.images, ...done.filter((answer) => answer.query.includes("of=scores")).map((answer) => answer.image)])];
  const images = [...new Set([...shown, ...done.map((answer) => answer.image).filter((key) => key && key !== "all")])];
  const [html, css, js, ...pictures] = await Promise.all([...["./", "explorer.css", "explorer.js"].map(async (path) => (await fetch(path)).text()), ...images.map(dataOf)]);
  const held = {
    about, shown, hash: address(), labels: [...added], answers: Object.fromEntries(done.map((answer) => [answer.query, answer.data])),
    images: Object.fromEntries(images.map((key, i) => [key, pictures[i]])),
  };
  const page = html
    .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${css}</style>`)
    .replace(/<script src[^>]*><\/script>/, () => `<script>window.attributionSaved = ${inlined(JSON.stringify(held))};</script><script>${inlined(js)}</script>`);
  const link = make("a", { href: URL.createObjectURL(new Blob([page], { type: "text/html" })), download: `attribution-${about.model.name.replace(/\W+/g, "-")}.html` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};

const showShare = () => {
  const [link, page] = [document.querySelector("[data-copy=link]"), document.querySelector("[data-save]")];
  link.replaceWith(copier("Copy link", () => location.href, { "data-copy": "link", hidden: Boolean(saved) }));
  page.hidden = Boolean(saved);
  page.addEventListener("click", () => savePage().catch((error) => { byId("image-said").textContent = `The page cannot be saved: ${error.message}`; }));
};
