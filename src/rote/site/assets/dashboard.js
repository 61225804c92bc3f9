// The panels of a dashboard: runs as points; means over seeds as bars and as curves, with their
// least and most. The data are in the page.
"use strict";

{
  const { settings, sections } = JSON.parse(rote.find("data").textContent);
  // Where colours repeat, lines of curves differ.
  const dash = (place) => ["solid", "dot", "dash"][Math.floor(place / rote.PALETTE.length) % 3];
  const alone = { showlegend: false, hovertemplate: rote.HOVER };

  const points = (panel) => panel.series.map((one) => ({
    ...alone, type: "scatter", mode: "markers", x: one.x, y: one.y,
    text: one.ids.map((id, at) => rote.lines([settings[one.setting],
      `run ${id.slice(0, rote.ID_LETTERS)}`, `${panel.x}: ${rote.number(one.x[at])}`,
      `${panel.y}: ${rote.number(one.y[at], panel.form)}`, one.open[at] && "not converged"])),
    marker: { color: rote.colour(one.setting), size: 7, line: { width: 1, color: rote.OUTLINE },
      symbol: one.open.map((isOpen) => `${rote.mark(one.setting)}${isOpen ? "-open" : ""}`) },
  }));

  const spread = (panel, one, at) => {
    const [mean, least, most] = [one.mean, one.least, one.most].map((values) =>
      rote.number(values[at], panel.form));
    return `${panel.y}: ${mean}${one.num_runs > 1 ? ` (${least} to ${most})` : ""}`;
  };

  // The digest at the end of a setting names it below its bar; words would not fit.
  const bars = (panel) => [{
    ...alone, type: "bar", textposition: "none",
    x: panel.series.map((one) => one.label.split(" \u00b7 ").at(-1)),
    y: panel.series.map((one) => one.mean[0]),
    text: panel.series.map((one) =>
      rote.lines([one.label, rote.ofRuns(one.num_runs), spread(panel, one, 0)])),
    marker: { color: panel.series.map((one) => rote.colour(one.setting ?? 0)) },
    error_y: { type: "data", symmetric: false, color: rote.OUTLINE, thickness: 2, width: 4,
      visible: panel.series.some((one) => one.num_runs > 1),
      array: panel.series.map((one) => one.most[0] - one.mean[0]),
      arrayminus: panel.series.map((one) => one.mean[0] - one.least[0]) },
  }];

  const curve = (panel) => panel.series.flatMap((one) => {
    const edge = { ...alone, type: "scatter", mode: "lines", x: one.x, hoverinfo: "skip",
      hovertemplate: null, line: { width: 0, color: rote.colour(one.setting) } };
    const band = one.num_runs > 1
      ? [{ ...edge, y: one.least },
        { ...edge, y: one.most, fill: "tonexty", fillcolor: `${rote.colour(one.setting)}38` }] : [];
    return [...band, { ...alone, type: "scatter", mode: "lines", x: one.x, y: one.mean,
      text: one.x.map((x, at) => rote.lines([settings[one.setting], rote.ofRuns(one.num_runs),
        `${panel.x}: ${rote.number(x)}`, spread(panel, one, at)])),
      line: { width: 2, color: rote.colour(one.setting), dash: dash(one.setting) } }];
  });

  const make = { points, bars, curve };

  rote.find("settings").append(...settings.map((words, place) => {
    const swatch = rote.make("span", { class: "swatch", "aria-hidden": "true" });
    const style = { solid: "solid", dot: "dotted", dash: "dashed" }[dash(place)];
    swatch.style.borderTop = `.2rem ${style} ${rote.colour(place)}`;
    return rote.make("li", {}, swatch, words);
  }));
  sections.forEach(({ panels }, outer) => panels.forEach((panel, inner) => {
    const place = rote.find(`panel-${outer}-${inner}`);
    rote.walk(place, panel.title);
    rote.draw(place, make[panel.kind](panel), panel);
  }));
}
