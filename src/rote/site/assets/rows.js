// Rows of the table of runs: one run, or one setting with its means over seeds.
"use strict";

rote.runRow = (table, index, columns) => {
  const row = rote.make("tr", {}, rote.make("td", { class: "text" }, table.link(index)));
  const isDone = table.isDone(index);
  for (const column of columns) {
    const value = column.at(index);
    const kinds = [
      column.isNumber ? "" : "text", value === null ? "missing" : "",
      column.key === "state" ? `state ${value}` : "",
      column.key === "training.converged" && value === "no" ? "bound" : "",
    ];
    row.append(rote.make("td", { class: kinds.join(" ").trim() }, column.written(index, isDone)));
  }
  return row;
};

// One setting: of numbers the mean over its runs with the least and the greatest, of words how many
// have which.
rote.settingRow = (table, indices, columns) => {
  const words = table.byKey.get("name")?.at(indices[0]) ?? table.ids[indices[0]];
  const runs = indices.length === 1 ? "1 run" : `${rote.number(indices.length)} runs`;
  const links = rote.make("details", {}, rote.make("summary", {}, runs),
    ...indices.map((index) => rote.make("div", {}, table.link(index))));
  const row = rote.make("tr", {}, rote.make("td", { class: "text" }, words, links));
  for (const column of columns) {
    row.append(column.isNumber && !column.seed ? rote.meanCell(table, column, indices)
      : rote.make("td", { class: "text" }, rote.tally(table, column, indices)));
  }
  return row;
};

rote.meanCell = (table, column, indices) => {
  const found = table.spread(column, indices);
  if (!found) return rote.make("td", { class: "missing" }, column.written(indices[0]));
  const written = (value) => rote.number(value, column.form);
  const span = `${written(found.least)} to ${written(found.most)}`;
  const below = found.least < found.most ? [rote.make("small", {}, span)] : [];
  return rote.make("td", {}, written(found.mean), ...below);
};

rote.tally = (table, column, indices) => {
  const found = rote.grouped(indices, (index) => column.written(index, table.isDone(index)));
  const words = [...found].map(([word, { length }]) =>
    (found.size > 1 && length > 1 ? `${length} ${word}` : word));
  return words.length > 4 ? `${words.length} values` : words.join(", ");
};
