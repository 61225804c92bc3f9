// All runs of a sweep in a table: filtered, sorted, a hundred rows at a time.
"use strict";

rote.ROWS = 100;
rote.CHOSEN_FROM = 30; // so many words or fewer are chosen from a list

rote.Table = class {
  // `changed` hears of every new choice of runs, as indices in their order.
  constructor(data, changed) {
    this.changed = changed;
    this.moving = new Set();
    this.state = { search: "", filters: {}, sort: null, down: false, page: 0, shown: null,
      isGrouped: false };
    this.take(data);
    this.state.isGrouped = this.groups([...this.ids.keys()]).length < this.ids.length;
    this.remember();
    this.tools();
    this.head();
    this.apply();
  }

  take(data) {
    this.ids = data.ids;
    this.columns = data.columns.map((plain) => new rote.Column(plain));
    this.byKey = new Map(this.columns.map((column) => [column.key, column]));
    this.place = new Map(this.ids.map((id, index) => [id, index]));
    this.texts = null;
    this.settings = this.settingsOf();
    const titles = this.columns.map((column) => column.label);
    for (const column of this.columns) { // two of one name are told apart by their keys
      const isAlone = titles.filter((title) => title === column.label).length === 1;
      if (!isAlone && column.title !== column.key) column.label = `${column.label}, ${column.key}`;
    }
  }

  isDone(index) {
    return this.byKey.get("state").at(index) === "done";
  }

  isConverged(index) {
    return this.byKey.get("training.converged")?.at(index) !== "no";
  }

  // One word for each run, equal where runs differ in their seeds alone.
  settingsOf() {
    const telling = this.columns.filter((c) => c.group === "setting" && !c.seed && c.key !== "name");
    return this.ids.map((_, index) => telling.map((c) => c.at(index)).join("\n"));
  }

  groups(indices) {
    return [...rote.grouped(indices, (index) => this.settings[index]).values()];
  }

  name(index) {
    const words = this.byKey.get("name")?.at(index);
    const letters = this.ids[index].slice(0, rote.ID_LETTERS);
    return words ? `${words} \u00b7 ${letters}` : letters;
  }

  // The mean over runs, and the least and the greatest of them; null where none has a value.
  spread(column, indices) {
    const values = indices.map((index) => column.values[index]).filter((value) => value !== null);
    if (!values.length) return null;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, least: Math.min(...values), most: Math.max(...values) };
  }

  get shown() {
    const chosen = this.state.shown;
    return this.columns.filter((c) => (chosen ? chosen.includes(c.key) : c.shown));
  }

  // The address holds every choice, so that it can be sent, and the way back finds it again.
  remember() {
    try {
      Object.assign(this.state, JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}"));
    } catch {
      // an address that was cut short: all runs are shown
    }
  }

  tools() {
    const search = rote.make("input", {
      type: "search", id: "search", value: this.state.search, autocomplete: "off",
      placeholder: "name, run id, any word of a setting",
      oninput: () => this.change({ search: search.value, page: 0 }),
    });
    this.count = rote.make("span", { id: "count", role: "status" });
    const reset = rote.make("button", { type: "button", onclick: () => this.reset() }, "Show all");
    const grouped = rote.tick("means over seeds", this.state.isGrouped,
      (isGrouped) => this.change({ isGrouped, page: 0 }), { id: "grouped" });
    const parts = [rote.make("label", {}, "Search ", search), grouped, this.picker(), reset,
      this.count];
    rote.find("tools").replaceChildren(...parts);
  }

  picker() {
    const list = rote.make("div", { class: "picker" });
    for (const group of new Set(this.columns.map((column) => column.group))) {
      const set = rote.make("fieldset", {}, rote.make("legend", {}, group));
      for (const column of this.columns.filter((one) => one.group === group)) {
        const isShown = this.shown.includes(column);
        set.append(rote.tick(column.label, isShown, (on) => this.pick(column.key, on),
          { title: column.key }));
      }
      list.append(set);
    }
    return rote.make("details", { id: "picker" }, rote.make("summary", {}, "Columns"), list);
  }

  pick(key, isOn) {
    const keys = this.shown.map((column) => column.key).filter((one) => one !== key);
    this.state.shown = isOn ? [...keys, key] : keys;
    this.head();
    this.change({});
  }

  reset() {
    Object.assign(this.state, { search: "", filters: {}, sort: null, down: false, page: 0 });
    rote.find("search").value = "";
    this.head();
    this.apply();
  }

  change(what) {
    Object.assign(this.state, what);
    this.apply();
  }

  // Live: how these runs stand now, as [id, state, step]; drawn anew only where it shows. What is
  // told no more, and is not done, waits.
  move(states) {
    const moving = new Set(states.map(([id]) => id));
    const stopped = [...this.moving].filter((id) => !moving.has(id) && !this.isDone(this.place.get(id)));
    this.moving = moving;
    states = [...states, ...stopped.map((id) => [id, "waiting", null])];
    let isSeen = false;
    const step = this.byKey.get("step");
    const { sort, filters } = this.state;
    const isStepSeen = this.shown.includes(step) || sort === "step" || "step" in filters;
    for (const [id, state, at] of states) {
      const index = this.place.get(id);
      if (index === undefined) continue;
      isSeen = this.byKey.get("state").set(index, state) || isSeen;
      if (at !== null) isSeen = (step?.set(index, at) && isStepSeen) || isSeen;
    }
    if (isSeen) this.apply();
  }

  head() {
    const names = rote.make("tr", {}, rote.make("th", { class: "text", scope: "col" }, "run"));
    const filters = rote.make("tr", { class: "filters" }, rote.make("td"));
    this.headers = this.shown.map((column) => {
      const sort = () => this.sort(column.key);
      const named = { type: "button", onclick: sort, "aria-label": column.label, title: column.key };
      const button = rote.make("button", named, column.title);
      const unit = rote.make("small", {}, column.unit);
      const kind = column.isNumber ? "" : "text";
      const header = rote.make("th", { scope: "col", class: kind, "data-key": column.key },
        button, unit);
      names.append(header);
      filters.append(rote.make("td", { class: kind }, this.filter(column)));
      return header;
    });
    this.body = rote.make("tbody");
    const head = rote.make("thead", {}, names, filters);
    rote.find("runs").replaceChildren(rote.make("table", {}, head, this.body));
  }

  filter(column) {
    const value = this.state.filters[column.key] ?? "";
    const label = { "aria-label": `filter ${column.label}`, "data-filter": column.key };
    const set = (text) => {
      const { [column.key]: _, ...rest } = this.state.filters;
      this.change({ filters: text === "" ? rest : { ...rest, [column.key]: text }, page: 0 });
    };
    if (!column.isNumber && column.words.length <= rote.CHOSEN_FROM) {
      const select = rote.make("select", { ...label, onchange: () => set(select.value) });
      select.append(rote.make("option", { value: "" }, "any"));
      for (const word of column.words) {
        select.append(rote.make("option", { value: `=${word}` }, word));
      }
      select.value = value;
      return select;
    }
    const hint = column.isNumber ? "1..5, >3" : "part of it";
    return rote.make("input", {
      ...label, value, placeholder: hint, size: 8, autocomplete: "off",
      oninput: ({ target }) => set(target.value.trim()),
    });
  }

  sort(key) {
    const isSame = this.state.sort === key;
    if (isSame && this.state.down) this.change({ sort: null, down: false, page: 0 });
    else this.change({ sort: key, down: isSame, page: 0 });
  }

  haystack() {
    if (this.texts) return this.texts;
    const words = this.columns.filter((c) => c.group === "setting" || !c.isNumber);
    const short = (key) => key.split(".").at(-1);
    this.texts = this.ids.map((id, index) =>
      [id, ...words.map((c) => `${short(c.key)}=${c.at(index) ?? ""}`)].join("\n").toLowerCase(),
    );
    return this.texts;
  }

  // Every test that is not understood is marked, and counts as none.
  tests() {
    const tests = [];
    for (const [key, text] of Object.entries(this.state.filters)) {
      const test = this.byKey.get(key)?.test(text);
      const field = rote.find("runs").querySelector(`[data-filter="${CSS.escape(key)}"]`);
      field?.setAttribute("aria-invalid", String(!test));
      if (test) tests.push(test);
    }
    for (const word of this.state.search.toLowerCase().split(/\s+/).filter(Boolean)) {
      const texts = this.haystack();
      tests.push((index) => texts[index].includes(word));
    }
    return tests;
  }

  apply() {
    const started = performance.now();
    const tests = this.tests();
    this.order = [...this.ids.keys()].filter((index) => tests.every((test) => test(index)));
    const sorted = this.byKey.get(this.state.sort);
    if (sorted) this.order.sort(sorted.compare(this.state.down));
    this.rows = this.order.map((index) => [index]);
    if (this.state.isGrouped) this.rows = this.sortedGroups(sorted);
    this.render();
    const state = encodeURIComponent(JSON.stringify(this.state));
    history.replaceState(null, "", `#${state}`);
    this.changed(this.order);
    this.tookMs = performance.now() - started;
  }

  // By their means, where numbers are sorted by; else by their first runs.
  sortedGroups(column) {
    const groups = this.groups(this.order);
    if (!column?.isNumber) return groups;
    const means = new Map(groups.map((group) => [group, this.spread(column, group)?.mean ?? null]));
    const sign = this.state.down ? -1 : 1;
    return groups.sort((a, b) => {
      const [x, y] = [means.get(a), means.get(b)];
      return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
    });
  }

  render() {
    const last = Math.max(0, Math.ceil(this.rows.length / rote.ROWS) - 1);
    this.state.page = Math.min(this.state.page, last);
    const start = this.state.page * rote.ROWS;
    const columns = this.shown;
    const seen = this.rows.slice(start, start + rote.ROWS);
    const rows = seen.map((group) => this.state.isGrouped ? rote.settingRow(this, group, columns)
      : rote.runRow(this, group[0], columns));
    const focused = this.body.contains(document.activeElement) && document.activeElement.href;
    this.body.replaceChildren(...rows);
    if (focused) rows.map((row) => row.querySelector("a")).find((a) => a.href === focused)?.focus();
    const [some, all] = [rote.number(this.order.length), rote.number(this.ids.length)];
    const settings = this.state.isGrouped ? `${rote.number(this.rows.length)} settings, ` : "";
    this.count.textContent = `${settings}${some} of ${all} runs`;
    for (const header of this.headers) {
      const isSorted = header.dataset.key === this.state.sort;
      const way = this.state.down ? "descending" : "ascending";
      header.setAttribute("aria-sort", isSorted ? way : "none");
    }
    this.pages(last);
  }

  link(index) {
    const settings = { href: rote.runAddress(this.ids[index]), title: this.ids[index] };
    return rote.make("a", settings, this.name(index));
  }

  pages(last) {
    const page = this.state.page;
    const step = (name, to, isOff) => rote.make("button",
      { type: "button", disabled: isOff, onclick: () => this.change({ page: to }) }, name);
    const shown = `page ${page + 1} of ${last + 1}`;
    const before = step("Earlier", page - 1, page === 0);
    const after = step("Later", page + 1, page === last);
    rote.find("pages").replaceChildren(...(last ? [before, shown, after] : []));
  }
};
