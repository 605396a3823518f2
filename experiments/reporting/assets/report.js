// What the page does by itself: one picture of a group at a time, the part that is read marked above, scenarios.

for (const select of document.querySelectorAll("select[data-picks]")) {
  const pick = () => {
    for (const one of document.querySelectorAll(`[data-group="${select.dataset.picks}"]`)) one.hidden = one.id !== select.value;
  };
  select.addEventListener("change", pick);
  pick();
}

// What fits needs no place of its own in the order of the keyboard.
const fits = () => {
  for (const part of document.querySelectorAll(".scroll")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
};
new ResizeObserver(fits).observe(document.body);

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watch = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const [id, link] of links) {
        if (id === entry.target.id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  },
  { rootMargin: "-15% 0px -75% 0px" },
);
for (const id of links.keys()) watch.observe(document.getElementById(id));

const data = JSON.parse(document.getElementById("data").textContent);
const place = document.getElementById("browser");
if (data.ids.length) browse(place, data);
else place.append(h("p", { class: "note" }, "There is no scenario to browse."));
document.documentElement.dataset.ready = "true";
