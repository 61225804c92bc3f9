// Any number of the runs against any other, coloured by a third; single runs, or means over seeds.
"use strict";

rote.REDRAW_MS = 300; // after the last key: ten thousand marks take longer than a key press
rote.MOST_APART = 100; // runs that are listed because they cannot be drawn

// Where a kind of report has no axes of its own: the first of these that there is.
rote.ACROSS = ["entropy_bits", "parameters"];
rote.UP = ["bits_per_parameter", "memorised_bits", "train_bits_per_token", "step"];

rote.Scatter = class {
  // `axes` are pairs of columns, as the sweep's kind of report has them.
  constructor(table, label, axes) {
    this.table = table;
    this.label = label;
    this.place = rote.find("scatter");
    const [x, y] = this.firstAxes(axes);
    this.chosen = { x, y, logX: this.spans(x), logY: this.spans(y) };
    this.chosen.colour = this.firstColour();
    this.tools();
    rote.walk(this.place, null, ({ curve, index }, event) =>
      this.go(this.place.data[curve].customdata[index], event));
  }

  firstAxes(axes) {
    const numbers = (key) => this.table.byKey.get(key)?.values ?? [];
    const known = axes.find(([x, y]) =>
      numbers(x).some((value, index) => value !== null && (numbers(y)[index] ?? null) !== null));
    return known ?? [this.first(rote.ACROSS), this.first(rote.UP)];
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

  // The model where models differ, else the first setting that has a few values among the runs that
  // are drawn; words before numbers.
  firstColour() {
    const { x, y } = this.chosen;
    const [across, up] = [x, y].map((key) => this.table.byKey.get(key));
    const drawn = [...this.table.ids.keys()].filter(
      (index) => (across?.at(index) ?? null) !== null && (up?.at(index) ?? null) !== null);
    const distinct = (column) => new Set(drawn.map((index) => column.at(index))).size;
    const model = this.table.byKey.get("model._target_");
    if (model && distinct(model) > 1) return model.key; // many models share colours, not marks
    const hasFew = (column) => distinct(column) > 1 && distinct(column) <= rote.PALETTE.length;
    const settings = this.table.columns.filter((c) => c.group === "setting" && c.shown && !c.seed
      && c !== across && c !== up && hasFew(c));
    return (settings.find((c) => !c.isNumber) ?? settings[0])?.key ?? "";
  }

  tools() {
    const options = this.numbers.map((column) => [column.key, column.label]);
    const all = this.table.columns.map((column) => [column.key, column.label]);
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
    const { logX, logY } = this.chosen;
    const [x, y] = [this.table.byKey.get(this.chosen.x), this.table.byKey.get(this.chosen.y)];
    if (!x || !y) return;
    const lacks = (column, isLog) => (index) => {
      const value = column.at(index);
      if (value === null) return `without ${column.label}`;
      return isLog && value <= 0 ? `${column.label} is not above 0, the axis is logarithmic` : "";
    };
    const [lacksX, lacksY] = [lacks(x, logX), lacks(y, logY)];
    const why = new Map(this.order.map((index) => [index, lacksX(index) || lacksY(index)]));
    const drawn = this.order.filter((index) => !why.get(index));
    this.noteSeeds(drawn);
    this.showApart(this.order.filter((index) => why.get(index)), why);
    const groups = this.groups(this.table.byKey.get(this.chosen.colour), drawn);
    const traces = groups.flatMap((group) => this.traces(group, x, y));
    rote.draw(this.place, traces, { x: x.label, y: y.label, logX, logY });
    this.place.removeAllListeners?.("plotly_click");
    this.place.on?.("plotly_click", ({ points, event }) => this.go(points[0].customdata, event));
    this.place.dataset.drawn = drawn.length;
  }

  // Runs that have no place in the chart are listed below it, with the reason.
  showApart(apart, why) {
    const place = rote.find("apart");
    place.hidden = !apart.length;
    const counts = rote.grouped(apart, (index) => why.get(index));
    const reasons = [...counts].map(([reason, { length }]) => `${rote.number(length)} ${reason}`)
      .join("; ");
    const [summary, list] = place.children;
    summary.textContent = `Not in the chart: ${reasons}`;
    const links = apart.slice(0, rote.MOST_APART).flatMap((i) => [this.table.link(i), ", "]);
    const left = apart.length - rote.MOST_APART;
    list.replaceChildren(...links.slice(0, -1), left > 0 ? ` and ${rote.number(left)} more` : "");
  }

  // A colour and a mark for each of a few values; a scale for many numbers.
  groups(column, drawn) {
    const blue = { color: rote.PALETTE[0], symbol: "circle" };
    if (!column) return [{ name: "runs", indices: drawn, marker: blue }];
    const isScale = column.isNumber && column.distinct() > rote.PALETTE.length;
    if (isScale) return [this.scale(column, drawn)];
    const found = rote.grouped(drawn, (index) => column.at(index));
    const collator = new Intl.Collator("en", { numeric: true });
    const names = [...found.keys()].sort((a, b) => collator.compare(String(a), String(b)));
    return names.map((name, place) => ({
      name: name === null ? "none" : rote.written(name, column.form),
      indices: found.get(name),
      marker: { color: rote.colour(place), symbol: rote.mark(place) },
    }));
  }

  scale(column, drawn) {
    const colours = drawn.map((index) => column.at(index));
    const bar = { title: { text: rote.plain(column.label), side: "right" }, thickness: 12 };
    const marker = { color: colours, colorscale: "Cividis", reversescale: true, showscale: true,
      symbol: "circle" };
    return { name: column.label, indices: drawn, marker: { ...marker, colorbar: bar } };
  }

  // What the large marks and their bars are, and of how many seeds.
  noteSeeds(drawn) {
    const sizes = this.table.groups(drawn).map((runs) => runs.length);
    const [fewest, most] = [Math.min(...sizes), Math.max(...sizes)];
    const seeds = fewest < most ? `${fewest} to ${most}` : most;
    rote.find("seeds-note").textContent = this.table.state.isGrouped && most > 1
      ? `Large marks: means of ${seeds} seeds; whiskers reach from the least to the greatest. ` : "";
  }

  // Single runs; over them, where means are asked for, one mark a setting with its spread.
  traces(group, x, y) {
    const runs = this.runs(group, x, y);
    if (!this.table.state.isGrouped) return runs;
    const faint = runs.map((trace) => ({ ...trace, showlegend: false,
      marker: { ...trace.marker, size: 4, opacity: 0.3 } }));
    return [...faint, this.means(group, x, y)];
  }

  // Two traces, closed and open marks: one look for each costs a browser half of a look a mark.
  runs({ name, indices, marker }, x, y) {
    const isScale = Array.isArray(marker.color);
    const parts = [true, false].map((isConverged) => [...indices.keys()].filter(
      (place) => this.table.isConverged(indices[place]) === isConverged));
    const first = parts[0].length ? 0 : 1;
    return parts.map((places, at) => this.trace(places.map((place) => indices[place]), x, y, {
      name: rote.plain(name), legendgroup: name, showlegend: at === first,
      marker: { size: 7, opacity: 0.85, line: { width: at ? 1.5 : 0.5, color: rote.OUTLINE },
        ...marker, symbol: at ? `${marker.symbol}-open` : marker.symbol,
        ...(isScale && { color: places.map((place) => marker.color[place]), showscale: at === first,
          cmin: Math.min(...marker.color), cmax: Math.max(...marker.color) }) },
    })).filter((trace) => trace.x.length);
  }

  trace(indices, x, y, look) {
    return {
      type: "scatter", // SVG: it prints, and needs no graphics card
      mode: "markers",
      x: indices.map((index) => x.at(index)),
      y: indices.map((index) => y.at(index)),
      customdata: indices.map((index) => this.table.ids[index]),
      text: indices.map((index) => this.hover(index, x, y)),
      hovertemplate: rote.HOVER,
      ...look,
    };
  }

  // Open where one of the runs had not converged.
  means({ name, indices, marker }, x, y) {
    const settings = this.table.groups(indices);
    const [across, up] = [x, y].map((column) => settings.map((one) => this.table.spread(column, one)));
    const isScale = Array.isArray(marker.color);
    const color = isScale ? rote.PALETTE[0] : marker.color;
    const bars = (means) => ({ type: "data", symmetric: false, color, width: 3, thickness: 1,
      array: means.map((one) => one.most - one.mean),
      arrayminus: means.map((one) => one.mean - one.least) });
    const isOpen = (runs) => runs.some((index) => !this.table.isConverged(index));
    return {
      type: "scatter", mode: "markers", name: rote.plain(isScale ? "means over seeds" : name),
      x: across.map((one) => one.mean), y: up.map((one) => one.mean),
      error_x: bars(across), error_y: bars(up),
      customdata: settings.map((runs) => this.table.ids[runs[0]]),
      text: settings.map((runs, at) => this.toldMean(runs, [[x, across[at]], [y, up[at]]])),
      hovertemplate: rote.HOVER,
      marker: { size: 9, color, line: { width: 1.5, color: rote.OUTLINE },
        symbol: settings.map((runs) => (isOpen(runs) ? `${marker.symbol}-open` : marker.symbol)) },
    };
  }

  hover(index, x, y) {
    const numbers = [x, y].map((column) => `${column.label}: ${column.written(index)}`);
    const bound = this.table.isConverged(index) ? "" : "not converged";
    return rote.lines([this.table.name(index), this.label(index), ...numbers, bound]);
  }

  toldMean(indices, means) {
    const numbers = means.map(([column, found]) => {
      const [at, least, most] = [found.mean, found.least, found.most].map((value) =>
        rote.number(value, column.form));
      return `${column.label}: ${at}${found.least < found.most ? ` (${least} to ${most})` : ""}`;
    });
    const name = this.table.byKey.get("name")?.at(indices[0]);
    return rote.lines([name, rote.ofRuns(indices.length), ...numbers]);
  }

  go(id, event) {
    if (event.ctrlKey || event.metaKey) window.open(rote.runAddress(id), "_blank", "noopener");
    else location.href = rote.runAddress(id);
  }
};
