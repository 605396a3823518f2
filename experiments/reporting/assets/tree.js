"use strict";
// A search as people look at it: its tree with visits and values, and its scores in the order asked.

/** An element; texts are set as text, whatever they hold. */
function h(tag, attributes = {}, ...parts) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...parts.filter((part) => part !== null && part !== undefined));
  return made;
}

/** An element of a picture. */
function drawn(tag, attributes, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** Words from data: shown as they are, in their own direction, apart from the words around them. */
function words(tag, text, look = "") {
  return h(tag, { class: `data ${look}`.trim(), dir: "auto" }, String(text));
}

function digits(value, count = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(count);
}

/** Whether a subset holds an attribute; subsets of many attributes are written as text. */
function holds(subset, attribute) {
  return ((BigInt(subset) >> BigInt(attribute)) & 1n) === 1n;
}

/**
 * The children of a node: {path, visits, mean, best}, the most visited first.
 *
 * A search over paths brings its own nodes. Of one over subsets, the visits of a node are the scored subsets that
 * hold its attributes, and its value is their mean.
 */
function childrenOf(search, path, budget, attributes) {
  const [subsets, scores, nodes] = search;
  let found = [];
  if (nodes.length) {
    found = nodes
      .filter(([way]) => way.length === path.length + 1 && path.every((step, place) => way[place] === step))
      .map(([way, visits, value]) => ({ path: way, visits, mean: value, best: null }));
  } else if (path.length < budget) {
    const through = subsets.map((s, place) => place).filter((p) => scores[p] !== null && path.every((a) => holds(subsets[p], a)));
    for (let attribute = 0; attribute < attributes; attribute++) {
      if (path.includes(attribute)) continue;
      const heard = through.filter((p) => holds(subsets[p], attribute)).map((p) => scores[p]);
      if (!heard.length) continue;
      const mean = heard.reduce((sum, score) => sum + score, 0) / heard.length;
      found.push({ path: [...path, attribute], visits: heard.length, mean, best: Math.max(...heard) });
    }
  }
  return found.sort((a, b) => b.visits - a.visits || b.mean - a.mean || a.path.at(-1) - b.path.at(-1));
}

/** A tree that opens along the path chosen; nodes are worked out when they are opened. */
function treeOf(search, chosen, data) {
  const total = Math.max(1, search[1].filter((score) => score !== null).length);
  const tree = h("ul", { class: "tree", role: "tree", "aria-label": "Search tree" });

  function item(node, level) {
    const children = node.path.length < data.budget ? childrenOf(search, node.path, data.budget, data.attributes.length) : [];
    const inner = children.length > 0;
    const onPath = node.path.every((step, place) => chosen[place] === step);
    const best = node.best === null ? "" : `, best ${digits(node.best, 3)}`;
    const made = h(
      "li",
      { role: "treeitem", tabindex: "-1", "aria-level": level, "aria-expanded": inner ? "false" : null, class: onPath ? "chosen" : null },
      h(
        "div",
        { class: "node" },
        h("span", { class: "mark", "aria-hidden": "true" }, inner ? "▶" : ""),
        words("span", data.attributes[node.path.at(-1)].name, "name"),
        h("meter", { value: node.visits / total, "aria-hidden": "true" }),
        h("span", { class: "numbers" }, `${node.visits} ×, mean ${digits(node.mean, 3)}${best}`),
      ),
    );
    made.open = (on) => {
      if (!inner) return;
      if (on && made.children.length === 1) {
        made.append(h("ul", { role: "group" }, ...children.map((child) => item(child, level + 1))));
      }
      if (made.children.length > 1) made.children[1].hidden = !on;
      made.setAttribute("aria-expanded", String(on));
    };
    if (onPath) made.open(true);
    return made;
  }

  tree.append(...childrenOf(search, [], data.budget, data.attributes.length).map((node) => item(node, 1)));
  const first = tree.querySelector('[role="treeitem"]');
  if (first) first.tabIndex = 0;
  tree.addEventListener("click", (event) => {
    const clicked = event.target.closest('[role="treeitem"]');
    if (!clicked) return;
    clicked.open(clicked.getAttribute("aria-expanded") !== "true");
    goTo(tree, clicked);
  });
  tree.addEventListener("keydown", (event) => steer(tree, event));
  return tree;
}

function goTo(tree, item) {
  for (const other of tree.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  item.tabIndex = 0;
  item.focus();
}

/** Arrow keys as in any tree. */
function steer(tree, event) {
  const at = event.target.closest('[role="treeitem"]');
  if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
  const seen = [...tree.querySelectorAll('[role="treeitem"]')].filter((item) => !item.closest("ul[hidden]"));
  const place = seen.indexOf(at);
  const expanded = at.getAttribute("aria-expanded");
  let next = null;
  if (event.key === "ArrowDown") next = seen[place + 1];
  else if (event.key === "ArrowUp") next = seen[place - 1];
  else if (event.key === "Home") next = seen[0];
  else if (event.key === "End") next = seen.at(-1);
  else if (event.key === "ArrowRight" && expanded === "true") next = seen[place + 1];
  else if (event.key === "ArrowRight") at.open(true);
  else if (event.key === "ArrowLeft" && expanded === "true") at.open(false);
  else if (event.key === "ArrowLeft") next = at.parentElement.closest('[role="treeitem"]');
  else if (event.key === "Enter" || event.key === " ") at.open(expanded !== "true");
  else return;
  event.preventDefault();
  event.stopPropagation();
  if (next) goTo(tree, next);
}

/** Scores in the order asked, and the best so far. */
function traceOf([, scores], look) {
  const [width, height, left, foot] = [544, 132, 34, 22];
  const heard = scores.filter((score) => score !== null);
  const low = Math.min(...heard) - 0.05;
  const high = Math.max(...heard) + 0.05;
  const x = (place) => left + ((place + 0.5) / scores.length) * (width - left - 6);
  const y = (score) => 8 + ((high - score) / (high - low)) * (height - foot - 8);
  const label = `${scores.length} evaluations, best score ${digits(Math.max(...heard))}`;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "trace", role: "img", "aria-label": label });
  for (const score of [Math.min(...heard), Math.max(...heard)]) {
    picture.append(drawn("line", { x1: left, x2: width, y1: y(score), y2: y(score), class: "grid" }));
    picture.append(drawn("text", { x: left - 6, y: y(score) + 4, "text-anchor": "end", class: "t axis" }, digits(score)));
  }
  let best = null;
  let way = "";
  scores.forEach((score, place) => {
    if (score !== null && (best === null || score > best)) best = score;
    if (best !== null) way += `${way ? "L" : "M"}${x(place).toFixed(1)} ${y(best).toFixed(1)}`;
    if (score !== null) picture.append(drawn("circle", { cx: x(place), cy: y(score), r: scores.length > 60 ? 1.6 : 2.6, class: `dot ${look}` }));
  });
  picture.append(drawn("path", { d: way, class: `line ${look}` }));
  picture.append(drawn("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle", class: "t axis" }, label));
  return picture;
}
