// The scenarios one by one: a list with filters, and what every method did with the one chosen.

function browse(place, data) {
  const total = data.ids.length;
  const queries = data.people ? data.people.queries : null;
  const covers = (method, row) => row >= method.from && row < method.from + method.asked.length;
  const methodsOf = (row) => data.methods.filter((m) => covers(m, row));
  const firstChoice = data.methods.find((m) => m.name === "distilled") || data.methods.find((m) => !m.everything && m.asked.some((a) => a.length)) || data.methods[0];
  const state = { rows: [], at: 0, method: firstChoice ? firstChoice.name : null };

  // --- filters and the list -----------------------------------------------------------------------------------------

  const find = h("input", { type: "search", autocomplete: "off", placeholder: queries ? "words of query or profile, or an id" : "an id" });
  const domain = h("select", {}, h("option", { value: "" }, "all"), ...data.domains.map((name, i) => h("option", { value: i }, name)));
  const set = h("select", {}, h("option", { value: "" }, "all"), h("option", { value: "held" }, "held out"), h("option", { value: "planned" }, "planned"));
  const order = h(
    "select",
    {},
    ...[["", "as in the run"], ["low", "least safe first"], ["gain", "least gained first"], ["gap", "furthest behind the best"]].map(([value, text]) => h("option", { value }, text)),
  );
  const count = h("p", { class: "count", role: "status" });
  const list = h("ul", { class: "list", role: "listbox", tabindex: "0", "aria-label": "Scenarios", id: "scenario-list" });
  const detail = h("article", { class: "detail", tabindex: "-1", "aria-label": "Scenario", id: "scenario" });
  const field = (name, control) => {
    control.id = `scenarios-${name.toLowerCase()}`;
    return h("div", {}, h("label", { for: control.id }, name), control);
  };
  const both = data.heldOut > 0 && data.heldOut < total;
  place.append(
    h("p", { class: "note" }, "In the list, ", h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " or ", h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " go from one to the next, ", h("kbd", {}, "Enter"), " to what it holds, ", h("kbd", {}, "Esc"), " back; ", h("kbd", {}, "/"), " searches."),
    h(
      "form",
      { class: "filters", role: "search", "aria-label": "Find scenarios" },
      field("Search", find),
      field("Domain", domain),
      both ? field("Set", set) : null,
      field("Order", order),
    ),
    count,
    h("div", { class: "split" }, list, detail),
  );

  const haystacks = new Map();
  function haystack(row) {
    if (!haystacks.has(row)) {
      const profile = data.people && data.people.profiles[row];
      const values = profile ? profile.map((value, i) => (value < 0 ? "" : data.people.values[i][value])) : [];
      haystacks.set(row, [data.ids[row], queries ? queries[row] : "", ...values].join("\n").toLowerCase());
    }
    return haystacks.get(row);
  }

  function scoreOf(method, row) {
    return method && covers(method, row) ? method.score[row - method.from] : null;
  }

  /** What rows are ordered by, from low to high; null comes last. */
  function rank(row) {
    const mine = scoreOf(data.methods.find((m) => m.name === state.method), row);
    if (mine === null) return null;
    if (order.value === "gain") {
      const none = scoreOf(data.methods.find((m) => m.name === "none"), row);
      return none === null ? null : mine - none;
    }
    if (order.value !== "gap") return mine;
    const others = methodsOf(row).filter((m) => !m.everything).map((m) => scoreOf(m, row)).filter((score) => score !== null);
    return mine - Math.max(...others);
  }

  function choose() {
    const wanted = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const was = state.rows[state.at];
    state.rows = data.ids
      .map((_, row) => row)
      .filter((row) => domain.value === "" || data.domain[row] === Number(domain.value))
      .filter((row) => set.value === "" || (set.value === "held") === row < data.heldOut)
      .filter((row) => wanted.every((word) => haystack(row).includes(word)));
    if (order.value) {
      const ranks = new Map(state.rows.map((row) => [row, rank(row)]));
      state.rows.sort((a, b) => (ranks.get(a) ?? Infinity) - (ranks.get(b) ?? Infinity) || a - b);
    }
    const n = state.rows.length;
    count.textContent = n === total ? `${n.toLocaleString("en")} scenarios` : `${n.toLocaleString("en")} of ${total.toLocaleString("en")} scenarios`;
    list.replaceChildren();
    list.scrollTop = 0;
    fill(60);
    later();
    state.at = Math.max(0, was === undefined ? 0 : state.rows.indexOf(was));
    show(state.at);
  }

  function option(place) {
    const row = state.rows[place];
    const name = data.domain[row] < 0 ? "" : data.domains[data.domain[row]];
    return h(
      "li",
      { role: "option", id: `option-${place}`, "aria-selected": "false", "aria-posinset": place + 1, "aria-setsize": state.rows.length },
      h("div", { class: "row" }, words("span", data.ids[row]), words("span", name)),
      queries && queries[row] !== null ? words("div", queries[row], "words") : null,
    );
  }

  /** Put so many rows into the list; the rest follow while nothing else is to be done. */
  function fill(most) {
    const made = [];
    for (let next = list.children.length; next < Math.min(most, state.rows.length); next++) made.push(option(next));
    list.append(...made);
  }

  function later() {
    const rows = state.rows;
    setTimeout(() => {
      if (rows !== state.rows || list.children.length >= rows.length) return;
      fill(list.children.length + 250);
      later();
    }, 30);
  }

  function show(at) {
    const before = list.querySelector('[aria-selected="true"]');
    if (before) before.setAttribute("aria-selected", "false");
    if (!state.rows.length) {
      list.removeAttribute("aria-activedescendant");
      detail.replaceChildren(h("p", { class: "note" }, "No scenario is like that."));
      return;
    }
    state.at = Math.min(Math.max(at, 0), state.rows.length - 1);
    fill(state.at + 1);
    const chosen = list.children[state.at];
    chosen.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", chosen.id);
    const above = chosen.offsetTop - list.offsetTop;
    if (above < list.scrollTop) list.scrollTop = above - 4;
    else if (above + chosen.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = above + chosen.offsetHeight - list.clientHeight + 4;
    render(state.rows[state.at]);
  }

  // --- one scenario -------------------------------------------------------------------------------------------------

  function render(row) {
    const methods = methodsOf(row);
    const method = methods.find((m) => m.name === state.method) || methods.find((m) => !m.everything) || methods[0];
    const at = (m) => row - m.from;
    const where = [data.domain[row] < 0 ? null : data.domains[data.domain[row]], data.sources && data.sources[row], row < data.heldOut ? "held out" : "planned over"];
    const parts = [
      h("h3", { class: "where" }, ...[data.ids[row], ...where.filter(Boolean)].flatMap((part, i) => [i ? " · " : "", words("span", part)])),
      queries && queries[row] !== null ? words("p", queries[row], "query") : null,
      data.people && data.people.profiles[row] ? profileOf(data.people.profiles[row], method, at(method)) : null,
      h("h4", {}, methods.length > 1 ? "What each method asked" : "What was asked"),
      stepsOf(methods, method, row),
    ];
    if (method.dimensions[at(method)]) parts.push(judgement(method, at(method)));
    const answers = data.answers[row];
    const answer = answers && answers[String(method.known[at(method)])];
    if (answer !== undefined) parts.push(h("h4", {}, `Answer, as ${method.name} leaves it`), h("div", { class: "answer", tabindex: "0", role: "region", "aria-label": "Answer" }, words("div", answer)));
    const search = method.searches && method.searches[at(method)];
    if (search && search[1].some((score) => score !== null)) {
      const value = search[2].length ? "rollouts through a node and their mean score" : "scored subsets that hold a node's attributes, their mean and their best";
      parts.push(h("h4", {}, `Search of ${method.name}`), traceOf(search, method.look), h("p", { class: "note" }, `Visits and values: ${value}. The path taken is marked.`), h("div", { class: "scroll" }, treeOf(search, method.asked[at(method)], data)));
    }
    detail.replaceChildren(...parts.filter(Boolean));
  }

  function profileOf(profile, method, at) {
    const asked = method.asked[at];
    const known = method.known[at];
    return h(
      "dl",
      { class: "profile" },
      ...profile.map((value, attribute) => {
        const turn = asked.indexOf(attribute);
        const refused = turn >= 0 && !holds(known, attribute);
        const note = turn < 0 ? null : h("span", { class: "ordinal" }, refused ? `${turn + 1}, declined` : `${turn + 1}`);
        return h(
          "div",
          { class: turn < 0 ? null : refused ? "refused" : "asked" },
          h("dt", {}, words("span", data.attributes[attribute].name), note),
          value < 0 ? h("dd", { class: "none" }, "not known") : words("dd", data.people.values[attribute][value]),
        );
      }),
    );
  }

  function stepsOf(methods, chosen, row) {
    const most = Math.max(0, ...methods.map((m) => m.asked[row - m.from].length));
    const head = h("tr", {}, h("th", { scope: "col" }, "method"), h("th", { scope: "col", class: "n" }, "before"));
    for (let turn = 1; turn <= most; turn++) head.append(h("th", { scope: "col" }, `question ${turn}`));
    head.append(h("th", { scope: "col", class: "n" }, "end"));
    const body = methods.map((m) => {
      const at = row - m.from;
      const [asked, steps] = [m.asked[at], m.steps[at]];
      const pick = h("button", { type: "button", "aria-pressed": String(m === chosen), "data-method": m.name }, swatchOf(m.look), m.name);
      const line = h("tr", { "aria-selected": m === chosen ? "true" : null }, h("th", { scope: "row" }, pick), h("td", { class: "n" }, steps ? digits(steps[0]) : "–"));
      for (let turn = 0; turn < most; turn++) {
        const attribute = asked[turn];
        if (attribute === undefined) {
          line.append(h("td", {}));
          continue;
        }
        const refused = !holds(m.known[at], attribute);
        line.append(
          h("td", { class: refused ? "refused" : null }, steps ? digits(steps[turn + 1]) : "", words("span", data.attributes[attribute].name, "step"), refused ? h("span", { class: "unseen" }, " (declined)") : null),
        );
      }
      line.append(h("td", { class: "n" }, h("strong", {}, digits(m.score[at])), m.everything ? h("span", { class: "step" }, "whole profile") : null));
      return line;
    });
    const table = h("table", { class: "steps" }, h("caption", { class: "unseen" }, "Score after each question"), h("thead", {}, head), h("tbody", {}, ...body));
    table.addEventListener("click", (event) => {
      const pressed = event.target.closest("button");
      if (!pressed) return;
      state.method = pressed.dataset.method;
      render(row);
      for (const button of detail.querySelectorAll("button")) if (button.dataset.method === state.method) button.focus();
    });
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Score after each question" }, table);
  }

  function swatchOf(look) {
    const svg = drawn("svg", { viewBox: "0 0 12 12", class: "swatch", "aria-hidden": "true" });
    svg.append(drawn("circle", { cx: 6, cy: 6, r: 4, class: `dot ${look}` }));
    return svg;
  }

  function judgement(method, at) {
    const bars = data.dimensions.map((name, i) => {
      const score = method.dimensions[at][i];
      return h("div", {}, h("dt", {}, name), h("dd", {}, digits(score)), h("meter", { min: 1, max: 5, value: score, "aria-hidden": "true" }));
    });
    return h("div", {}, h("h4", {}, `Judgement at the end of ${method.name}`), h("dl", { class: "judged" }, ...bars));
  }

  // --- keys ---------------------------------------------------------------------------------------------------------

  for (const control of [domain, set, order]) control.addEventListener("change", choose);
  find.addEventListener("input", choose);
  place.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    list.focus();
  });
  list.addEventListener("click", (event) => {
    const clicked = event.target.closest('[role="option"]');
    if (clicked) show([...list.children].indexOf(clicked));
  });
  place.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const typing = event.target.closest("input, select");
    const inList = event.target === list;
    const page = Math.max(1, Math.floor(list.clientHeight / 70));
    if (event.key === "Escape" && !inList) list.focus();
    else if (typing) return;
    else if (event.key === "/") find.focus();
    else if (event.key === "j" || (inList && event.key === "ArrowDown")) show(state.at + 1);
    else if (event.key === "k" || (inList && event.key === "ArrowUp")) show(state.at - 1);
    else if (inList && event.key === "PageDown") show(state.at + page);
    else if (inList && event.key === "PageUp") show(state.at - page);
    else if (inList && event.key === "Home") show(0);
    else if (inList && event.key === "End") show(state.rows.length - 1);
    else if (inList && event.key === "Enter") detail.focus();
    else return;
    event.preventDefault();
  });

  choose();
}
