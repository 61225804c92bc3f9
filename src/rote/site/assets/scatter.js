// Any number of the runs against any other, coloured by a third.
"use strict";

rote.REDRAW_MS = 300; // after the last key: ten thousand marks take longer than a key press

// The first of these that there is.
rote.ACROSS = ["entropy_bits", "parameters"];
rote.UP = ["bits_per_parameter", "memorised_bits", "train_bits_per_token", "step"];

rote.Scatter = class {
  constructor(table, label) {
    this.table = table;
    this.label = label;
    this.place = rote.find("scatter");
    this.chosen = { x: this.first(rote.ACROSS), y: this.first(rote.UP), logY: false };
    this.chosen.logX = this.spans(this.chosen.x);
    this.chosen.colour = this.firstColour();
    this.tools();
    rote.walk(this.place, null, ({ curve, index }, event) =>
      this.go(this.place.data[curve].customdata[index], event));
  }

  // Over a factor of 20 a linear axis hides most runs in a corner.
  spans(key) {
    const values = this.table.byKey.get(key)?.values.filter((value) => value !== null) ?? [];
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    return low > 0 && values.reduce((a, b) => Math.max(a, b), 0) > 20 * low;
  }

  get numbers() {
    return this.table.columns.filter((column) => column.isNumber);
  }

  first(wanted) {
    const keys = this.numbers.map((column) => column.key);
    return wanted.find((key) => keys.includes(key)) ?? keys.at(-1) ?? "";
  }

  firstColour() {
    const settings = this.table.columns.filter((c) => c.group === "setting" && c.shown);
    const few = settings.find((c) => !c.isNumber) ?? settings.find((c) => c.distinct() < 8);
    return few?.key ?? "";
  }

  tools() {
    const options = this.numbers.map((column) => [column.key, column.key]);
    const all = this.table.columns.map((column) => [column.key, column.key]);
    const set = (name) => (value) => {
      this.chosen[name] = value;
      this.draw();
    };
    rote.find("axes").replaceChildren(
      rote.choice("across", options, this.chosen.x, set("x"), { id: "axis-x" }),
      rote.tick("log", this.chosen.logX, set("logX"), { id: "log-x" }),
      rote.choice("up", options, this.chosen.y, set("y"), { id: "axis-y" }),
      rote.tick("log", this.chosen.logY, set("logY"), { id: "log-y" }),
      rote.choice("colour", [["", "one colour"], ...all], this.chosen.colour, set("colour"),
        { id: "axis-colour" }),
    );
  }

  show(order) {
    this.order = order;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), rote.REDRAW_MS);
  }

  draw() {
    const [x, y] = [this.table.byKey.get(this.chosen.x), this.table.byKey.get(this.chosen.y)];
    if (!x || !y) return;
    const holds = (value, isLog) => value !== null && (!isLog || value > 0);
    const drawn = this.order.filter(
      (i) => holds(x.at(i), this.chosen.logX) && holds(y.at(i), this.chosen.logY),
    );
    const by = this.table.byKey.get(this.chosen.colour);
    const traces = this.groups(by, drawn).map((group) => this.trace(group, x, y));
    const { logX, logY } = this.chosen;
    rote.draw(this.place, traces, { x: x.key, y: y.key, logX, logY });
    this.place.removeAllListeners?.("plotly_click");
    this.place.on?.("plotly_click", ({ points, event }) => this.go(points[0].customdata, event));
    this.place.dataset.drawn = drawn.length;
  }

  // A colour and a mark for each of a few values; a scale for many numbers.
  groups(column, drawn) {
    const blue = { color: rote.PALETTE[0], symbol: "circle" };
    if (!column) return [{ name: "runs", indices: drawn, marker: blue }];
    const isScale = column.isNumber && column.distinct() > rote.PALETTE.length;
    if (isScale) return [this.scale(column, drawn)];
    const found = new Map();
    for (const index of drawn) {
      const value = column.at(index);
      if (!found.has(value)) found.set(value, []);
      found.get(value).push(index);
    }
    const collator = new Intl.Collator("en", { numeric: true });
    const names = [...found.keys()].sort((a, b) => collator.compare(String(a), String(b)));
    return names.map((name, place) => ({
      name: name === null ? "none" : rote.said(name),
      indices: found.get(name),
      marker: {
        color: rote.PALETTE[place % rote.PALETTE.length],
        symbol: rote.MARKS[Math.floor(place / rote.PALETTE.length + place) % rote.MARKS.length],
      },
    }));
  }

  scale(column, drawn) {
    const colours = drawn.map((index) => column.at(index));
    const bar = { title: { text: rote.plain(column.key), side: "right" }, thickness: 12 };
    const marker = { color: colours, colorscale: "Cividis", reversescale: true, showscale: true };
    return { name: column.key, indices: drawn, marker: { ...marker, colorbar: bar } };
  }

  trace({ name, indices, marker }, x, y) {
    return {
      type: "scatter", // SVG: it prints, and needs no graphics card
      mode: "markers",
      name: rote.plain(name),
      x: indices.map((index) => x.at(index)),
      y: indices.map((index) => y.at(index)),
      customdata: indices.map((index) => this.table.ids[index]),
      text: indices.map((index) => this.told(index, x, y)),
      hovertemplate: "%{text}<extra></extra>",
      marker: { size: 7, opacity: 0.85, line: { width: 0.5, color: rote.OUTLINE }, ...marker },
    };
  }

  told(index, x, y) {
    const numbers = [x, y].map((column) => `${column.key}: ${rote.number(column.at(index))}`);
    const lines = [this.label(index), this.table.ids[index], ...numbers];
    return lines.filter(Boolean).map(rote.plain).join("<br>");
  }

  go(id, event) {
    if (event.ctrlKey || event.metaKey) window.open(rote.runAddress(id), "_blank", "noopener");
    else location.href = rote.runAddress(id);
  }
};
